"""Searches of several clients at once: SQLAlchemy's pools beside those of psycopg and asyncpg."""

from __future__ import annotations

import asyncio
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from itertools import groupby

import asyncpg
import psycopg_pool
from pgvector import Vector
from pgvector.asyncpg import register_vector as register_asyncpg
from pgvector.psycopg import register_vector, register_vector_async
from sqlalchemy import bindparam, create_engine, event, make_url, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import HNSW, copy_rows, embedding_column, nearest
from sqlalchemy_vecsearch.settings import DEFAULT_EF_SEARCH
from tests.benchmarks.corpus import embeddings
from tests.benchmarks.tables import table

THREADS = (1, 2, 4, 8)
TASKS = 8
QUESTIONS = 1_000
ONCE = "SQLAlchemy, nearest() built once"
SETTING = f"SET hnsw.ef_search = {DEFAULT_EF_SEARCH}"
BY_HAND = "SELECT id FROM document ORDER BY embedding <=> {} LIMIT 10"


@dataclass(frozen=True, slots=True)
class Throughput:
    """What one form came to with so many clients.

    Attributes:
        clients: the driver, and how many clients there are.
        form: what was run.
        rate: searches a second, the median of the rounds.
        cpu_microseconds: what this process computed for a search, the median of the rounds.
        ratio: the rate against that of the first form.
    """

    clients: str
    form: str
    rate: float
    cpu_microseconds: float
    ratio: float


def measure(url, *, rows, dimensions, rounds, searches):
    """Return the throughput of each form for each number of clients; each search is a transaction of its own."""
    document = _declare(dimensions)
    _fill(url, document, rows, dimensions)
    questions = embeddings(QUESTIONS, dimensions, seed=99)
    measured = []
    with ExitStack() as stack:
        forms = _in_threads(stack, url, document, questions)
        for clients in THREADS:
            named = "1 thread" if clients == 1 else f"{clients} threads"
            measured += _compared(f"psycopg, {named}", _rounds(forms, clients, rounds, searches))
    for driver, make_forms in (("psycopg", _psycopg_tasks), ("asyncpg", _asyncpg_tasks)):
        taken = asyncio.run(_rounds_of_tasks(make_forms, url, document, questions, rounds, searches))
        measured += _compared(f"{driver}, {TASKS} tasks of asyncio", taken)
    return measured


def tables(measured):
    """Return a Markdown table for each number of clients."""
    headings = ("form", "searches a second", "against the driver's pool", "client CPU a search")
    parts = []
    for clients, group in groupby(measured, lambda one: one["clients"]):
        rows = [
            (one["form"], f"{one['rate']:,.0f}", f"{one['ratio']:.2f}", f"{one['cpu_microseconds']:,.0f} µs")
            for one in group
        ]
        parts.append(f"### {clients}\n\n{table(headings, rows)}")
    return "\n\n".join(parts)


def _declare(dimensions):
    class Base(DeclarativeBase):
        pass

    class Document(Base):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding = embedding_column(dimensions, metric="cosine", index=HNSW(), nullable=False)

    return Document


def _fill(url, document, rows, dimensions):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS document"))
        connection.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
        document.metadata.create_all(connection)
        vectors = embeddings(rows, dimensions)
        copy_rows(connection, document, {"id": range(rows), "embedding": vectors}, indexes="after")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE document"))
    engine.dispose()


def _statements(document, questions):
    """Return what the forms through SQLAlchemy run: the statement and the parameters of the search of that number."""
    table = document.__table__
    ids, column = select(table.c.id), table.c.embedding
    by_hand = ids.order_by(column.cosine_distance(bindparam("q", type_=column.type))).limit(10)
    once = nearest(ids, column, bindparam("q"), k=10)
    return {
        "SQLAlchemy, select() built once": lambda number: (by_hand, {"q": questions[number]}),
        "SQLAlchemy, select() built anew": lambda number: (
            ids.order_by(column.cosine_distance(questions[number])).limit(10),
            {},
        ),
        ONCE: lambda number: (once, {"q": questions[number]}),
        "SQLAlchemy, nearest() built anew": lambda number: (nearest(ids, column, questions[number], k=10), {}),
    }


def _in_threads(stack, url, document, questions):
    """Return the searches that threads run; the pools are closed with the stack."""

    def configure(connection):
        register_vector(connection)
        connection.execute(SETTING)
        connection.commit()

    pool = stack.enter_context(
        psycopg_pool.ConnectionPool(_plain(url), min_size=max(THREADS), max_size=max(THREADS), configure=configure)
    )
    pool.wait()
    engine = create_engine(url, pool_size=max(THREADS))
    stack.callback(engine.dispose)
    event.listen(engine, "connect", _set_up)

    def raw(number):
        with pool.connection() as connection, connection.cursor(binary=True) as cursor:
            return cursor.execute(BY_HAND.format("%b"), (Vector(questions[number]),)).fetchall()

    def through(statement, transaction):
        def run(number):
            with transaction() as connection:
                return connection.execute(*statement(number)).all()

        return run

    statements = _statements(document, questions)
    return {
        "psycopg_pool": raw,
        **{form: through(statement, engine.begin) for form, statement in statements.items()},
        f"{ONCE}, rolled back": through(statements[ONCE], engine.connect),
    }


def _set_up(dbapi_connection, _):
    cursor = dbapi_connection.cursor()
    cursor.execute(SETTING)
    cursor.close()
    dbapi_connection.commit()


async def _psycopg_tasks(stack, url, document, questions):
    async def configure(connection):
        await register_vector_async(connection)
        await connection.execute(SETTING)
        await connection.commit()

    pool = await stack.enter_async_context(
        psycopg_pool.AsyncConnectionPool(_plain(url), min_size=TASKS, max_size=TASKS, configure=configure, open=False)
    )
    await pool.wait()

    async def raw(number):
        async with pool.connection() as connection, connection.cursor(binary=True) as cursor:
            await cursor.execute(BY_HAND.format("%b"), (Vector(questions[number]),))
            return await cursor.fetchall()

    return {"AsyncConnectionPool": raw, **_through_async(stack, url, "psycopg", document, questions)}


async def _asyncpg_tasks(stack, url, document, questions):
    async def configure(connection):
        await register_asyncpg(connection)

    pool = await stack.enter_async_context(
        asyncpg.create_pool(
            _plain(url),
            min_size=TASKS,
            max_size=TASKS,
            init=configure,
            server_settings={"hnsw.ef_search": str(DEFAULT_EF_SEARCH)},
        )
    )

    async def raw(number):
        async with pool.acquire() as connection, connection.transaction():
            return await connection.fetch(BY_HAND.format("$1"), questions[number])

    return {"asyncpg.create_pool": raw, **_through_async(stack, url, "asyncpg", document, questions)}


def _through_async(stack, url, driver, document, questions):
    engine = create_async_engine(make_url(url).set(drivername=f"postgresql+{driver}"), pool_size=TASKS)
    stack.push_async_callback(engine.dispose)
    event.listen(engine.sync_engine, "connect", _set_up)

    def through(statement):
        async def run(number):
            async with engine.begin() as connection:
                return (await connection.execute(*statement(number))).all()

        return run

    return {form: through(statement) for form, statement in _statements(document, questions).items()}


def _rounds(forms, clients, rounds, searches):
    """Return for each form what `_taken` gives of each round; the first round warms up, and does not count."""
    taken = {form: [] for form in forms}
    with ThreadPoolExecutor(clients) as executor:
        for _ in range(rounds + 1):
            for form, search in forms.items():
                start, cpu = time.perf_counter(), time.process_time()
                found = list(executor.map(search, (number % QUESTIONS for number in range(searches))))
                taken[form].append(_taken(start, cpu, found))
    return {form: runs[1:] for form, runs in taken.items()}


async def _rounds_of_tasks(make_forms, url, document, questions, rounds, searches):
    async with AsyncExitStack() as stack:
        forms = await make_forms(stack, url, document, questions)
        taken = {form: [] for form in forms}
        for _ in range(rounds + 1):
            for form, search in forms.items():
                numbers = iter(range(searches))

                async def work(search=search, numbers=numbers):
                    return [await search(number % QUESTIONS) for number in numbers]

                start, cpu = time.perf_counter(), time.process_time()
                found = [row for rows in await asyncio.gather(*(work() for _ in range(TASKS))) for row in rows]
                taken[form].append(_taken(start, cpu, found))
        return {form: runs[1:] for form, runs in taken.items()}


def _taken(start, cpu, found):
    """Return the searches a second, and the CPU of one in microseconds."""
    assert all(len(rows) == 10 for rows in found)
    seconds, computed = time.perf_counter() - start, time.process_time() - cpu
    return len(found) / seconds, 1e6 * computed / len(found)


def _compared(clients, taken):
    medians = {form: [statistics.median(one) for one in zip(*runs, strict=True)] for form, runs in taken.items()}
    first = next(iter(medians.values()))[0]
    return [Throughput(clients, form, rate, cpu, rate / first) for form, (rate, cpu) in medians.items()]


def _plain(url):
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
