import uuid

import numpy as np
import pytest
from form_models import DIALECT, OTHER, QUERY, Chunk, Document, Offer, Question, cache_key, expected, pages, sql
from sqlalchemy import select

from sqlalchemy_vecsearch import DimensionError, SearchError, VectorValueError, embedding_of, nearest_each


def each(queries=None, k=5, **options):
    queries = {1: QUERY, 2: OTHER} if queries is None else queries
    return nearest_each(Document, Document.embedding, queries, k=k, **options)


def test_each_query_has_an_index_scan_of_its_own():
    assert sql(each()) == expected("nearest_each")


def test_each_query_over_a_quantised_index_is_ranked_anew():
    assert sql(nearest_each(Document, Document.bits, {1: QUERY}, k=5)) == expected("nearest_each_binary")


def test_queries_of_another_table_come_by_a_select():
    queries = select(Question.id, Question.embedding)
    assert sql(each(queries, within=0.5)) == expected("nearest_each_select")


def test_rows_that_are_their_own_queries_leave_themselves_out():
    queries = select(Document.id, Document.embedding).where(Document.lang == "en")
    assert sql(each(queries)) == expected("nearest_each_of_itself")


def test_batches_share_their_compiled_form_up_to_the_next_power_of_two():
    assert cache_key(each()) == cache_key(each({7: OTHER, 8: QUERY, 9: OTHER}, k=9))
    assert cache_key(each(dict.fromkeys(range(5), QUERY))) == cache_key(each(dict.fromkeys(range(8), QUERY)))
    assert cache_key(each()) != cache_key(each(dict.fromkeys(range(5), QUERY)))
    assert cache_key(each(exact=True)) != cache_key(each(exact=True, metric="l2"))


def test_keys_keep_their_type():
    assert "VARCHAR[]" in sql(each({"a": QUERY}))
    assert "UUID[]" in sql(each({uuid.UUID(int=1): QUERY}))


def test_a_core_table_with_a_key_of_two_columns_is_found_again_by_both():
    statement = nearest_each(pages, pages.c.embedding, {1: QUERY}, k=2)
    assert "WHERE page.book OPERATOR(pg_catalog.=) sorted_1.key_0 AND page.number = sorted_1.key_1 ORDER BY" in sql(
        statement
    )


def test_keys_of_several_types_are_refused():
    with pytest.raises(SearchError) as raised:
        each({1: QUERY, "b": OTHER})
    assert str(raised.value) == (
        "The keys of the queries can not be sent to the server: they are int, str. "
        "Each comes back with the rows of its query, as a column of one PostgreSQL type. "
        "Use keys of one type, such as int or str, and look your own objects up by them."
    )


def test_keys_without_a_type_on_the_server_are_refused():
    with pytest.raises(SearchError, match=r"^The keys of the queries can not be sent to the server: they are object\."):
        each({object(): QUERY})


def test_a_list_of_vectors_is_refused():
    with pytest.raises(SearchError) as raised:
        each([QUERY])
    assert str(raised.value) == (
        "The queries are list, not vectors by key. "
        "Each row that is found comes back with the key of its query. "
        "Pass a dict such as {1: vector, 2: vector}, dict(enumerate(vectors)), or a Select of a key and a vector."
    )


def test_a_select_of_queries_has_two_columns():
    with pytest.raises(SearchError) as raised:
        each(select(Question.id))
    assert str(raised.value) == (
        "The Select of queries has 1 columns. "
        "The first is the key that comes back with the rows, and the second is the vector. "
        "Pass select(Document.id, Document.embedding) with your own WHERE."
    )


def test_stored_rows_come_by_a_select():
    with pytest.raises(SearchError) as raised:
        each({1: embedding_of(Document, 1)})
    assert str(raised.value) == (
        "One of several queries is embedding_of(...). "
        "Many stored rows are read at once by a Select of their keys and embeddings, which leaves each row itself out "
        "too. Pass select(Document.id, Document.embedding).where(Document.id.in_(...)) as the queries."
    )


def test_a_query_of_another_length_is_refused():
    with pytest.raises(DimensionError):
        each({1: QUERY, 2: [1.0]})


def test_a_column_of_another_table_is_refused():
    with pytest.raises(SearchError, match=r"^The column 'chunk\.embedding' is not of what is searched\."):
        nearest_each(Document, Chunk.embedding, {1: QUERY}, k=1)


def test_each_query_scans_the_partial_indexes_that_hold_its_rows():
    statement = nearest_each(
        select(Offer).where(Offer.shop.in_([7, 8])), Offer.embedding, select(Offer.id, Offer.embedding), k=3
    )
    assert sql(statement) == expected("nearest_each_partial")


FAULTS = {
    "another length": ([1.0, 2.0], DimensionError),
    "not finite": ([1.0, float("nan"), 2.0], VectorValueError),
    "too large": ([1.0, float("inf"), 2.0], VectorValueError),
    "zero": ([0.0, 0.0, 0.0], SearchError),
}


@pytest.mark.parametrize(("vector", "error"), FAULTS.values(), ids=FAULTS)
def test_one_wrong_array_among_many_is_refused_as_it_is_alone(vector, error):
    wrong = np.array(vector, dtype=np.float32)
    with pytest.raises(error) as alone:
        each({1: wrong})
    with pytest.raises(error) as among:
        each({1: np.array(QUERY, dtype=np.float32), 2: wrong})
    assert str(among.value) == str(alone.value)


def test_arrays_are_sent_as_they_are():
    arrays = [np.array(vector, dtype=np.float32) for vector in (QUERY, OTHER)]
    sent = each(dict(enumerate(arrays))).compile(dialect=DIALECT).params.values()
    assert [any(value is array for value in sent) for array in arrays] == [True, True]
