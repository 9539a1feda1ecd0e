import pytest
from form_models import OTHER, QUERY, Chunk, Document, cache_key, expected, pages, sql
from sqlalchemy import select

from sqlalchemy_vecsearch import SearchError, nearest_per_group


def groups(query=QUERY, by=Chunk.document_id, k=10, **options):
    return nearest_per_group(Chunk, Chunk.embedding, query, by=by, k=k, **options)


def test_the_best_row_of_each_group_comes_from_candidates_or_else_from_all_rows():
    assert sql(groups()) == expected("nearest_per_group")


def test_the_best_rows_of_each_group_come_from_candidates_or_else_from_all_rows_of_the_group():
    assert sql(groups(per_group=3)) == expected("nearest_per_group_3")


def test_exact_groups_use_no_approximate_index():
    assert sql(groups(exact=True)) == expected("nearest_per_group_exact")


def test_rows_of_no_group_are_left_out_where_there_can_be_any():
    assert "maybe_id IS NOT NULL" in sql(groups(by=Chunk.maybe_id))
    assert "document_id IS NOT NULL" not in sql(groups())


def test_a_core_table_with_a_key_of_two_columns_is_found_again_by_both():
    statement = nearest_per_group(pages, pages.c.embedding, QUERY, by=pages.c.chapter, k=2)
    assert "WHERE page.book OPERATOR(pg_catalog.=) best_1.key_0 AND page.number = best_1.key_1 ORDER BY" in sql(
        statement
    )


def test_groups_differ_in_the_cache_by_their_metric_alone():
    assert cache_key(groups()) == cache_key(groups(OTHER, k=20, oversample=3))
    assert cache_key(groups(exact=True)) != cache_key(groups(exact=True, metric="l2"))


def test_a_group_column_of_another_table_is_refused():
    with pytest.raises(SearchError) as raised:
        groups(by=Document.id)
    assert str(raised.value) == (
        "The column document.id that by names is not of what is searched. "
        "Its table would be joined to the statement without a condition, and every pair of rows compared. "
        "Pass a column of the searched class, or join its class to the statement first."
    )


def test_a_group_column_can_be_of_a_joined_table():
    statement = select(Chunk).join(Document, Chunk.document_id == Document.id)
    assert "document.lang" in sql(nearest_per_group(statement, Chunk.embedding, QUERY, by=Document.lang, k=2))


def test_what_is_no_column_can_not_tell_groups():
    with pytest.raises(SearchError) as raised:
        groups(by="document_id")
    assert str(raised.value) == (
        "by='document_id' is no column. A search reads it beside the vectors, from the same rows. "
        "Pass a column of the searched class, such as Chunk.document_id."
    )


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("k", "how many rows to return"),
        ("per_group", "how many rows of each group to return"),
        ("oversample", "how many candidates to look at for each row"),
    ],
)
def test_numbers_of_groups_are_one_or_more(name, meaning):
    with pytest.raises(SearchError) as raised:
        groups(**{name: 0})
    assert str(raised.value) == (
        f"{name}=0 is not possible. It says {meaning}, a whole number of 1 or more, and at most 1,000,000,000. "
        f"Pass such a number, {name}=10 for example."
    )
