import pytest
from searched_corpus import Article, Chunk, pages, plan_of
from sqlalchemy import null, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, joinedload

from sqlalchemy_vecsearch import VECTOR, nearest, nearest_each


def singles(session, queries, k, source=Chunk, column=Chunk.embedding):
    return [
        (key, *row) for key, vector in queries.items() for row in session.execute(nearest(source, column, vector, k=k))
    ]


def test_a_batch_finds_what_single_searches_find(session, chunks):
    queries = {number * 3: chunks[number * 500] for number in range(12)}
    rows = session.execute(nearest_each(Chunk, Chunk.embedding, queries, k=7)).all()
    assert [tuple(row) for row in rows] == singles(session, queries, 7)


def test_a_filtered_batch_finds_what_single_searches_find(session, chunks):
    source = select(Chunk.id).where(Chunk.number == 2)
    queries = {str(number): chunks[number * 500] for number in range(3)}
    rows = session.execute(nearest_each(source, Chunk.embedding, queries, k=50)).all()
    assert [tuple(row) for row in rows] == singles(session, queries, 50, source)


@pytest.mark.parametrize("keys", [("a", "\u00e9"), (1, 2**40), (True, False)])
def test_keys_are_of_one_type_whatever_they_hold(session, chunks, keys):
    queries = {key: chunks[number * 500] for number, key in enumerate(keys)}
    rows = session.execute(nearest_each(Chunk, Chunk.embedding, queries, k=3)).all()
    assert [tuple(row) for row in rows] == singles(session, queries, 3)


def test_an_exact_batch_misses_nothing(session, chunks):
    queries = {number: chunks[number * 500] for number in range(3)}
    rows = session.execute(nearest_each(Chunk, Chunk.embedding, queries, k=9, exact=True)).all()
    assert [row[1].id for row in rows] == [
        row[0].id
        for vector in queries.values()
        for row in session.execute(nearest(Chunk, Chunk.embedding, vector, k=9, exact=True))
    ]


def test_a_batch_over_a_quantised_index_returns_as_many_rows_as_asked(session, articles):
    queries = {number: articles[number] for number in range(3)}
    rows = session.execute(nearest_each(Article, Article.bits, queries, k=60)).all()
    assert [key for key, _, _ in rows] == [0] * 60 + [1] * 60 + [2] * 60
    assert [row[1].id for row in rows][::60] == [0, 1, 2]


def test_no_queries_find_nothing(session):
    assert session.execute(nearest_each(Chunk, Chunk.embedding, {}, k=3)).all() == []


def test_a_query_without_a_vector_finds_nothing(session):
    queries = select(Article.id, null().cast(VECTOR(16))).limit(3)
    assert session.execute(nearest_each(Chunk, Chunk.embedding, queries, k=3)).all() == []


def test_rows_that_are_their_own_queries_leave_themselves_out(session):
    queries = select(Chunk.id, Chunk.embedding).where(Chunk.id < 5)
    rows = session.execute(nearest_each(Chunk, Chunk.embedding, queries, k=3)).all()
    assert [key for key, _, _ in rows] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert all(key != chunk.id for key, chunk, _ in rows)


def test_rows_of_another_table_are_queries(session):
    queries = select(Article.id, Article.embedding).where(Article.id.in_([3, 5]))
    rows = session.execute(nearest_each(Chunk, Chunk.embedding, queries, k=2)).all()
    assert [(key, chunk.article_id) for key, chunk, _ in rows][::2] == [(3, 3), (5, 5)]


def test_a_union_of_queries_is_a_subquery_of_the_select(session, articles):
    some = union_all(
        select(Article.id, Article.embedding).where(Article.id == 3),
        select(Article.id, Article.embedding).where(Article.id == 4),
    ).subquery()
    rows = session.execute(nearest_each(Chunk, Chunk.embedding, select(some), k=1)).all()
    assert [key for key, _, _ in rows] == [3, 4]


def test_the_threshold_cuts_each_result(session, chunks):
    queries = {1: chunks[0], 2: -chunks[0]}
    rows = session.execute(nearest_each(Chunk, Chunk.embedding, queries, k=50, within=0.05)).all()
    assert rows
    assert all(row.distance <= 0.05 for row in rows)


def test_options_aliases_and_joins_are_kept(session, articles):
    other = aliased(Article)
    source = select(other).join(other.author).options(joinedload(other.author))
    rows = session.execute(nearest_each(source, other.embedding, {1: articles[4]}, k=2)).all()
    assert rows[0][1].id == 4
    assert "author" in rows[0][1].__dict__


def test_a_core_table_with_a_composite_key_is_searched(session, chunks):
    rows = session.execute(nearest_each(pages, pages.c.embedding, {9: chunks[33]}, k=2)).all()
    assert (rows[0].key, rows[0].book, rows[0].number, rows[0].distance) == (9, "b0", 33, 0)


@pytest.mark.parametrize("driver", ["psycopg2", "pg8000"])
def test_batches_run_on_other_drivers(make_engine, corpus, chunks, driver):
    statement = nearest_each(select(Chunk.id), Chunk.embedding, {"a": chunks[0], "b": chunks[9]}, k=1)
    with make_engine(driver, url=corpus[0]).connect() as connection:
        assert [tuple(row[:2]) for row in connection.execute(statement)] == [("a", 0), ("b", 9)]


async def test_batches_run_on_asyncpg(async_engine, chunks):
    async with AsyncSession(async_engine) as session:
        statement = nearest_each(Chunk, Chunk.embedding, {1: chunks[0], 2: chunks[9]}, k=1)
        rows = (await session.execute(statement)).all()
    assert [(key, chunk.id) for key, chunk, _ in rows] == [(1, 0), (2, 9)]


def test_the_index_serves_each_query(session, chunks):
    plan = plan_of(session, nearest_each(Chunk, Chunk.embedding, {n: chunks[n] for n in range(20)}, k=5))
    assert "Index Scan using ix_chunk_embedding" in plan


def test_the_index_serves_each_row_that_is_a_query(session):
    queries = select(Chunk.id, Chunk.embedding).where(Chunk.id < 50)
    plan = plan_of(session, nearest_each(Chunk, Chunk.embedding, queries, k=5))
    assert "Index Scan using ix_chunk_embedding" in plan


def test_the_quantised_index_serves_each_query(session, articles):
    session.execute(text("SET LOCAL enable_seqscan = off"))  # 800 candidates are a good part of the rows
    plan = plan_of(session, nearest_each(Article, Article.bits, {n: articles[n] for n in range(5)}, k=3))
    assert "Index Scan using ix_article_bits_binary" in plan
