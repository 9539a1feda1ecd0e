import pytest
from form_models import OTHER, QUERY, Document, cache_key, expected, sql

from sqlalchemy_vecsearch import SearchError, count_within


def count(query=QUERY, within=0.3, **options):
    return count_within(Document, Document.embedding, query, within=within, **options)


def test_a_count_compares_the_distance_outside_the_limited_scan():
    assert sql(count()) == expected("count_within")


def test_a_count_over_a_quantised_index_compares_full_distances():
    assert sql(count_within(Document, Document.bits, QUERY, within=0.3, at_most=10)) == expected("count_within_binary")


def test_counts_differ_in_the_cache_by_their_metric_alone():
    assert cache_key(count()) == cache_key(count(OTHER, within=0.5, at_most=7))
    assert cache_key(count(exact=True)) != cache_key(count(exact=True, metric="l2"))


@pytest.mark.parametrize("within", [float("inf"), None])
def test_a_count_needs_a_distance(within):
    with pytest.raises(SearchError) as raised:
        count(within=within)
    assert str(raised.value) == (
        f"within={within} is no distance. It is the largest distance to return, a finite number. Choose one."
    )


def test_a_count_stops_at_a_whole_number():
    with pytest.raises(SearchError) as raised:
        count(at_most=0)
    assert str(raised.value) == (
        "at_most=0 is not possible. It says where counting stops, a whole number of 1 or more, and at most 1,000,000,000. "
        "Pass such a number, at_most=10 for example."
    )
