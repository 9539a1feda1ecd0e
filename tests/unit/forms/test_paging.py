import re

import pytest
from form_models import DIALECT, OTHER, QUERY, Document, cache_key, expected, sql
from sqlalchemy import select

from sqlalchemy_vecsearch import SearchError, nearest_first, page, stream


def paged(query=QUERY, number=2, size=10, **options):
    return page(Document, Document.embedding, query, number=number, size=size, **options)


def test_every_page_is_cut_from_the_same_pool():
    assert sql(paged()) == expected("page")


def test_pages_share_their_compiled_form():
    assert cache_key(paged()) == cache_key(paged(OTHER, number=7, size=3, pool=90))
    assert cache_key(paged(exact=True)) != cache_key(paged(exact=True, metric="l2"))


def test_the_last_page_ends_with_the_pool():
    statement = paged(number=4, size=3, pool=10)
    cut = re.search(r"key_0\s+LIMIT %\((\w+)\)s::INTEGER OFFSET %\((\w+)\)s::INTEGER\)\s+SELECT", sql(statement))
    sent = statement.compile(dialect=DIALECT).params
    assert [sent[name] for name in cut.groups()] == [1, 9]


def test_a_page_beyond_the_pool_is_refused():
    with pytest.raises(SearchError) as raised:
        paged(number=6, size=20, pool=90)
    assert str(raised.value) == (
        "Page 6 of 20 rows lies beyond the pool of 90. "
        "All pages are cut from the same nearest rows, and there are no more of them than the pool. "
        "Stop at page 5, choose a larger pool for all pages, or use stream()."
    )


@pytest.mark.parametrize("name", ["number", "size", "pool"])
def test_numbers_of_pages_are_one_or_more(name):
    with pytest.raises(SearchError, match=f"^{name}=0 is not possible"):
        paged(**{name: 0})


def test_all_rows_nearest_first_are_ordered_by_the_bare_distance_without_a_limit():
    assert sql(nearest_first(Document, Document.embedding, QUERY)) == expected("nearest_first")


def test_rows_that_no_index_returns_in_order_are_sorted():
    assert sql(nearest_first(Document, Document.bits, QUERY)) == expected("nearest_first_sorted")
    assert "OPERATOR(pg_catalog.+) 0" in sql(
        nearest_first(select(Document).order_by(Document.id), Document.embedding, QUERY)
    )
    assert "OPERATOR(pg_catalog.+) 0" in sql(nearest_first(Document, Document.embedding, QUERY, exact=True))


def test_a_page_of_a_stream_has_a_row_or_more():
    with pytest.raises(SearchError, match=r"^page_size=0 is not possible\. It says how many rows a page has,"):
        stream(None, select(Document), 0)
