import numpy as np
import pytest
from searched_corpus import ARTICLES, Article, pages, plan_of
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from sqlalchemy_vecsearch import nearest, recommend


def recommended(positive, negative=(), k=10, source=Article, **options):
    return recommend(source, Article.embedding, positive=positive, negative=negative, k=k, **options)


def ids(session, statement):
    return [row.Article.id for row in session.execute(statement)]


def near(session, target, left_out, k=10):
    found = ids(session, nearest(Article, Article.embedding, target, k=k + len(left_out)))
    return [number for number in found if number not in left_out][:k]


def test_an_average_of_stored_rows_and_vectors_is_searched_for(session, articles):
    liked = (articles[3] + articles[5] + articles[70]) / 3
    target = liked + (liked - (articles[7] + articles[9]) / 2)
    found = ids(session, recommended([3, 5, articles[70]], [7, articles[9]]))
    assert found == near(session, target, {3, 5, 7})


def test_positive_examples_alone_are_averaged(session, articles):
    assert ids(session, recommended([3, 5])) == near(session, (articles[3] + articles[5]) / 2, {3, 5})


def test_the_best_score_returns_the_rows_nearest_to_any_example(session, articles):
    rows = session.execute(recommended([3, 900], strategy="best_score", exact=True)).all()
    unit = articles / np.linalg.norm(articles, axis=1, keepdims=True)
    distances = 1 - (unit @ unit[[3, 900]].T).max(axis=1)
    best = [int(n) for n in np.argsort(distances) if n not in {3, 900, ARTICLES - 1}][:10]
    assert [row.Article.id for row in rows] == best
    assert [row.distance for row in rows] == pytest.approx(distances[best], abs=1e-6)


def test_rows_nearer_to_a_negative_example_come_last_by_the_best_score(session):
    (twin,) = ids(
        session,
        nearest(select(Article).where(Article.id != 3), Article.embedding, [*session.get(Article, 3).embedding], k=1),
    )
    plain = ids(session, recommended([3], strategy="best_score", k=5))
    moved = ids(session, recommended([3], [twin], strategy="best_score", k=40))
    assert plain[0] == twin
    assert twin not in moved
    assert len(moved) == 40


@pytest.mark.parametrize("strategy", ["average", "best_score"])
def test_filters_hold_and_there_are_as_many_rows_as_asked(session, strategy):
    source = select(Article).where(Article.author_id == 4)
    rows = session.execute(recommended([3, 5], [8], k=60, source=source, strategy=strategy)).all()
    assert len(rows) == 60
    assert {row.Article.author_id for row in rows} == {4}


@pytest.mark.parametrize("strategy", ["average", "best_score"])
def test_examples_without_embeddings_do_not_count(session, strategy):
    options = {"strategy": strategy, "k": 5}
    assert ids(session, recommended([3, 10**6], [ARTICLES - 1], **options)) == ids(session, recommended([3], **options))
    assert ids(session, recommended([10**6], [3], **options)) == []
    assert ids(session, recommended([ARTICLES - 1], **options)) == []


@pytest.mark.parametrize("strategy", ["average", "best_score"])
def test_a_core_table_with_a_composite_key_is_recommended_from(session, strategy):
    statement = recommend(pages, pages.c.embedding, positive=[("b0", 0), ("b1", 1)], k=4, strategy=strategy)
    found = [(row.book, row.number) for row in session.execute(statement)]
    assert len(found) == 4
    assert not {("b0", 0), ("b1", 1)} & set(found)


@pytest.mark.parametrize("strategy", ["average", "best_score"])
async def test_recommendations_run_on_asyncpg(async_engine, articles, strategy):
    async with AsyncSession(async_engine) as session:
        rows = (await session.execute(recommended([3, articles[5]], [8], strategy=strategy))).all()
    assert len(rows) == 10


@pytest.mark.parametrize("strategy", ["average", "best_score"])
def test_the_index_serves_recommendations(session, strategy):
    plan = plan_of(session, recommended([3, 5], [8], strategy=strategy))
    assert "Index Scan using ix_article_embedding" in plan
