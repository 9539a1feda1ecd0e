import numpy as np
import pytest
from searched_corpus import CHUNKS_OF_EACH, Article, Chunk, plan_of
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from sqlalchemy_vecsearch import max_sim


def scored(vectors, **options):
    return max_sim(Chunk, Chunk.embedding, vectors, by=Chunk.article_id, **options)


def exact_scores(chunks, vectors):
    unit = chunks / np.linalg.norm(chunks, axis=1, keepdims=True)
    alike = unit @ np.array([vector / np.linalg.norm(vector) for vector in vectors]).T
    scores = alike.reshape(-1, CHUNKS_OF_EACH, len(vectors)).max(axis=1).sum(axis=1)
    scores[7::100] = -np.inf  # the chunks of these belong to no article
    return scores


def test_scores_are_those_of_all_vectors_of_a_document(session, chunks):
    vectors = [chunks[4], chunks[5], chunks[6]]
    rows = session.execute(scored(vectors, k=5)).all()
    scores = exact_scores(chunks, vectors)
    assert [row.article_id for row in rows] == [int(number) for number in np.argsort(-scores)[:5]]
    assert [row.score for row in rows] == pytest.approx(np.sort(scores)[::-1][:5], abs=1e-5)


def test_documents_that_the_candidates_miss_are_found_by_scoring_all(session, chunks):
    session.execute(
        insert(Chunk),
        [{"id": 900_000 + n, "article_id": 0, "number": 0, "embedding": chunks[5].tolist()} for n in range(60)],
    )
    rows = session.execute(scored([chunks[5]], k=5, candidates=10)).all()
    scores = exact_scores(chunks, [chunks[5]])
    scores[0] = 1
    assert sorted(row.score for row in rows) == pytest.approx(sorted(scores)[-5:], abs=1e-5)


def test_more_documents_than_there_are_return_them_all(session, chunks):
    source = select(Chunk).where(Chunk.article_id < 20)
    rows = session.execute(max_sim(source, Chunk.embedding, [chunks[5]], by=Chunk.article_id, k=100)).all()
    assert len(rows) == 19


def test_the_documents_themselves_are_joined_to_the_result(session, chunks):
    best = scored([chunks[5]], k=3).subquery()
    rows = session.execute(
        select(Article, best.c.score).join(best, Article.id == best.c.article_id).order_by(best.c.score.desc())
    ).all()
    assert rows[0].Article.id == 1
    assert len(rows) == 3


async def test_late_interaction_runs_on_asyncpg(async_engine, chunks):
    async with AsyncSession(async_engine) as session:
        rows = (await session.execute(scored([chunks[5], chunks[9]], k=4))).all()
    assert len(rows) == 4


def test_indexes_serve_both_stages(session, chunks):
    plan = plan_of(session, scored([chunks[5], chunks[9]], k=2, candidates=5))
    assert "Index Scan using ix_chunk_embedding" in plan
    assert "Index Scan using ix_chunk_article_id" in plan


def test_scoring_all_documents_does_not_run_when_the_candidates_suffice(session, chunks):
    lines = plan_of(session, scored([chunks[5], chunks[9]], k=3), analyze=True).splitlines()
    (gate,) = (number for number, line in enumerate(lines) if "< 3)" in line)
    assert "never executed" in lines[gate + 1]
