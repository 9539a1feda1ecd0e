"""What the types ask of a connection: nothing, and they bear whatever was done to it."""

from __future__ import annotations

import numpy as np
import psycopg
import pytest
from pgvector import SparseVector
from pgvector.asyncpg import register_vector as register_asyncpg
from pgvector.psycopg import register_vector as register_psycopg
from pgvector.psycopg2 import register_vector as register_psycopg2
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, event, insert, make_url, select, text, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import StaticPool

from sqlalchemy_vecsearch import SearchPathError
from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy_vecsearch.types.adapters import VectorWire

items = Table(
    "item",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("embedding", VECTOR(3)),
    Column("array", VECTOR(3, returns="numpy")),
    Column("half", HALFVEC(3)),
    Column("sparse", SPARSEVEC(3)),
    Column("bits", BIT(3)),
)
ROW = {
    "embedding": [0.1, 2, 3],
    "array": np.array([0.1, 2, 3]),
    "half": [0.5, 2, 3],
    "sparse": [0, 2, 0],
    "bits": "101",
}


class Base(DeclarativeBase):
    pass


class Entity(Base):
    __table__ = items


def round_trip(connection):
    items.create(connection)
    connection.execute(insert(items), ROW)
    row = connection.execute(select(items).order_by(items.c.embedding.l2_distance([1, 2, 3]))).one()
    assert row.embedding == [0.1, 2, 3]
    assert row.array.tolist() == np.float32([0.1, 2, 3]).tolist()
    assert row.half == [0.5, 2, 3]
    assert row.sparse == SparseVector({1: 2}, 3)
    assert row.bits == "101"


@pytest.mark.parametrize(
    ("driver", "register"),
    [("psycopg", register_psycopg), ("psycopg2", register_psycopg2)],
    ids=["psycopg", "psycopg2"],
)
def test_register_vector_changes_nothing(make_engine, driver, register):
    engine = make_engine(driver)
    event.listen(engine, "connect", lambda connection, _: register(connection))
    with engine.begin() as connection:
        round_trip(connection)


async def test_register_vector_changes_nothing_for_psycopg_async(make_engine):
    engine = make_engine("psycopg_async")
    event.listen(
        engine.sync_engine, "connect", lambda connection, _: register_on_async_psycopg(connection.driver_connection)
    )
    async with engine.begin() as connection:
        await connection.run_sync(round_trip)


def register_on_async_psycopg(connection):
    from pgvector.psycopg import register_vector_async
    from sqlalchemy.util import await_only

    await_only(register_vector_async(connection))


async def test_a_codec_registered_with_asyncpg_changes_nothing(make_engine):
    engine = make_engine("asyncpg")
    event.listen(engine.sync_engine, "connect", lambda connection, _: connection.run_async(register_asyncpg))
    async with engine.begin() as connection:
        await connection.run_sync(round_trip)


def test_a_connection_that_was_open_before_the_types_were_used_learns_them(vecsearch_url):
    conninfo = make_url(vecsearch_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo) as opened:
        engine = create_engine("postgresql+psycopg://", creator=lambda: opened, poolclass=StaticPool)
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            round_trip(connection)


def test_a_client_side_cursor_sends_text(make_engine):
    engine = make_engine("psycopg", connect_args={"cursor_factory": psycopg.ClientCursor})
    with engine.begin() as connection:
        round_trip(connection)


def test_psycopg_sends_vectors_in_binary(engine):
    with engine.begin() as connection:
        items.create(connection)
        sent = []
        event.listen(engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[3]))
        connection.execute(insert(items), ROW | {"embedding": np.ones(3, dtype=np.float32)})
    (parameters,) = sent
    assert type(parameters["embedding"]) is VectorWire
    assert parameters["embedding"] == b"\0\3\0\0" + b"\x3f\x80\0\0" * 3


def test_an_old_declaration_still_writes_and_searches_after_the_column_became_half_precision(engine):
    with engine.begin() as connection:
        items.create(connection)
        connection.execute(text("ALTER TABLE item ALTER COLUMN embedding TYPE halfvec(3)"))
        connection.execute(insert(items), [ROW, ROW])
        query = select(items.c.embedding).order_by(items.c.embedding.cosine_distance([0.1, 2, 3]))
        assert connection.scalars(query).first() == pytest.approx([0.1, 2, 3], rel=1e-3)


def test_a_prepared_statement_survives_its_repetition(engine):
    with engine.connect() as connection:
        round_trip(connection)
        statement = select(items.c.id).order_by(items.c.embedding.l2_distance([1, 2, 3])).limit(1)
        assert [connection.scalar(statement) for _ in range(12)] == [1] * 12


OUTSIDE = [
    'CREATE SCHEMA "My Tools"',
    'CREATE EXTENSION vector SCHEMA "My Tools"',
    'CREATE TABLE item (id serial PRIMARY KEY, embedding "My Tools".vector(3), '
    '"array" "My Tools".vector(3), half "My Tools".halfvec(3), sparse "My Tools".sparsevec(3), bits bit(3))',
]


def write_and_read_outside(connection):
    for statement in OUTSIDE:
        connection.execute(text(statement))
    connection.execute(insert(items), ROW)
    connection.execute(insert(items), [ROW, ROW])
    assert len(connection.execute(insert(items).returning(items.c.id), [ROW, ROW]).all()) == 2
    connection.execute(update(items).values(half=[1, 2, 3]).where(items.c.id == 1))
    row = connection.execute(select(items).where(items.c.id == 1)).one()
    assert (row.embedding, row.half, row.sparse, row.bits) == ([0.1, 2, 3], [1, 2, 3], SparseVector({1: 2}, 3), "101")
    assert row.array.tolist() == np.float32([0.1, 2, 3]).tolist()
    with Session(connection) as session:
        session.add_all([Entity(embedding=[1, 2, 3]), Entity(embedding=[4, 5, 6])])
        session.flush()


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_the_extension_may_be_outside_the_search_path(make_engine, bare_url, driver):
    with make_engine(driver, url=bare_url).begin() as connection:
        if driver in {"psycopg2", "pg8000"}:
            connection.execute(text('SET search_path = public, "My Tools"'))
        write_and_read_outside(connection)


@pytest.mark.parametrize("driver", ["psycopg_async", "asyncpg"])
async def test_the_extension_may_be_outside_the_search_path_of_async_drivers(make_engine, bare_url, driver):
    async with make_engine(driver, url=bare_url).begin() as connection:
        await connection.run_sync(write_and_read_outside)


def search_outside(connection):
    for statement in OUTSIDE:
        connection.execute(text(statement))
    connection.execute(insert(items), ROW)
    nearest = select(items.c.id).order_by(items.c.embedding.l2_distance([1, 2, 3]))
    with pytest.raises(SearchPathError) as caught, connection.begin_nested():
        connection.execute(nearest)
    assert str(caught.value) == (
        'PostgreSQL did not find what pgvector brings: operator does not exist: "My Tools".vector <-> "My Tools".vector. '
        'The extension is in the schema "My Tools", which is not on the search path; only the casts round parameters are '
        "written with their schema. "
        'Add the schema to the search path: ALTER ROLE your_role SET search_path = public, "My Tools".'
    )
    assert caught.value.schema == '"My Tools"'
    for other in ("SELECT no_function(1)", "SELECT 1::no_type", "SELECT * FROM no_table"):
        with pytest.raises(ProgrammingError), connection.begin_nested():
            connection.execute(text(other))
    connection.execute(text('SET search_path = public, "My Tools"'))
    assert connection.scalars(nearest).all() == [1]


def test_a_search_says_where_the_extension_is(make_engine, bare_url):
    with make_engine("psycopg", url=bare_url).begin() as connection:
        search_outside(connection)


@pytest.mark.parametrize("driver", ["psycopg_async", "asyncpg"])
async def test_a_search_says_where_the_extension_is_on_async_drivers(make_engine, bare_url, driver):
    async with make_engine(driver, url=bare_url).begin() as connection:
        await connection.run_sync(search_outside)


def test_the_catalog_is_asked_once_for_an_engine(engine):
    asked = []
    with engine.begin() as connection:
        items.create(connection)
        driver_connection = connection.connection.driver_connection
        driver_connection.cursor_factory = type(
            "Listening",
            (psycopg.Cursor,),
            {
                "execute": lambda self, query, *rest, **more: (
                    asked.append(query),
                    super(type(self), self).execute(query, *rest, **more),
                )[1]
            },
        )
        for _ in range(3):
            connection.execute(insert(items), ROW)
    assert len([query for query in asked if "pg_extension" in str(query)]) == 1
    assert len(asked) == 4
