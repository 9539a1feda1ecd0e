"""A server that takes no rows, whatever they are: the error keeps its code and its words, and blames no row."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from loaded_tables import count, items, metadata, plain
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from sqlalchemy_vecsearch import LoadingError, copy_rows

ROWS = {
    "rows": [plain(number) for number in range(3)],
    "columns": {"id": np.arange(3), "embedding": np.ones((3, 3), dtype=np.float32)},
    "rows to convert": [plain(1), {"id": "2", "embedding": [1, 2, 3]}],
    "rows to convert with asyncpg": [plain(2), {"id": True, "embedding": [1, 2, 3]}],
}


def given_to(connection, given):
    """Return the rows; those to convert have a value that the driver's INSERT converts."""
    by_driver = f"{given} with {connection.dialect.driver}"
    return ROWS.get(by_driver, ROWS[given])


def refused(connection, rows, **options):
    with pytest.raises(LoadingError) as caught:
        copy_rows(connection, items, rows, **options)
    error = caught.value
    assert not isinstance(error, ValueError)
    assert (error.row, error.column, error.columns) == (None, None, ())
    assert error.orig is not None
    assert error.__cause__ is not None
    assert "No row is at fault" in str(error)
    return error


@pytest.mark.parametrize("on_conflict", [None, "update"])
@pytest.mark.parametrize("given", ["rows", "columns", "rows to convert"])
def test_a_transaction_that_only_reads_is_named(run, given, on_conflict):
    run(metadata.create_all)

    def check(connection):
        connection.execute(text("SET TRANSACTION READ ONLY"))
        error = refused(connection, given_to(connection, given), on_conflict=on_conflict)
        assert error.sqlstate == "25006"
        assert str(error).endswith("Load on the primary server, in a transaction that may write.")

    run(check)


@pytest.mark.parametrize("given", ["rows", "columns", "rows to convert"])
def test_a_timeout_is_named(run, given):
    def check(connection):
        metadata.create_all(connection)
        connection.execute(
            text(
                "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM pg_catalog.pg_sleep(10); RETURN NEW; END $$"
            )
        )
        connection.execute(text("CREATE TRIGGER slows BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION slow()"))
        connection.execute(text("SET LOCAL statement_timeout = '50ms'"))
        error = refused(connection, given_to(connection, given))
        assert error.sqlstate == "57014"
        assert str(error).endswith("Raise statement_timeout for the load, or load fewer rows at a time.")
        assert count(connection) == 0

    run(check)


def test_a_lock_that_is_not_given_in_time_is_named(run):
    run(metadata.create_all)
    other = create_engine(run.engine.url.set(drivername="postgresql+psycopg"))
    with other.begin() as holding:
        holding.execute(text("LOCK TABLE item IN ACCESS EXCLUSIVE MODE"))

        def check(connection):
            connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
            error = refused(connection, ROWS["rows"])
            assert error.sqlstate == "55P03"
            assert str(error).endswith("Load again when the lock is free, or with a longer lock_timeout.")

        run(check)
    other.dispose()


def test_a_serialization_failure_may_be_run_again(run):
    """Two transactions that read all and write: the second to write a row that the first has changed fails."""
    run(metadata.create_all)
    run(lambda connection: copy_rows(connection, items, [plain(1)]))
    other = create_engine(run.engine.url.set(drivername="postgresql+psycopg"))

    def check(connection):
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        assert count(connection) == 1
        with other.begin() as faster:
            copy_rows(faster, items, [{"id": 1, "embedding": [7, 7, 7]}], on_conflict="update")
        error = refused(connection, [plain(1)], on_conflict="update")
        assert error.sqlstate == "40001"
        assert str(error).endswith("Roll back, and run the whole transaction again.")

    run(check)
    other.dispose()


def test_a_deadlock_may_be_run_again(engine):
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(text("CREATE TABLE one (id integer)"))
    barrier = threading.Barrier(2)

    def rival():
        with engine.begin() as second:
            second.execute(text("SET LOCAL deadlock_timeout = '1h'"))  # the load is the one that looks
            second.execute(text("LOCK TABLE item IN ACCESS EXCLUSIVE MODE"))
            barrier.wait()
            second.execute(text("LOCK TABLE one IN ACCESS EXCLUSIVE MODE"))

    thread = threading.Thread(target=rival)
    thread.start()
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE one IN ACCESS EXCLUSIVE MODE"))
        barrier.wait()
        error = refused(connection, ROWS["rows"])
        assert error.sqlstate == "40P01"
        assert isinstance(error.orig, Exception)
    thread.join()


def test_a_transaction_that_has_failed_already_says_so(engine):
    with engine.connect() as connection:
        metadata.create_all(connection)
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT 1/0"))
        with pytest.raises(DBAPIError, match="current transaction is aborted"):
            copy_rows(connection, items, ROWS["rows"])
