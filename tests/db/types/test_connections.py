"""What the types ask of a connection: nothing, and they bear whatever was done to it."""

from __future__ import annotations

import numpy as np
import psycopg
import pytest
from pgvector import SparseVector
from pgvector.asyncpg import register_vector as register_asyncpg
from pgvector.psycopg import register_vector as register_psycopg
from pgvector.psycopg2 import register_vector as register_psycopg2
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, event, insert, make_url, select, text
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import StaticPool

from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy_vecsearch.types.adapters import VectorWire

items = Table(
    "item",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("embedding", VECTOR(3, returns="list")),
    Column("array", VECTOR(3, returns="numpy")),
    Column("half", HALFVEC(3, returns="list")),
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
