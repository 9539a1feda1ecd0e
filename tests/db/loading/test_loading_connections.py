"""Through what a load goes, and what becomes of the connection when it ends in the middle."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from pgvector import SparseVector
from pgvector.asyncpg import register_vector
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    Insert,
    Integer,
    MetaData,
    Table,
    Text,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from sqlalchemy_vecsearch import BIT, HALFVEC, SPARSEVEC, VECTOR, LoadingError, acopy_rows, copy_rows

metadata = MetaData()
parts = Table(
    "part",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sizes", ARRAY(BigInteger)),
    Column("embedding", VECTOR(2, returns="list")),
)


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float] | None] = mapped_column(VECTOR(2, returns="list"))


def count(connection):
    return connection.scalar(select(func.count()).select_from(parts))


def rows(number, ending=None):
    for identity in range(number):
        yield {"id": identity, "embedding": [1, 2]}
    if ending is not None:
        raise ending


def test_a_registry_of_sessions_is_a_session(engine):
    registry = scoped_session(sessionmaker(engine))
    metadata.create_all(registry.connection())
    assert copy_rows(registry, parts, rows(3)) == 3
    assert count(registry) == 3
    registry.remove()


@pytest.mark.parametrize("key", [Page, Page.__table__, Base])
def test_a_session_of_several_databases_finds_that_of_the_table(make_engine, bare_url, key):
    other, engine = make_engine(url=bare_url), make_engine()
    Base.metadata.create_all(engine)
    for session in (Session(other, binds={key: engine}), Session(binds={key: engine})):
        with session:
            assert copy_rows(session, Page, rows(3)) == 3
            assert session.scalar(select(func.count(Page.id))) == 3


def test_a_session_that_sends_writes_elsewhere_loads_there(make_engine, bare_url):
    replica, primary = make_engine(url=bare_url), make_engine()
    Base.metadata.create_all(primary)

    class Routing(Session):
        def get_bind(self, mapper=None, *, clause=None, **_):
            return primary if isinstance(clause, Insert) else replica

    with Routing() as session:
        assert copy_rows(session, Page, rows(3)) == 3
        assert session.connection(bind_arguments={"clause": insert(Page)}).scalar(select(func.count(Page.id))) == 3


def test_an_engine_is_no_connection(engine):
    with pytest.raises(LoadingError) as caught:
        copy_rows(engine, parts, rows(3))
    assert str(caught.value) == (
        f"Rows cannot be loaded through {engine!r}. "
        "They go into the transaction of a Connection or a Session, and that is neither. "
        "Pass the connection of `with engine.begin() as connection:`, and await acopy_rows() for an async one."
    )


def test_an_async_connection_is_no_connection(make_engine):
    async def load():
        async with make_engine("asyncpg").connect() as connection:
            copy_rows(connection, parts, rows(3))

    with pytest.raises(LoadingError, match=r"and await acopy_rows\(\) for an async one\.$"):
        asyncio.run(load())


@pytest.mark.parametrize("on_conflict", [None, "update"])
def test_rows_may_use_the_connection_of_the_load(run, on_conflict):
    """A COPY takes the rows that are there; while they are made, the connection is free."""
    source = select(func.generate_series(1, 1100).label("id"))

    def check(connection):
        metadata.create_all(connection)

        def read():
            for row in connection.execute(source):
                yield {"id": row.id, "embedding": [1, connection.scalar(select(func.abs(-row.id)))]}

        assert copy_rows(connection, parts, read(), on_conflict=on_conflict) == 1100 == count(connection)
        assert connection.scalar(select(parts.c.embedding).where(parts.c.id == 1100)) == [1, 1100]

    run(check)


@pytest.mark.parametrize("run", ["psycopg", "psycopg2"], indirect=True)
def test_rows_may_be_read_page_by_page_from_the_connection_of_the_load(run):
    def check(connection):
        metadata.create_all(connection)
        pages = connection.execute(select(func.generate_series(1, 1300)), execution_options={"yield_per": 10})
        assert copy_rows(connection, parts, ({"id": number} for number in pages.scalars())) == 1300 == count(connection)

    run(check)


@pytest.mark.parametrize("given", ["rows", "columns"])
def test_a_progress_function_may_use_the_connection_of_the_load(run, given):
    whole = {"id": np.arange(2000), "embedding": np.ones((2000, 2), dtype=np.float32)}
    seen = []

    def check(connection):
        metadata.create_all(connection)
        given_rows = rows(2000) if given == "rows" else whole
        copy_rows(connection, parts, given_rows, progress=lambda sent, _: seen.append((sent, count(connection))))

    run(check)
    assert seen == [(number, number) for number in range(1000, 2001, 1000)]


@pytest.mark.parametrize("on_conflict", [None, "update"])
@pytest.mark.parametrize("ending", [KeyboardInterrupt(), SystemExit(3), RuntimeError("of the application")])
def test_what_ends_the_rows_comes_through_and_leaves_the_connection_usable(run, ending, on_conflict):
    def check(connection):
        metadata.create_all(connection)
        with pytest.raises(type(ending)) as caught:
            copy_rows(connection, parts, rows(1300, ending), on_conflict=on_conflict)
        assert caught.value is ending
        assert count(connection) == 0
        assert copy_rows(connection, parts, rows(3), on_conflict=on_conflict) == 3

    run(check)


def test_what_ends_the_progress_comes_through_and_leaves_the_connection_usable(run):
    def interrupt(_sent, _total):
        raise KeyboardInterrupt

    def check(connection):
        metadata.create_all(connection)
        whole = {"id": np.arange(1300), "embedding": np.ones((1300, 2), dtype=np.float32)}
        for given in (rows(1300), whole):
            with pytest.raises(KeyboardInterrupt):
                copy_rows(connection, parts, given, progress=interrupt)
            assert count(connection) == 0

    run(check)


def test_a_lost_connection_is_named(engine):
    with engine.begin() as connection:
        metadata.create_all(connection)

    def losing(pid):
        yield from rows(1500)
        with engine.begin() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        for identity in range(2000, 40_000):
            yield {"id": identity, "embedding": [1, 2]}

    with engine.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, parts, losing(pid))
        assert str(caught.value).startswith("The connection was lost during the load into 'part': ")
        assert str(caught.value).endswith(
            ". The server undoes a transaction whose connection ends, so none of the rows is in the table. "
            "Roll back, which connects again, and load the rows again."
        )
        connection.rollback()
        assert count(connection) == 0


@pytest.mark.parametrize(("column", "value"), [("id", 1.5), ("id", 2.0), ("sizes", [1, 2.5]), ("sizes", [2**63])])
def test_integers_are_never_cut_off(make_engine, column, value):
    async def load():
        async with make_engine("asyncpg").begin() as connection:
            await connection.run_sync(metadata.create_all)
            with pytest.raises(LoadingError) as caught:
                await acopy_rows(connection, parts, [{"id": 1, "sizes": [1]}, {"id": 2, "sizes": [2], column: value}])
            assert (caught.value.row, caught.value.column) == (1, column)

    asyncio.run(load())


@pytest.mark.parametrize("given", ["rows", "columns"])
@pytest.mark.parametrize("driver", ["psycopg", "psycopg_async", "asyncpg"])
def test_the_rows_that_a_trigger_skips_are_not_counted(make_engine, driver, given):
    whole = {"id": np.arange(2500), "embedding": np.ones((2500, 2), dtype=np.float32)}

    def check(connection):
        metadata.create_all(connection)
        connection.execute(
            text(
                "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RETURN CASE WHEN mod(NEW.id, 2) = 0 THEN NEW END; END $$"
            )
        )
        connection.execute(text("CREATE TRIGGER skips BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION skip()"))
        assert copy_rows(connection, parts, rows(2500) if given == "rows" else whole) == 1250 == count(connection)
        connection.execute(text("ALTER TABLE part ADD CONSTRAINT late UNIQUE (id) DEFERRABLE"))
        connection.execute(text("DELETE FROM part"))
        assert copy_rows(connection, parts, rows(2500) if given == "rows" else whole) == 1250 == count(connection)
        connection.execute(insert(parts).values(id=9_998))

    engine = make_engine(driver)
    if driver == "psycopg":
        with engine.begin() as connection:
            check(connection)
        return

    async def load():
        async with engine.begin() as connection:
            await connection.run_sync(check)

    asyncio.run(load())


@pytest.mark.parametrize("registered", [False, True])
def test_asyncpg_copies_vectors_into_the_table_itself(make_engine, registered):
    kinds = Table(
        "every kind",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("body", Text),
        Column("vector", VECTOR(3, returns="list")),
        Column("half", HALFVEC(3, returns="list")),
        Column("terms", SPARSEVEC(3)),
        Column("bits", BIT(3)),
    )
    values = {"body": "x", "vector": [1, 2, 3], "half": [1, 2, 3], "terms": [0, 2, 0], "bits": "101"}
    statements = []

    async def load():
        engine = make_engine("asyncpg")
        if registered:
            event.listen(engine.sync_engine, "connect", lambda connection, _: connection.run_async(register_vector))
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        async with engine.begin() as connection:
            await connection.run_sync(kinds.create)
            rows = [{"id": 1, **values}, {"id": 2, **dict.fromkeys(values)}]
            assert await acopy_rows(connection, kinds, rows) == 2
            found = (await connection.execute(select(kinds).order_by(kinds.c.id))).all()
            assert tuple(found[0]) == (1, "x", [1, 2, 3], [1, 2, 3], SparseVector([0, 2, 0]), "101")
            assert tuple(found[1]) == (2, None, None, None, None, None)

    asyncio.run(load())
    assert [statement for statement in statements if "TEMPORARY" in statement] == []


@pytest.mark.parametrize("driver", ["psycopg_async", "asyncpg"])
@pytest.mark.parametrize("sizes", [np.array([[1, 2], [3, 4]]), [np.array([1, 2]), np.array([3, 4])]])
def test_copy_takes_arrays_of_numpy_for_arrays_of_integers(make_engine, driver, sizes):
    async def load():
        async with make_engine(driver).begin() as connection:
            await connection.run_sync(metadata.create_all)
            assert await acopy_rows(connection, parts, [{"id": 1, "sizes": sizes}]) == 1
            assert await connection.scalar(select(parts.c.sizes)) == [[1, 2], [3, 4]]

    asyncio.run(load())


def encode(connection, encoding):
    """Change the encoding: psycopg2 has a method for it, which begins a new transaction."""
    if connection.dialect.driver == "psycopg2":
        connection.connection.driver_connection.set_client_encoding(encoding)
    else:
        connection.execute(text(f"SET LOCAL client_encoding = '{encoding}'"))


def test_names_and_texts_are_sent_in_the_encoding_of_the_client(run):
    """A COPY whose names were UTF-8 all the same looked for the column 'Ã¼ber' in LATIN1."""
    words = Table(
        "naïve", MetaData(), Column("id", Integer, primary_key=True), Column("über", Text), Column("like", JSON)
    )
    accents = {"like": {"é": "ñ"}}

    def check(connection):
        if connection.dialect.driver not in {
            "asyncpg",
            "psycopg2",
        }:  # which send UTF-8, or take names of parameters for it
            encode(connection, "LATIN1")
        assert copy_rows(connection, words, [{"id": 1, "über": "é", **accents}]) == 1
        assert copy_rows(connection, words, [{"id": 1, "über": "ñ", **accents}], on_conflict="update") == 1
        assert connection.execute(select(words)).all() == [(1, "ñ", {"é": "ñ"})]

    run(words.create)
    run(check)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "SJIS"])
def test_an_encoding_that_lacks_a_name_is_named(run, encoding):
    words = Table("naïve", MetaData(), Column("id", Integer, primary_key=True), Column("über", Text))

    def check(connection):
        if connection.dialect.driver in {"asyncpg", "pg8000"}:  # always UTF-8; lost after a text that it cannot encode
            return
        encode(connection, encoding)
        with pytest.raises(LoadingError) as refused:
            copy_rows(connection, words, [{"id": 1, "über": "e"}])
        assert str(refused.value) == (
            'The names of the table "naïve" and of its columns cannot be read and written on this connection. '
            "Its client_encoding has no form for one of their characters, or is SQL_ASCII, in which bytes are no text. "
            "Load on a connection of the encoding UTF8, such as after: SET client_encoding = 'UTF8'"
        )
        encode(connection, "UTF8")
        assert copy_rows(connection, words, [{"id": 1, "über": "é"}]) == 1

    run(words.create)
    run(check)
