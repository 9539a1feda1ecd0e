from datetime import timedelta

import pytest
from searched_corpus import NOW, Article, Chunk, plan_of
from sqlalchemy import Date, case, cast, null, select
from sqlalchemy.ext.asyncio import AsyncSession

from sqlalchemy_vecsearch import boosted, nearest, recency

FRESH = recency(Article.published, half_life=timedelta(days=30), weight=0.5, now=NOW)


def test_the_best_of_the_nearest_come_first(session, query):
    rows = session.execute(boosted(Article, Article.embedding, query, boost=FRESH, k=10, pool=100)).all()
    expected = []
    for article, distance in session.execute(nearest(Article, Article.embedding, query, k=100)):
        age = (NOW - article.published).days
        expected.append((-(1 - distance + 0.5 * 0.5 ** (age / 30)), article.id, distance))
    best = sorted(expected)[:10]
    assert [row.Article.id for row in rows] == [number for _, number, _ in best]
    assert [row.score for row in rows] == pytest.approx([-score for score, _, _ in best])
    assert [row.distance for row in rows] == pytest.approx([distance for _, _, distance in best])


def test_a_boost_that_is_null_adds_nothing(session, query):
    boost = case((Article.lang == "en", null()), else_=-5.0)
    rows = session.execute(boosted(Article, Article.embedding, query, boost=boost, k=5)).all()
    assert {row.Article.lang for row in rows} == {"en"}
    assert [row.score for row in rows] == pytest.approx([1 - row.distance for row in rows])


def test_times_in_the_future_count_as_now_and_dates_do_too(session):
    future = recency(Article.published, half_life=timedelta(days=1), now=NOW - timedelta(days=9999))
    dates = recency(cast(Article.published, Date), half_life=timedelta(days=1), now=NOW + timedelta(days=1))
    row = session.execute(select(future.label("future"), dates.label("dates")).where(Article.id == 0)).one()
    assert row.future == 1
    assert row.dates == pytest.approx(0.5)


def test_rows_of_long_ago_have_no_boost_left(session, query):
    fresh = recency(Article.published, half_life=timedelta(seconds=1), now=NOW + timedelta(days=20_000))
    rows = session.execute(boosted(Article, Article.embedding, query, boost=fresh, k=10)).all()
    assert [score for *_, score in rows] == pytest.approx([1 - distance for _, distance, _ in rows])


def test_now_is_the_time_of_the_server_unless_another_is_given(session):
    aged = recency(Article.published, half_life=timedelta(days=365), weight=8)
    assert 0 < session.scalar(select(aged).where(Article.id == 0)) <= 8


async def test_boosted_searches_run_on_asyncpg(async_engine, query):
    async with AsyncSession(async_engine) as session:
        rows = (await session.execute(boosted(Article, Article.embedding, query, boost=FRESH, k=10))).all()
    assert len(rows) == 10


def test_the_index_serves_the_pool(session, query):
    plan = plan_of(session, boosted(Chunk, Chunk.embedding, query, boost=Chunk.number * 0.1, k=5))
    assert "Index Scan using ix_chunk_embedding" in plan
