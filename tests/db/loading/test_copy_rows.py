"""Loading rows on every driver: all of them or none, with every common type of column."""

from __future__ import annotations

import logging
import tracemalloc

import numpy as np
import pytest
import sqlalchemy
from loaded_tables import Base, Note, count, items, metadata, plain, signatures, strict, wide, wide_row
from pgvector import SparseVector
from scipy.sparse import csc_array, csr_array, csr_matrix
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    func,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import SPARSEVEC, VECTOR, LoadingError, acopy_rows, copy_rows

SYNC = ["psycopg", "psycopg2", "pg8000"]
ASYNC = ["psycopg_async", "asyncpg"]
SQLALCHEMY = tuple(int(part) for part in sqlalchemy.__version__.split(".")[:2])
ODD_NAME = "a %(b)s" if SQLALCHEMY >= (2, 1) else "a %b"  # SQLAlchemy 2.0 reads a parameter in it, on pg8000


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


@pytest.mark.share(0, 3)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64])
def test_columns_arrive_as_a_matrix_is_sent(run, dtype):
    def check(connection):
        metadata.create_all(connection)
        matrix = np.arange(3_900).reshape(1_300, 3) % 2_000
        assert copy_rows(connection, items, {"id": np.arange(1_300), "embedding": matrix.astype(dtype)}) == 1_300
        assert connection.scalar(select(items.c.embedding).where(items.c.id == 1_299)) == matrix[1_299].tolist()

    run(check)


def test_arrays_arrive_one_by_one_however_they_lie_in_memory(run):
    def check(connection):
        metadata.create_all(connection)
        vectors = np.arange(600, dtype=np.float32).reshape(200, 3)
        for first, arrays in enumerate((list(vectors), list(vectors[:, ::-1]), [*vectors[1:], vectors[0, ::-1]])):
            ids = range(1_000 * first, 1_000 * first + 200)
            copy_rows(connection, items, {"id": ids, "embedding": arrays})
            found = connection.scalars(select(items.c.embedding).where(items.c.id.in_(ids)).order_by(items.c.id)).all()
            assert found == [array.tolist() for array in arrays]

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


term_lists = Table(
    "terms", metadata, Column("id", Integer, primary_key=True), Column("terms", SPARSEVEC(6)), Column("rank", Integer)
)
TERMS = np.array([[0, 0.5, 0, 0, 2, 0], [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1e-3]] * 325)
COMPRESSED = csr_array(TERMS)
UNSORTED = csr_array((np.r_[2.0, 0.5, 0.0, 1e-60], [4, 1, 0, 2], [0, 4, *([4] * 1_299)]), shape=(1_300, 6))


@pytest.mark.share(0, 3)
@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (TERMS, TERMS),
        (TERMS.astype(np.float32), TERMS),
        (COMPRESSED, TERMS),
        (csr_matrix(TERMS), TERMS),
        (csc_array(TERMS), TERMS),
        (UNSORTED, np.vstack([TERMS[:1], np.zeros((1_299, 6))])),
    ],
    ids=["float64", "float32", "csr_array", "csr_matrix", "csc_array", "unsorted"],
)
def test_sparse_vectors_arrive_as_a_matrix_is_sent(run, given, stored):
    def check(connection):
        metadata.create_all(connection)
        numbers = np.arange(1_300)
        assert copy_rows(connection, term_lists, {"id": numbers, "terms": given, "rank": numbers}) == 1_300
        found = connection.execute(select(term_lists).order_by(term_lists.c.id)).all()
        assert [row.rank for row in found] == numbers.tolist()
        wrong = [row.id for row in found if not np.allclose(row.terms.to_numpy(), stored[row.id])]
        assert wrong == []
        written = copy_rows(connection, term_lists, {"terms": given[[0, 1]], "id": [0, 5_000]}, on_conflict="update")
        assert written == 2

    run(check)


@pytest.mark.share(0, 3)
@pytest.mark.parametrize("make", [np.array, csr_array])
@pytest.mark.parametrize("bad", [np.inf, np.nan, 1e39])
def test_a_sparse_vector_of_a_matrix_that_is_not_finite_is_named(run, make, bad):
    matrix = TERMS.copy()
    matrix[1_100, 4] = bad

    def check(connection):
        metadata.create_all(connection)
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, term_lists, {"id": np.arange(1_300), "terms": make(matrix)})
        assert (caught.value.row, caught.value.column) == (1_100, "terms")
        with pytest.raises(
            LoadingError,
            match=r"^Row 0 stopped .* The vector for 'terms' does not fit: expected 6 dimensions, not 5\. ",
        ):
            copy_rows(connection, term_lists, {"id": [1, 2], "terms": make(matrix[:2, :5])})
        assert count(connection, term_lists) == 0

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


def test_existing_rows_are_found_by_keys_of_several_columns(run):
    def row(number, title):
        return {"id": number, "part": 2, "Title": title, "embedding": [1, 2, number]}

    def check(connection):
        metadata.create_all(connection)
        copy_rows(connection, strict, [row(1, "old"), row(1, "old") | {"part": 3}])
        assert copy_rows(connection, strict, [row(1, "new"), row(2, "new")], on_conflict="nothing") == 1
        assert copy_rows(connection, strict, [row(1, "newer"), row(3, "new")], on_conflict="update") == 2
        found = connection.execute(
            select(strict.c.id, strict.c.part, strict.c.Title).order_by(strict.c.id, strict.c.part)
        )
        assert found.all() == [(1, 2, "newer"), (1, 3, "old"), (2, 2, "new"), (3, 2, "new")]

    run(check)


def test_columns_that_are_left_out_get_the_default_of_the_server(run):
    def check(connection):
        metadata.create_all(connection)
        for on_conflict in (None, "nothing"):
            assert copy_rows(
                connection, strict, [{"id": 1 + (on_conflict is None), "Title": "t"}], on_conflict=on_conflict
            )
        assert connection.scalars(select(strict.c.part)).all() == [1, 1]

    run(check)


def test_the_column_as_it_is_in_the_database_decides_what_is_sent(run):
    def check(connection):
        connection.execute(text("CREATE TABLE item (id bigint PRIMARY KEY, embedding halfvec(3))"))
        assert copy_rows(connection, items, [plain(1)]) == 1
        assert copy_rows(connection, items, {"id": [2], "embedding": np.ones((1, 3), dtype=np.float32)}) == 1
        assert count(connection) == 2

    run(check)


def load_outside(connection):
    connection.execute(text("CREATE SCHEMA tools"))
    connection.execute(text("CREATE EXTENSION vector SCHEMA tools"))
    connection.execute(text("CREATE TABLE item (id integer PRIMARY KEY, embedding tools.vector(3))"))
    assert copy_rows(connection, items, [plain(1)]) == 1
    assert copy_rows(connection, items, [plain(1), plain(2)], on_conflict="update") == 2
    assert copy_rows(connection, items, {"id": [3], "embedding": np.ones((1, 3))}) == 1
    assert connection.scalars(select(items.c.embedding).order_by(items.c.id)).all() == [[1, 2, 1], [1, 2, 2], [1, 1, 1]]


@pytest.mark.parametrize("driver", SYNC)
def test_the_extension_may_be_in_a_schema_outside_the_search_path(make_engine, bare_url, driver):
    with make_engine(driver, url=bare_url).begin() as connection:
        load_outside(connection)


@pytest.mark.parametrize("driver", ASYNC)
async def test_async_drivers_load_when_the_extension_is_outside_the_search_path(make_engine, bare_url, driver):
    async with make_engine(driver, url=bare_url).begin() as connection:
        await connection.run_sync(load_outside)


def test_entities_are_loaded_by_their_attributes_on_a_session(run):
    def check(connection):
        with Session(connection) as session:
            Base.metadata.create_all(session.connection())
            assert copy_rows(session, Note, [{"vector": [1, 2, 3]}, {"vector": [4, 5, 6]}]) == 2
            assert copy_rows(session, Note, [{"id": 77, "vector": [7, 8, 9]}], on_conflict="update") == 1
            assert copy_rows(session, Note, [{"id": 78, "vector": [1, 8, 9]}]) == 1
            found = session.scalars(select(Note).order_by(Note.id)).all()
            assert [(note.id, note.vector, note.doubled) for note in found] == [
                (1, [1, 2, 3], 2),
                (2, [4, 5, 6], 4),
                (77, [7, 8, 9], 154),
                (78, [1, 8, 9], 156),
            ]

    run(check)


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


def test_progress_is_told(run):
    told = []

    def check(connection):
        metadata.create_all(connection)
        copy_rows(connection, items, (plain(number) for number in range(2_500)), progress=lambda *at: told.append(at))
        copy_rows(connection, items, [plain(9_000)], progress=lambda *at: told.append(at))

    run(check)
    assert told == [(1_000, None), (2_000, None), (2_500, None), (1, 1)]


def test_progress_that_no_terminal_shows_is_written_in_lines(engine, capsys):
    with engine.begin() as connection:
        metadata.create_all(connection)
        copy_rows(connection, items, {"id": range(3), "embedding": np.ones((3, 3))}, progress=True)
    assert capsys.readouterr().err == "Loading item: 100% (3 of 3 rows)\n"


def test_a_driver_without_copy_says_so(make_engine, caplog):
    with make_engine("psycopg2").begin() as connection, caplog.at_level(logging.WARNING):
        metadata.create_all(connection)
        copy_rows(connection, items, [plain(1)])
    assert caplog.messages == ["Loading item by INSERT: the driver psycopg2 has no binary COPY."]


def test_names_are_quoted(run):
    odd = Table(
        'o"dd %s',
        MetaData(schema="My Schema"),
        Column(ODD_NAME, Integer, primary_key=True),
        Column("E:x", VECTOR(3, returns="list")),
    )

    def check(connection):
        connection.exec_driver_sql('CREATE SCHEMA "My Schema"')
        name = '"My Schema"."o""dd %s"'
        connection.exec_driver_sql(
            f'CREATE TABLE {name} ("{ODD_NAME}" integer PRIMARY KEY, "E:x" vector(3))',
            execution_options={"no_parameters": True},
        )
        assert copy_rows(connection, odd, [{ODD_NAME: 1, "E:x": [1, 2, 3]}]) == 1
        assert copy_rows(connection, odd, [{ODD_NAME: 1, "E:x": [4, 5, 6]}], on_conflict="update") == 1
        assert copy_rows(connection, odd, {ODD_NAME: [2], "E:x": np.ones((1, 3))}) == 1
        written = connection.exec_driver_sql(f"SELECT * FROM {name}", execution_options={"no_parameters": True})
        assert [(number, str(vector).strip("[]")) for number, vector in written] == [(1, "4,5,6"), (2, "1,1,1")]

    run(check)


def test_a_translated_schema_is_honoured(run):
    def check(connection):
        connection.execute(text("CREATE SCHEMA tenant"))
        tenant = connection.execution_options(schema_translate_map={None: "tenant"})
        items.create(tenant)
        assert copy_rows(tenant, items, [plain(1)]) == 1
        assert copy_rows(tenant, items, [plain(1), plain(2)], on_conflict="update") == 2
        assert connection.scalar(text("SELECT count(*) FROM tenant.item")) == 2

    run(check)


def test_a_generator_is_streamed_in_bounded_memory(engine):
    vector = np.ones(384, dtype=np.float32)
    table = Table("many", MetaData(), Column("id", Integer), Column("embedding", VECTOR(384, returns="list")))
    with engine.begin() as connection:
        table.create(connection)
        tracemalloc.start()
        copy_rows(connection, table, ({"id": number, "embedding": vector} for number in range(20_000)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 8_000_000
