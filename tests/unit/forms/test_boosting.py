from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from form_models import OTHER, QUERY, Document, cache_key, expected, sql
from sqlalchemy import Column, DateTime, Integer, MetaData, Table, func

from sqlalchemy_vecsearch import SearchError, boosted, recency

NEWS = Table("news", MetaData(), Column("id", Integer, primary_key=True), Column("at", DateTime(timezone=True)))


def best(query=QUERY, boost=None, k=5, **options):
    boost = func.length(Document.title) * 0.01 if boost is None else boost
    return boosted(Document, Document.embedding, query, boost=boost, k=k, **options)


def test_a_boost_is_added_outside_the_scan():
    assert sql(best()) == expected("boosted")


def test_boosted_searches_differ_in_the_cache_by_their_metric_alone():
    assert cache_key(best()) == cache_key(best(OTHER, k=9, pool=300))
    assert cache_key(best(exact=True)) != cache_key(best(exact=True, metric="l2"))


@pytest.mark.parametrize("boost", ["x", float("nan"), [0.1], {}])
def test_a_boost_is_an_expression_or_a_number(boost):
    with pytest.raises(SearchError) as raised:
        best(boost=boost)
    assert str(raised.value) == (
        f"boost={boost!r} can not be added to a similarity. It is an SQL expression over the source, or a finite number. "
        "Pass such a one, case((Document.pinned, 0.2), else_=0.0) for example."
    )


@pytest.mark.parametrize("boost", [0, 0.5, Decimal("0.5"), Document.title, func.length(Document.title)])
def test_numbers_attributes_and_expressions_are_boosts(boost):
    assert "coalesce(" in sql(best(boost=boost))


def test_recency_halves_in_each_half_life():
    assert sql(recency(NEWS.c.at, half_life=timedelta(days=2), weight=0.5)) == (
        "CAST(%(param_1)s AS FLOAT(53)) OPERATOR(pg_catalog.*) pg_catalog.power(CAST(%(param_2)s AS FLOAT(53)), "
        "least(greatest(CAST(EXTRACT(epoch FROM pg_catalog.now() OPERATOR(pg_catalog.-) news.at) AS FLOAT(53)), "
        "CAST(%(param_3)s AS FLOAT(53))) OPERATOR(pg_catalog./) CAST(%(param_4)s AS FLOAT(53)), "
        "CAST(%(param_5)s AS FLOAT(53))))\n"
    )


def test_recency_can_count_from_another_time():
    text = sql(recency(NEWS.c.at, half_life=timedelta(days=2), now=datetime(2026, 1, 1, tzinfo=UTC)))
    assert "now()" not in text


@pytest.mark.parametrize(
    ("half_life", "shown"),
    [
        (timedelta(0), "datetime.timedelta(0)"),
        (timedelta(-1), "datetime.timedelta(days=-1)"),
        (30, "30"),
        (None, "None"),
    ],
)
def test_a_half_life_is_a_positive_span(half_life, shown):
    with pytest.raises(SearchError) as raised:
        recency(NEWS.c.at, half_life=half_life)
    assert str(raised.value) == (
        f"half_life={shown} is not possible. "
        "The boost of a row halves each time that this span goes by. "
        "Pass a positive one: timedelta(days=30)."
    )


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 10**400, Decimal("sNaN"), Decimal("1e400"), "1", None])
def test_the_weight_of_recency_is_a_finite_number(weight):
    with pytest.raises(SearchError, match=r"^weight=.* can not be added to a similarity\. It is what a row of now is"):
        recency(NEWS.c.at, half_life=timedelta(days=2), weight=weight)


def test_a_pool_is_one_row_or_more():
    with pytest.raises(SearchError, match=r"^pool=0 is not possible\. It says how many of the nearest rows to rank,"):
        best(pool=0)
