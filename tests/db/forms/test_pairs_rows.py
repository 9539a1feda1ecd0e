import numpy as np
from searched_corpus import Chunk, pages, plan_of
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from sqlalchemy_vecsearch import similar_pairs


def exact_pairs(chunks, within, keep):
    numbers = np.flatnonzero(keep(np.arange(len(chunks))))
    some = chunks[numbers] / np.linalg.norm(chunks[numbers], axis=1, keepdims=True)
    near = np.argwhere(np.triu(1 - some @ some.T <= within, 1))
    return {(int(numbers[one]), int(numbers[other])) for one, other in near}


def test_near_duplicates_come_once_and_nearest_first(session, chunks):
    rows = session.execute(similar_pairs(Chunk, Chunk.embedding, within=0.02)).all()
    pairs = [(one.id, other.id) for one, other, _ in rows]
    exact = exact_pairs(chunks, 0.02, lambda numbers: numbers >= 0)
    assert len(pairs) == len(set(pairs))
    assert set(pairs) <= exact
    assert len(pairs) >= 0.95 * len(exact)
    assert all(one < other for one, other in pairs)
    assert [row.distance for row in rows] == sorted(row.distance for row in rows)


def test_both_rows_of_a_pair_pass_the_filter(session, chunks):
    source = select(Chunk).where(Chunk.id < 400)
    rows = session.execute(similar_pairs(source, Chunk.embedding, within=0.03)).all()
    exact = exact_pairs(chunks, 0.03, lambda numbers: numbers < 400)
    assert {(one.id, other.id) for one, other, _ in rows} == exact
    assert exact


def test_pairs_of_a_core_table_with_a_composite_key(session):
    rows = session.execute(similar_pairs(pages, pages.c.embedding, within=0.6).limit(5)).all()
    assert rows
    assert all((row[0], row[1]) < (row[4], row[5]) for row in rows)


def test_no_pairs_are_found_where_there_are_none(session):
    source = select(Chunk).where(Chunk.id == 3)
    assert session.execute(similar_pairs(source, Chunk.embedding, within=2)).all() == []


async def test_pairs_are_found_on_asyncpg(async_engine):
    async with AsyncSession(async_engine) as session:
        statement = similar_pairs(select(Chunk).where(Chunk.id < 100), Chunk.embedding, within=0.05)
        rows = (await session.execute(statement)).all()
    assert rows
    assert all(one.article_id == other.article_id for one, other, _ in rows)


def test_the_index_serves_each_row(session):
    plan = plan_of(session, similar_pairs(Chunk, Chunk.embedding, within=0.02))
    assert "Index Scan using ix_chunk_embedding" in plan
