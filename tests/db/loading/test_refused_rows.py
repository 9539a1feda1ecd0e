"""Rows that are refused, on every driver: what the error says, and that nothing else has happened."""

from __future__ import annotations

from uuid import uuid4

import numpy as np
import pytest
from loaded_tables import Base, Note, count, items, metadata, plain, strict, wide, wide_row
from sqlalchemy import Column, Integer, MetaData, NullPool, Table, create_engine, func, select, text
from sqlalchemy.exc import DBAPIError, ResourceClosedError
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import HALFVEC, VECTOR, LoadingError, LoadingValueError, acopy_rows, copy_rows

BAD_ROWS = {
    "a wrong length": ([plain(1), {"id": 2, "embedding": [1, 2]}], 1, "embedding"),
    "a nan": ([plain(1), plain(2), {"id": 3, "embedding": [1, 2, float("nan")]}], 2, "embedding"),
    "a text": ([{"id": 1, "embedding": "[1,2,3]"}], 0, "embedding"),
    "a missing key": ([plain(1), {"id": 2}], 1, "embedding"),
    "an extra key": ([plain(1), plain(2) | {"body": "x"}], 1, "body"),
    "an unknown key": ([plain(1) | {"body": "x"}], None, "body"),
    "a matrix of the wrong width": ({"id": [1, 2], "embedding": np.ones((2, 4))}, 0, "embedding"),
    "an infinity in a matrix": ({"id": [1, 2], "embedding": np.array([[1, 2, 3], [1, np.inf, 3]])}, 1, "embedding"),
    "an array of two axes among others": (
        {"id": [1, 2], "embedding": [np.ones(3, np.float32), np.ones((3, 1), np.float32)]},
        1,
        "embedding",
    ),
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
        for number in range(2_600):
            yield {"id": number, "embedding": [1, 2] if number == 2_337 else [1, 2, 3]}

    def check(connection):
        metadata.create_all(connection)
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, items, rows())
        assert str(caught.value) == (
            "Row 2337 stopped the load into 'item', and none of its rows is in the table. "
            "The vector for 'embedding' does not fit: expected 3 dimensions, not 2. "
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
        assert str(caught.value) == (
            "The server refused row 1 of the load into 'item': duplicate key value violates unique constraint "
            '"item_pkey" (Key (id)=(2) already exists). '
            "The rows of a load stand or fall together, so none of them is in the table. "
            "Pass on_conflict='nothing' to keep the rows that exist, or 'update' to write over them."
        )
        assert (caught.value.row, caught.value.column) == (1, "id")
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
    told = {
        "asyncpg": "invalid input for query argument $1: 'abc' (must be real number, not str)",
        "pg8000": "could not convert string to float: 'abc'",
    }

    def check(connection):
        metadata.create_all(connection)
        with pytest.raises(LoadingValueError) as caught:
            copy_rows(connection, wide, [{"id": 1, "share": 1.0}, {"id": 2, "share": "abc"}])
        if run.driver in told:
            assert str(caught.value) == (
                "Row 1 stopped the load into 'wide table', and none of its rows is in the table. "
                f"The value of 'share' does not fit the type of the column: {told[run.driver]}. Convert the value first."
            )
        else:
            assert str(caught.value) == (
                "The server refused the value of 'share' in row 1 of the load into 'wide table': "
                'invalid input syntax for type double precision: "abc". '
                "The rows of a load stand or fall together, so none of them is in the table. "
                "Correct the rows, and load them again."
            )
        assert (caught.value.row, caught.value.column) == (1, "share")
        assert count(connection, wide) == 0

    run(check)


UNFIT = {
    "small": 2**20,
    "left_out": 2**31,
    "share": "1.0.0",
    "day": "no day",
    "at": "some time",
    "token": "no uuid",
    "price": "many",
    "fine": "perhaps",
    "kind": "more than five",
    "color": "GREEN",
    "numbers": ["a"],
    "Body": "a zero \0 in it",
    "embedding": [1, 2],
    "half": [1, 2, 70_000],
    "sparse": [1, 2, 3],
    "bits": "012",
}


@pytest.mark.parametrize("column", UNFIT)
def test_the_row_and_the_column_of_a_value_that_does_not_fit_are_named(run, column):
    def check(connection):
        metadata.create_all(connection)
        for on_conflict in (None, "update"):
            good, bad = wide_row(1).get(column), UNFIT[column]
            rows = [{"id": number, column: bad if number == 7 else good} for number in range(10)]
            with pytest.raises(LoadingError) as caught:
                copy_rows(connection, wide, rows, on_conflict=on_conflict)
            assert (caught.value.row, caught.value.column) == (7, column)
        assert count(connection, wide) == 0
        assert copy_rows(connection, wide, [wide_row(1)]) == 1

    run(check)


def entry(number, **values):
    return {"id": number, "Title": "t", "rank": 1, "parent": None, "embedding": [1, 2, 3]} | values


VIOLATIONS = {
    "a null": ({"Title": None}, "Title", 'null value in column "Title"'),
    "a check": ({"rank": 0}, "rank", 'violates check constraint "ranks_are_positive"'),
    "a foreign key": ({"parent": 999}, "parent", "violates foreign key constraint"),
    "a duplicate of a row of the table": ({"id": 5_000}, None, "(Key (id, part)=(5000, 1) already exists)"),
    "a duplicate of an earlier row of the load": ({"id": 3}, None, "(Key (id, part)=(3, 1) already exists)"),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_the_row_that_violates_a_constraint_is_named(run, name):
    values, column, told = VIOLATIONS[name]

    def rows():
        for number in range(1_300):
            yield entry(number, **values) if number == 1_100 else entry(number)

    def check(connection):
        metadata.create_all(connection)
        copy_rows(connection, strict, [entry(5_000)])
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, strict, rows())
        assert (caught.value.row, caught.value.column) == (1_100, column)
        assert told in str(caught.value)
        assert count(connection, strict) == 1
        assert copy_rows(connection, strict, [entry(1)]) == 1

    run(check)


@pytest.mark.parametrize("on_conflict", ["nothing", "update"])
@pytest.mark.parametrize("name", ["a null", "a check", "a foreign key"])
def test_the_row_is_named_when_the_rows_go_through_a_temporary_table(run, name, on_conflict):
    values, column, told = VIOLATIONS[name]

    def check(connection):
        metadata.create_all(connection)
        rows = [entry(number, **values) if number == 37 else entry(number) | {"part": 1} for number in range(100)]
        rows[37]["part"] = 1
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, strict, rows, on_conflict=on_conflict)
        assert (caught.value.row, caught.value.column) == (37, column)
        assert told in str(caught.value)
        assert count(connection, strict) == 0

    run(check)


def test_a_refusal_that_is_not_about_a_row_names_none(run):
    def check(connection):
        metadata.create_all(connection)
        role = f"reader_{uuid4().hex}"  # roles belong to the whole server
        connection.execute(text(f"CREATE ROLE {role}"))
        connection.execute(text(f"GRANT SELECT ON item TO {role}"))
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, items, [plain(1)])
        assert str(caught.value) == (
            "The server refused the load into 'item': permission denied for table item. "
            "No row is at fault, and none of them is in the table. "
            "Ask the owner for INSERT on the table, with SELECT and UPDATE for on_conflict, and for USAGE on its schema"
            " and sequences."
        )
        assert (caught.value.row, caught.value.column, caught.value.sqlstate) == (None, None, "42501")
        assert not isinstance(caught.value, ValueError)
        connection.execute(text("RESET ROLE"))
        connection.execute(text(f"DROP OWNED BY {role}"))
        connection.execute(text(f"DROP ROLE {role}"))
        assert copy_rows(connection, items, [plain(1)]) == 1

    run(check)


def test_a_schema_that_the_role_may_not_use_is_named_as_that(run):
    """The server refuses already the look at the table."""
    hidden = Table("item", MetaData(schema="hidden"), Column("id", Integer, primary_key=True))

    def check(connection):
        role = f"stranger_{uuid4().hex}"
        connection.execute(text("CREATE SCHEMA hidden"))
        hidden.create(connection)
        connection.execute(text(f"CREATE ROLE {role}"))
        look = connection.begin_nested()
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        with pytest.raises(LoadingError, match=r"permission denied for schema hidden.* USAGE on its schema") as caught:
            copy_rows(connection, hidden, [{"id": 1}])
        assert (caught.value.row, caught.value.sqlstate) == (None, "42501")
        assert caught.value.orig is not None
        assert not isinstance(caught.value, ValueError)
        look.rollback()
        connection.execute(text(f"DROP ROLE {role}"))

    run(check)


def test_a_connection_that_the_server_ends_during_a_load_leaves_no_row(run):
    """The pool replaces the connection, and the next load works."""
    killer = create_engine(run.engine.url.set(drivername="postgresql+psycopg"), poolclass=NullPool)

    def rows(process):
        for number in range(1_300):
            if number == 1_100:
                with killer.connect() as other:
                    other.execute(select(func.pg_terminate_backend(process, 10_000)))
            yield plain(number)

    def check(connection):
        copy_rows(connection, items, rows(connection.scalar(text("SELECT pg_backend_pid()"))))

    run(metadata.create_all)
    with pytest.raises((DBAPIError, LoadingError)):
        run(check)
    run(lambda connection: copy_rows(connection, items, [plain(1)]))
    assert run(count) == 1


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


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_a_closed_connection_is_refused(make_engine, driver):
    connection = make_engine(driver).connect()
    connection.close()
    with pytest.raises(ResourceClosedError):
        copy_rows(connection, items, [plain(1)])


@pytest.mark.parametrize("driver", ["psycopg_async", "asyncpg"])
async def test_a_closed_async_connection_is_refused(make_engine, driver):
    connection = await make_engine(driver).connect()
    await connection.close()
    with pytest.raises(ResourceClosedError):
        await acopy_rows(connection, items, [plain(1)])


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


@pytest.mark.parametrize("length", [16_001, 70_000])
@pytest.mark.parametrize("type_", [VECTOR(), HALFVEC()], ids=repr)
def test_a_vector_that_no_column_holds_is_named(run, type_, length):
    table = Table("any length", MetaData(), Column("id", Integer, primary_key=True), Column("embedding", type_))
    array = np.ones((3, length), dtype=np.float32)

    def check(connection):
        table.create(connection)
        for rows in ([{"embedding": array[0, :5]}, {"embedding": array[1]}], {"embedding": array[:1]}):
            with pytest.raises(LoadingError, match=f"The vector for 'embedding' has {length} dimensions") as caught:
                copy_rows(connection, table, rows)
            assert (caught.value.row, caught.value.column) == (1 if isinstance(rows, list) else 0, "embedding")

    run(check)
