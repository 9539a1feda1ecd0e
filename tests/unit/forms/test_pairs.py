import pytest
from form_models import Chunk, Document, cache_key, expected, pages, sql
from sqlalchemy import select

from sqlalchemy_vecsearch import SearchError, similar_pairs


def pairs(source=Document, **options):
    return similar_pairs(source, Document.embedding, **({"within": 0.05} | options))


def test_each_row_has_an_index_scan_of_its_own_and_each_pair_comes_once():
    assert sql(pairs()) == expected("similar_pairs")


def test_both_rows_of_a_pair_pass_the_filter():
    assert sql(pairs(select(Document).where(Document.lang == "en"))) == expected("similar_pairs_filtered")


def test_keys_of_two_columns_are_compared_column_by_column():
    assert sql(similar_pairs(pages, pages.c.embedding, within=1)) == expected("similar_pairs_composite")


def test_pairs_differ_in_the_cache_by_their_metric_alone():
    assert cache_key(pairs()) == cache_key(pairs(within=0.2, k=3))
    assert cache_key(pairs(exact=True)) != cache_key(pairs(exact=True, metric="l2"))


def test_pairs_of_several_tables_are_refused():
    with pytest.raises(SearchError) as raised:
        pairs(select(Document).join(Chunk, Chunk.document_id == Document.id))
    assert str(raised.value) == (
        "The statement whose pairs of 'document.embedding' are wanted reads more than one table. "
        "A pair is two rows of one entity, and both come from the same statement. "
        "Pass the class, or select(Document).where(...) with joins written as EXISTS."
    )


@pytest.mark.parametrize("within", [float("nan"), None])
def test_pairs_need_a_distance(within):
    with pytest.raises(SearchError) as raised:
        pairs(within=within)
    assert str(raised.value) == (
        f"within={within} is no distance. It is the largest distance to return, a finite number. Choose one."
    )
