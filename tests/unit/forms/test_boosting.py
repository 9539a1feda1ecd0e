from datetime import UTC, datetime, timedelta

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


def test_a_half_life_is_positive():
    with pytest.raises(SearchError) as raised:
        recency(NEWS.c.at, half_life=timedelta(0))
    assert str(raised.value) == (
        "half_life=datetime.timedelta(0) is not possible. "
        "The boost of a row halves each time that this span goes by. "
        "Pass a positive one: timedelta(days=30)."
    )


def test_a_pool_is_one_row_or_more():
    with pytest.raises(SearchError, match=r"^pool=0 is not possible\. It says how many of the nearest rows to rank,"):
        best(pool=0)
