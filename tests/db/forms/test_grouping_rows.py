from collections import Counter

import pytest
from searched_corpus import ARTICLES, Article, Chunk, pages, plan_of
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from sqlalchemy_vecsearch import nearest_per_group


def groups(query, **options):
    return nearest_per_group(Chunk, Chunk.embedding, query, by=Chunk.article_id, **options)


def test_each_group_comes_once_with_its_nearest_row(session, query):
    rows = session.execute(groups(query, k=10)).all()
    exact = session.execute(groups(query, k=10, exact=True)).all()
    assert [row.Chunk.id for row in rows] == [row.Chunk.id for row in exact]
    assert len({row.Chunk.article_id for row in rows}) == 10
    assert [row.distance for row in rows] == sorted(row.distance for row in rows)


@pytest.mark.parametrize("exact", [False, True])
def test_each_group_comes_with_as_many_rows_as_asked(session, query, exact):
    rows = session.execute(groups(query, k=10, per_group=3, exact=exact)).all()
    assert Counter(Counter(row.Chunk.article_id for row in rows).values()) == {3: 10}
    assert [row.distance for row in rows] == sorted(row.distance for row in rows)


def test_groups_with_fewer_rows_than_asked_come_with_all_they_have(session, query):
    rows = session.execute(groups(query, k=5, per_group=9)).all()
    assert Counter(Counter(row.Chunk.article_id for row in rows).values()) == {4: 5}


def test_rows_of_no_group_are_left_out(session, chunks):
    orphan = session.scalars(select(Chunk).where(Chunk.article_id.is_(None)).limit(1)).one()
    rows = session.execute(groups(chunks[orphan.id], k=10)).all()
    assert len(rows) == 10
    assert all(row.Chunk.article_id is not None for row in rows)


def test_groups_that_the_candidates_miss_are_found_by_comparing_all_rows(session, query):
    session.execute(
        insert(Chunk),
        [{"id": 900_000 + n, "article_id": 0, "number": 0, "embedding": query.tolist()} for n in range(300)],
    )
    for per_group in (1, 2):
        rows = session.execute(groups(query, k=10, per_group=per_group)).all()
        exact = session.execute(groups(query, k=10, per_group=per_group, exact=True)).all()
        assert len({row.Chunk.article_id for row in rows}) == 10
        assert [row.distance for row in rows] == [row.distance for row in exact]


def test_a_table_with_fewer_groups_than_asked_returns_them_all(session, query):
    statement = nearest_per_group(Chunk, Chunk.embedding, query, by=Chunk.number, k=10, per_group=2)
    assert Counter(row.Chunk.number for row in session.execute(statement)) == {0: 2, 1: 2, 2: 2, 3: 2}


def test_more_groups_than_a_scan_returns_at_once(session, query):
    k = session.scalar(select(func.count(Chunk.article_id.distinct())))
    rows = session.execute(groups(query, k=ARTICLES)).all()
    assert len(rows) == k
    assert len({row.Chunk.article_id for row in rows}) == k


def test_a_filter_that_matches_nothing_returns_nothing(session, query):
    source = select(Chunk).where(Chunk.number == 99)
    assert session.execute(nearest_per_group(source, Chunk.embedding, query, by=Chunk.article_id, k=3)).all() == []


def test_a_group_column_of_a_joined_class_and_an_alias_work(session, query):
    other = aliased(Chunk)
    source = select(other.id, Article.lang).join(Article, other.article_id == Article.id)
    rows = session.execute(nearest_per_group(source, other.embedding, query, by=Article.lang, k=5)).all()
    assert sorted(row.lang for row in rows) == ["de", "en"]


def test_a_core_table_with_a_composite_key_is_grouped(session, query):
    rows = session.execute(nearest_per_group(pages, pages.c.embedding, query, by=pages.c.chapter, k=10)).all()
    exact = nearest_per_group(pages, pages.c.embedding, query, by=pages.c.chapter, k=10, exact=True)
    assert rows == session.execute(exact).all()


async def test_groups_are_found_on_asyncpg(async_engine, query):
    async with AsyncSession(async_engine) as session:
        rows = (await session.execute(groups(query, k=10, per_group=2))).all()
    assert Counter(Counter(row.Chunk.article_id for row in rows).values()) == {2: 10}


@pytest.mark.parametrize("per_group", [1, 3])
def test_the_index_serves_groups(session, query, per_group):
    plan = plan_of(session, groups(query, k=5, per_group=per_group))
    assert "Index Scan using ix_chunk_embedding" in plan


def test_the_exact_part_of_groups_does_not_run_when_the_candidates_suffice(session, query):
    lines = plan_of(session, groups(query, k=10), analyze=True).splitlines()
    (gate,) = (number for number, line in enumerate(lines) if "< 10)" in line)
    read = next(line for line in lines[gate:] if "Scan on chunk" in line)
    assert "never executed" in lines[gate - 1]
    assert "never executed" in read
