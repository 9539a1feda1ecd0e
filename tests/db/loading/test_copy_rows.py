"""Loading rows on every driver: all of them or none, with every common type of column."""

from __future__ import annotations

import enum
import logging
import tracemalloc
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from pgvector import SparseVector
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Computed,
    Date,
    DateTime,
    Enum,
    Float,
    Identity,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.exc import ResourceClosedError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import BIT, HALFVEC, SPARSEVEC, VECTOR, LoadingError, acopy_rows, copy_rows

SYNC = ["psycopg", "psycopg2", "pg8000"]
ASYNC = ["psycopg_async", "asyncpg"]


class Color(enum.Enum):
    RED = 1
    BLUE = 2


metadata = MetaData()
wide = Table(
    "wide table",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("Body", Text),
    Column("token", Uuid, default=uuid.uuid4),
    Column("kind", String(5), default="plain"),
    Column("at", DateTime(timezone=True)),
    Column("day", Date),
    Column("span", Interval),
    Column("facts", JSONB),
    Column("price", Numeric(10, 2)),
    Column("share", Float),
    Column("small", SmallInteger),
    Column("fine", Boolean),
    Column("raw", LargeBinary),
    Column("tags", ARRAY(Text)),
    Column("numbers", ARRAY(Integer)),
    Column("color", Enum(Color)),
    Column("left_out", Integer, server_default="7"),
    Column("embedding", VECTOR(3)),
    Column("half", HALFVEC(3)),
    Column("sparse", SPARSEVEC(5)),
    Column("bits", BIT(4)),
)
items = Table("item", metadata, Column("id", Integer, primary_key=True), Column("embedding", VECTOR(3)))

signatures = Table("signature", metadata, Column("id", Integer, primary_key=True), Column("bits", BIT(4)))


def wide_row(number):
    return {
        "id": number,
        "Body": "tab\tand ü",
        "at": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "span": timedelta(days=1, seconds=2),
        "facts": {"a": [1, None]},
        "price": Decimal("1.50"),
        "share": 0.5,
        "small": 3,
        "fine": True,
        "raw": b"\0\1",
        "tags": ["a", None],
        "numbers": [1, 2],
        "color": Color.BLUE,
        "embedding": [0.1, 2, 3],
        "half": np.array([0.5, 1, 2]),
        "sparse": [0, 1, 0, 0, 2],
        "bits": "0101",
    }


def count(connection, table=items):
    return connection.scalar(select(func.count()).select_from(table))


def plain(number):
    return {"id": number, "embedding": [1, 2, number]}


def test_every_common_type_arrives(run):
    def check(connection):
        metadata.create_all(connection)
        assert copy_rows(connection, wide, (wide_row(number) for number in range(3))) == 3
        found = connection.execute(select(wide).where(wide.c.id == 1)).mappings().one()
        expected = wide_row(1) | {
            "left_out": 7,
            "kind": "plain",
            "half": [0.5, 1, 2],
            "sparse": SparseVector({1: 1, 4: 2}, 5),
        }
        assert {key: found[key] for key in expected} == expected
        assert connection.scalar(select(func.count(wide.c.token.distinct()))) == 3

    run(check)


def test_null_arrives_in_every_column(run):
    def check(connection):
        metadata.create_all(connection)
        row = dict.fromkeys(wide_row(1)) | {"id": 1, "token": None, "kind": None}
        copy_rows(connection, wide, [row])
        del row["facts"]  # None in a JSON column is JSON's null, as with insert()
        assert dict(connection.execute(select(*(wide.c[key] for key in row))).mappings().one()) == row

    run(check)


def test_tuples_follow_the_table_or_the_named_columns(run):
    def check(connection):
        metadata.create_all(connection)
        assert copy_rows(connection, items, [(1, [1, 2, 3]), (2, None)]) == 2
        assert copy_rows(connection, items, [([4, 5, 6], 3)], columns=["embedding", "id"]) == 1
        assert connection.execute(select(items).order_by(items.c.id)).all() == [
            (1, [1, 2, 3]),
            (2, None),
            (3, [4, 5, 6]),
        ]

    run(check)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64])
def test_columns_arrive_as_a_matrix_is_sent(run, dtype):
    def check(connection):
        metadata.create_all(connection)
        matrix = np.arange(15_000).reshape(5_000, 3) % 2_000
        assert copy_rows(connection, items, {"id": np.arange(5_000), "embedding": matrix.astype(dtype)}) == 5_000
        assert connection.scalar(select(items.c.embedding).where(items.c.id == 4_999)) == matrix[4_999].tolist()

    run(check)


def test_columns_of_mixed_kinds_arrive(run):
    def check(connection):
        metadata.create_all(connection)
        columns = {
            "id": range(3),
            "Body": ["a", None, "c"],
            "share": [0.5, None, 1],
            "fine": np.array([True, False, True]),
            "half": np.eye(3, dtype=np.float32),
            "embedding": [[1, 2, 3], None, np.ones(3)],
        }
        assert copy_rows(connection, wide, columns) == 3
        names = ("Body", "share", "fine", "half", "embedding")
        assert connection.execute(select(*(wide.c[name] for name in names)).order_by(wide.c.id)).all() == [
            ("a", 0.5, True, [1, 0, 0], [1, 2, 3]),
            (None, None, False, [0, 1, 0], None),
            ("c", 1.0, True, [0, 0, 1], [1, 1, 1]),
        ]

    run(check)


def test_a_matrix_of_bits_arrives(run):
    def check(connection):
        metadata.create_all(connection)
        bits = np.array([[True, False, True, True], [False, True, False, False]])
        assert copy_rows(connection, signatures, {"id": [1, 2], "bits": bits}) == 2
        assert connection.scalars(select(signatures.c.bits).order_by(signatures.c.id)).all() == ["1011", "0100"]

    run(check)


def test_no_rows_are_no_work(run):
    def check(connection):
        metadata.create_all(connection)
        assert copy_rows(connection, items, []) == 0
        assert copy_rows(connection, items, iter(())) == 0
        assert copy_rows(connection, items, {"id": [], "embedding": []}) == 0

    run(check)


def test_existing_rows_are_kept_or_written_over(run):
    def check(connection):
        metadata.create_all(connection)
        copy_rows(connection, items, [plain(1), plain(2)])
        assert copy_rows(connection, items, [{"id": 1, "embedding": [0, 0, 0]}, plain(3)], on_conflict="nothing") == 1
        rows = [{"id": 2, "embedding": [8, 8, 8]}, plain(4), {"id": 2, "embedding": [9, 9, 9]}]
        assert copy_rows(connection, items, rows, on_conflict="update") == 2
        matrix = {"id": [1, 5], "embedding": np.full((2, 3), 7, dtype=np.float32)}
        assert copy_rows(connection, items, matrix, on_conflict="update") == 2
        found = dict(connection.execute(select(items)).all())
        assert found == {1: [7, 7, 7], 2: [9, 9, 9], 3: [1, 2, 3], 4: [1, 2, 4], 5: [7, 7, 7]}

    run(check)


BAD_ROWS = {
    "a wrong length": ([plain(1), {"id": 2, "embedding": [1, 2]}], 1, "embedding"),
    "a nan": ([plain(1), plain(2), {"id": 3, "embedding": [1, 2, float("nan")]}], 2, "embedding"),
    "a text": ([{"id": 1, "embedding": "[1,2,3]"}], 0, "embedding"),
    "a missing key": ([plain(1), {"id": 2}], 1, "embedding"),
    "an extra key": ([plain(1), plain(2) | {"body": "x"}], 1, "body"),
    "an unknown key": ([plain(1) | {"body": "x"}], None, "body"),
    "a matrix of the wrong width": ({"id": [1, 2], "embedding": np.ones((2, 4))}, 0, "embedding"),
    "an infinity in a matrix": ({"id": [1, 2], "embedding": np.array([[1, 2, 3], [1, np.inf, 3]])}, 1, "embedding"),
    "columns of different lengths": ({"id": [1, 2], "embedding": np.ones((3, 3))}, None, None),
    "a short tuple": ([(1, [1, 2, 3]), (2,)], 1, None),
}


@pytest.mark.parametrize("name", BAD_ROWS)
@pytest.mark.parametrize("on_conflict", [None, "update"])
def test_bad_input_leaves_no_row_and_a_usable_connection(run, name, on_conflict):
    rows, row, column = BAD_ROWS[name]

    def check(connection):
        metadata.create_all(connection)
        copy_rows(connection, items, [plain(1000)])
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, items, rows, on_conflict=on_conflict)
        assert (caught.value.row, caught.value.column) == (row, column)
        assert count(connection) == 1
        assert copy_rows(connection, items, [plain(1)]) == 1

    run(check)


def test_an_error_far_into_a_generator_names_its_row(run):
    def rows():
        for number in range(40_000):
            yield {"id": number, "embedding": [1, 2] if number == 31_337 else [1, 2, 3]}

    def check(connection):
        metadata.create_all(connection)
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, items, rows())
        assert str(caught.value) == (
            "Row 31337 stopped the load into 'item', and none of its rows is in the table. "
            "The vector for 'embedding' has 2 dimensions, not 3. "
            "The declaration says 3, and pgvector refuses every other length. "
            "Pass the output of the model that the column was declared for, or declare the new length and migrate."
        )
        assert count(connection) == 0

    run(check)


def test_a_duplicate_key_is_refused_with_the_remedy(run):
    def check(connection):
        metadata.create_all(connection)
        copy_rows(connection, items, [plain(2)])
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, items, [plain(1), plain(2)])
        where = "row 1" if run.driver.startswith("psycopg") and run.driver != "psycopg2" else "rows"
        assert str(caught.value) == (
            f"The server refused {where} of the load into 'item': duplicate key value violates unique constraint "
            '"item_pkey" (Key (id)=(2) already exists). '
            "The rows of a load stand or fall together, so none of them is in the table. "
            "Pass on_conflict='nothing' to keep the rows that exist, or 'update' to write over them."
        )
        assert count(connection) == 1

    run(check)


def test_an_error_of_the_generator_itself_reaches_the_caller(run):
    def rows():
        yield plain(1)
        raise ValueError("the file ended")

    def check(connection):
        metadata.create_all(connection)
        with pytest.raises(ValueError, match="the file ended"):
            copy_rows(connection, items, rows())
        assert count(connection) == 0

    run(check)


def test_a_value_of_the_wrong_class_is_refused(run):
    def check(connection):
        metadata.create_all(connection)
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, wide, [{"id": 1, "share": 1.0}, {"id": 2, "share": "abc"}])
        if run.driver in {"psycopg", "psycopg_async"}:
            assert str(caught.value) == (
                "Row 1 stopped the load into 'wide table', and none of its rows is in the table. "
                "The value of 'share' does not fit the type of the column: could not convert string to float: 'abc'. "
                "COPY sends exactly that type and casts nothing, so convert the value first."
            )
        assert count(connection, wide) == 0

    run(check)


def test_a_missing_table_and_a_missing_column_are_named(run):
    def check(connection):
        with pytest.raises(LoadingError, match=r"^There is no table item in the database\. "):
            copy_rows(connection, items, [plain(1)])
        connection.execute(text("CREATE TABLE item (id integer)"))
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, items, [plain(1)])
        assert str(caught.value) == (
            "The table item has no column 'embedding'. "
            "It is declared in the model, and the database has 'id'. "
            "Run the migration that adds the column, or leave it out of the rows."
        )

    run(check)


def test_the_column_as_it_is_in_the_database_decides_what_is_sent(run):
    def check(connection):
        connection.execute(text("CREATE TABLE item (id bigint PRIMARY KEY, embedding halfvec(3))"))
        assert copy_rows(connection, items, [plain(1)]) == 1
        assert copy_rows(connection, items, {"id": [2], "embedding": np.ones((1, 3), dtype=np.float32)}) == 1
        assert count(connection) == 2

    run(check)


def test_the_extension_may_be_in_a_schema_outside_the_search_path(make_engine, bare_url):
    engine = make_engine("psycopg", url=bare_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA tools"))
        connection.execute(text("CREATE EXTENSION vector SCHEMA tools"))
        connection.execute(text("CREATE TABLE item (id integer PRIMARY KEY, embedding tools.vector(3))"))
        assert copy_rows(connection, items, [plain(1)]) == 1
        assert copy_rows(connection, items, [plain(1), plain(2)], on_conflict="update") == 2
        assert connection.scalar(select(items.c.embedding).where(items.c.id == 2)) == [1, 2, 2]


async def test_asyncpg_loads_when_the_extension_is_outside_the_search_path(make_engine, bare_url):
    engine = make_engine("asyncpg", url=bare_url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA tools"))
        await connection.execute(text("CREATE EXTENSION vector SCHEMA tools"))
        await connection.execute(text("CREATE TABLE item (id integer PRIMARY KEY, embedding tools.vector(3))"))
        assert await acopy_rows(connection, items, [plain(1)]) == 1
        assert await connection.scalar(select(items.c.embedding)) == [1, 2, 1]


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    vector: Mapped[list[float]] = mapped_column("embedding", VECTOR(3))
    doubled: Mapped[int] = mapped_column(Computed("id * 2"))


def test_entities_are_loaded_by_their_attributes_on_a_session(engine):
    with Session(engine) as session:
        Base.metadata.create_all(session.connection())
        assert copy_rows(session, Note, [{"vector": [1, 2, 3]}, {"vector": [4, 5, 6]}]) == 2
        assert copy_rows(session, Note, [{"id": 77, "vector": [7, 8, 9]}], on_conflict="update") == 1
        found = session.scalars(select(Note).order_by(Note.id)).all()
        assert [(note.id, note.vector, note.doubled) for note in found] == [
            (1, [1, 2, 3], 2),
            (2, [4, 5, 6], 4),
            (77, [7, 8, 9], 154),
        ]


def test_a_generated_column_is_refused(engine):
    with Session(engine) as session:
        Base.metadata.create_all(session.connection())
        with pytest.raises(LoadingError) as caught:
            copy_rows(session, Note, [{"vector": [1, 2, 3], "doubled": 4}])
        assert str(caught.value) == (
            "The column 'doubled' of note is generated. "
            "The server computes its value from the other columns. "
            "Leave it out of the rows."
        )


def test_what_is_no_table_is_refused(engine):
    with engine.begin() as connection, pytest.raises(LoadingError) as caught:
        copy_rows(connection, int, [])
    assert str(caught.value) == (
        "Rows cannot be loaded into <class 'int'>. "
        "COPY writes into one table, and this is neither a Table nor a class mapped to exactly one. "
        "Pass the table, or load each table of a joined inheritance in turn."
    )


@pytest.mark.parametrize("driver", ASYNC)
async def test_async_connections_and_sessions_load(make_engine, driver):
    engine = make_engine(driver)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        assert await acopy_rows(connection, items, [plain(1)]) == 1
        assert await acopy_rows(connection, items, {"id": [2], "embedding": np.ones((1, 3))}) == 1
    async with AsyncSession(engine) as session:
        assert await acopy_rows(session, items, [plain(3)], on_conflict="nothing") == 1
        await session.rollback()
        assert await session.scalar(select(func.count()).select_from(items)) == 2


@pytest.mark.parametrize("driver", SYNC)
def test_the_callers_transaction_decides(make_engine, driver):
    with make_engine(driver).connect() as connection:
        metadata.create_all(connection)
        connection.commit()
        copy_rows(connection, items, [plain(1)])
        connection.rollback()
        assert count(connection) == 0


@pytest.mark.parametrize("on_conflict", [None, "update"])
@pytest.mark.parametrize("driver", SYNC)
def test_autocommit_loads_all_or_nothing_too(make_engine, driver, on_conflict):
    with make_engine(driver, isolation_level="AUTOCOMMIT").connect() as connection:
        metadata.create_all(connection)
        assert copy_rows(connection, items, [plain(1)], on_conflict=on_conflict) == 1
        with pytest.raises(LoadingError):
            copy_rows(connection, items, [plain(2), {"id": 3, "embedding": [1]}], on_conflict=on_conflict)
        assert count(connection) == 1


async def test_autocommit_loads_with_asyncpg(make_engine):
    async with make_engine("asyncpg", isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.run_sync(metadata.create_all)
        assert await acopy_rows(connection, items, [plain(1)]) == 1
        with pytest.raises(LoadingError):
            await acopy_rows(connection, items, [plain(2), {"id": 3, "embedding": [1]}])
        assert await connection.scalar(select(func.count()).select_from(items)) == 1


def test_a_closed_connection_is_refused(engine):
    connection = engine.connect()
    connection.close()
    with pytest.raises(ResourceClosedError):
        copy_rows(connection, items, [plain(1)])


def test_an_unknown_conflict_and_a_missing_key_are_refused(engine):
    with engine.begin() as connection:
        metadata.create_all(connection)
        with pytest.raises(LoadingError, match=r"^There is no on_conflict='ignore'\. "):
            copy_rows(connection, items, [plain(1)], on_conflict="ignore")
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, items, [{"embedding": [1, 2, 3]}], on_conflict="update")
        assert str(caught.value) == (
            "Rows of 'item' cannot be updated without their primary key. "
            "on_conflict='update' finds the existing row by it, and the rows lack ['id']. "
            "Add the key to the rows, or load them with on_conflict='nothing'."
        )


def test_progress_is_told(run):
    told = []

    def check(connection):
        metadata.create_all(connection)
        copy_rows(connection, items, (plain(number) for number in range(2_500)), progress=lambda *at: told.append(at))
        copy_rows(connection, items, [plain(9_000)], progress=lambda *at: told.append(at))

    run(check)
    assert told == [(1_000, None), (2_000, None), (2_500, None), (1, 1)]


def test_a_bar_is_drawn(engine, capsys):
    with engine.begin() as connection:
        metadata.create_all(connection)
        copy_rows(connection, items, {"id": range(3), "embedding": np.ones((3, 3))}, progress=True)
    assert "Loading item" in capsys.readouterr().out


def test_a_driver_without_copy_says_so(make_engine, caplog):
    with make_engine("psycopg2").begin() as connection, caplog.at_level(logging.WARNING):
        metadata.create_all(connection)
        copy_rows(connection, items, [plain(1)])
    assert caplog.messages == ["Loading item by INSERT: the driver psycopg2 has no binary COPY."]


def test_a_type_without_a_binary_form_says_so(engine, caplog):
    words = Table(
        "words",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("found", TSVECTOR),
        Column("embedding", VECTOR(3)),
    )
    with engine.begin() as connection, caplog.at_level(logging.WARNING):
        words.create(connection)
        assert copy_rows(connection, words, [{"id": 1, "found": "a b", "embedding": [1, 2, 3]}]) == 1
        assert connection.execute(select(words)).one() == (1, "'a' 'b'", [1, 2, 3])
    assert caplog.messages == [
        "Loading words by INSERT: psycopg has no binary form for tsvector, the type of the column 'found'."
    ]


def test_names_are_quoted(engine):
    odd = Table(
        'o"dd %s', MetaData(schema="My Schema"), Column("a %(b)s", Integer, primary_key=True), Column("E:x", VECTOR(3))
    )
    with engine.begin() as connection:
        connection.execute(text('CREATE SCHEMA "My Schema"'))
        odd.create(connection)
        assert copy_rows(connection, odd, [{"a %(b)s": 1, "E:x": [1, 2, 3]}]) == 1
        assert copy_rows(connection, odd, [{"a %(b)s": 1, "E:x": [4, 5, 6]}], on_conflict="update") == 1
        assert copy_rows(connection, odd, {"a %(b)s": [2], "E:x": np.ones((1, 3))}) == 1


def test_a_translated_schema_is_honoured(engine):
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA tenant"))
        tenant = connection.execution_options(schema_translate_map={None: "tenant"})
        items.create(tenant)
        assert copy_rows(tenant, items, [plain(1)]) == 1
        assert connection.scalar(text("SELECT count(*) FROM tenant.item")) == 1


def test_a_generator_is_streamed_in_bounded_memory(engine):
    vector = np.ones(384, dtype=np.float32)
    table = Table("many", MetaData(), Column("id", Integer), Column("embedding", VECTOR(384)))
    with engine.begin() as connection:
        table.create(connection)
        tracemalloc.start()
        copy_rows(connection, table, ({"id": number, "embedding": vector} for number in range(20_000)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 8_000_000
