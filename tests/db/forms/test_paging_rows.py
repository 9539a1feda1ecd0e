from itertools import pairwise

import numpy as np
import pytest
from searched_corpus import Article, Chunk, pages, plan_of
from sqlalchemy import create_engine, delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, selectinload

from sqlalchemy_vecsearch import SearchError, diversify, nearest, nearest_first, page, stream


def ascending(distances):
    """Allow for the rounding of the index, which compares normalised vectors in single precision."""
    return all(after >= before - 1e-6 for before, after in pairwise(distances))


def test_pages_fit_together(session, query):
    whole = session.execute(nearest(Chunk, Chunk.embedding, query, k=60)).all()
    cut = [
        row
        for number in range(1, 7)
        for row in session.execute(page(Chunk, Chunk.embedding, query, number=number, size=10, pool=60))
    ]
    assert [row.Chunk.id for row in cut] == [row.Chunk.id for row in whole]


def test_pages_of_equal_distances_do_not_repeat_rows(session, query):
    one = session.get(Chunk, 0)
    session.add_all(Chunk(id=900_000 + n, article_id=0, number=0, embedding=one.embedding) for n in range(30))
    session.flush()
    source = select(Chunk.id)
    cut = [
        number_of
        for number in range(1, 7)
        for (number_of, _) in session.execute(
            page(source, Chunk.embedding, one.embedding, number=number, size=5, pool=30)
        )
    ]
    assert len(set(cut)) == 30


def test_a_page_of_filtered_rows_is_full(session, query):
    source = select(Chunk).where(Chunk.number == 3)
    rows = session.execute(page(source, Chunk.embedding, query, number=5, size=20)).all()
    assert len(rows) == 20
    assert {row.Chunk.number for row in rows} == {3}


def test_a_page_after_the_last_row_is_empty(session, query):
    source = select(Chunk).where(Chunk.id < 5)
    assert session.execute(page(source, Chunk.embedding, query, number=2, size=20)).all() == []


def test_the_index_serves_a_page(session, query):
    plan = plan_of(session, page(Chunk, Chunk.embedding, query, number=3, size=20, pool=100))
    assert "Index Scan using ix_chunk_embedding" in plan


def test_a_stream_goes_on_past_what_one_scan_returns(session, query):
    found = list(stream(session, nearest_first(Chunk, Chunk.embedding, query), 500))
    rows = [row for rows in found for row in rows]
    ids = [row.Chunk.id for row in rows]
    assert {len(rows) for rows in found[:-1]} == {500}
    assert len(ids) == len(set(ids)) == 8000
    by_index = int(0.97 * 8000)  # those that the index did not lead to come last
    assert ascending([row.distance for row in rows[:by_index]])


def test_an_exact_stream_leaves_out_no_row(session, query):
    statement = nearest_first(select(Chunk.id), Chunk.embedding, query, exact=True)
    ids = [number for rows in stream(session, statement, 777) for number, _ in rows]
    assert sorted(ids) == list(range(8000))


def test_a_stream_reads_no_farther_than_its_pages(session, query):
    pages_of = stream(session, nearest_first(Chunk, Chunk.embedding, query), 10)
    rows = next(pages_of)
    pages_of.close()
    near = session.execute(nearest(Chunk, Chunk.embedding, query, k=10)).all()
    assert [row.Chunk.id for row in rows] == [row.Chunk.id for row in near]


def test_other_searches_between_the_pages_do_not_disturb_a_stream(session, query):
    session.execute(
        text("SET LOCAL enable_seqscan = off")
    )  # the first stream's settings make an index scan look dearer
    statement = nearest_first(select(Chunk.id), Chunk.embedding, query)
    alone = [row for rows in stream(session, statement, 300) for row in rows]
    mixed = []
    for rows in stream(session, statement, 300):
        mixed += rows
        filtered = select(Chunk.id).where(Chunk.number == 1)
        session.execute(nearest(filtered, Chunk.embedding, -query, k=3, max_scan_tuples=10)).all()
    assert mixed == alone


def test_rows_that_are_deleted_meanwhile_are_still_returned(session, query, corpus_engine):
    statement = nearest_first(select(Chunk.id), Chunk.embedding, query, exact=True)
    found = stream(session, statement, 4000)
    first = next(found)
    session.execute(delete(Chunk).where(Chunk.id == first[0].id))
    assert len(first) + sum(len(rows) for rows in found) == 8000


def test_a_filtered_stream_returns_all_rows_that_pass(session, query):
    statement = nearest_first(select(Chunk.id).where(Chunk.number == 2), Chunk.embedding, query, exact=True)
    assert sum(len(rows) for rows in stream(session, statement, 100)) == 2000


def test_a_limited_search_can_be_streamed(session, query):
    found = list(stream(session, nearest(Chunk, Chunk.embedding, query, k=25), 10))
    assert [len(rows) for rows in found] == [10, 10, 5]


def test_a_quantised_column_is_streamed_in_the_order_of_its_full_vectors(session, query):
    rows = [
        row for rows in stream(session, nearest_first(select(Article.id), Article.bits, query), 500) for row in rows
    ]
    assert len(rows) == 2000
    assert ascending([row.distance for row in rows])


def test_relationships_are_loaded_page_by_page(session, query):
    source = select(Article).options(selectinload(Article.author))
    rows = next(stream(session, nearest_first(source, Article.embedding, query), 5))
    assert all("author" in row.Article.__dict__ for row in rows)


def test_a_connection_streams_a_core_table(corpus_engine, query):
    with corpus_engine.connect() as connection:
        statement = nearest_first(pages, pages.c.embedding, query)
        rows = next(stream(connection, statement, 7))
        assert len(rows) == 7
        assert ascending([row.distance for row in rows])


def test_a_stream_needs_a_transaction(corpus, query):
    engine = create_engine(corpus[0], isolation_level="AUTOCOMMIT")
    with Session(engine) as session, pytest.raises(SearchError) as raised:
        next(stream(session, nearest_first(Chunk, Chunk.embedding, query)))
    engine.dispose()
    assert str(raised.value) == (
        "The connection to stream from is in autocommit. "
        "The cursor that holds the place between two pages lasts as long as its transaction, which ends with each "
        "statement there. "
        "Begin a transaction, with a Session or with engine.connect() without AUTOCOMMIT."
    )


@pytest.mark.parametrize("async_driver", ["asyncpg", "psycopg"])
async def test_async_sessions_stream_under_async_for(async_engine, query):
    ids = []
    async with AsyncSession(async_engine) as session:
        async for rows in stream(session, nearest_first(select(Chunk.id), Chunk.embedding, query), 100):
            ids += [row.id for row in rows]
            if len(ids) >= 1000:
                break
        sorting = await session.scalar(text("SELECT current_setting('enable_sort')"))
    async with async_engine.connect() as connection:
        found = [len(rows) async for rows in stream(connection, nearest(Chunk, Chunk.embedding, query, k=3), 2)]
    assert len(set(ids)) == 1000
    assert sorting == "on"
    assert found == [2, 1]


@pytest.mark.parametrize("driver", ["psycopg2", "pg8000"])
def test_other_drivers_stream(make_engine, corpus, query, driver):
    with Session(make_engine(driver, url=corpus[0])) as session:
        found = list(stream(session, nearest_first(select(Chunk.id), Chunk.embedding, query), 4000))
    assert sum(len(rows) for rows in found) >= 0.97 * 8000


def test_the_index_serves_a_stream(session, query):
    statement = nearest_first(Chunk, Chunk.embedding, query)
    session.execute(text("SET LOCAL enable_sort = off"))
    assert "Index Scan using ix_chunk_embedding" in plan_of(session, statement)


def test_fetched_rows_are_diversified(session, query):
    rows = session.execute(nearest(Chunk, Chunk.embedding, query, k=40)).all()
    chosen = diversify(rows, 10, relevance=0.3)
    assert chosen[0] == rows[0]
    assert len({row.Chunk.id for row in chosen}) == 10
    vectors = np.array([row.Chunk.embedding for row in chosen])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    first = np.array([row.Chunk.embedding for row in rows[:10]])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    assert (unit @ unit.T).mean() < (first @ first.T).mean()
