"""explain() plans one statement and changes nothing, on every driver."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from sqlalchemy_vecsearch import SearchError, explain
from sqlalchemy_vecsearch.cli.application import app
from sqlalchemy_vecsearch.measuring.single_statement import what_follows

HARMFUL = [
    "select 1; delete from small",
    "select 1; commit; drop table small; commit",
    "select ';' ;\n/* ; */ delete from small --",
    r"select 'a\'; delete from small --'",
    "select 1; set standard_conforming_strings = off",
]


@pytest.fixture
def small(engine):
    """Create a table of one row, and give what it holds, None once it is dropped."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE small (i int)"))
        connection.execute(text("INSERT INTO small VALUES (1)"))

    def rows():
        with engine.connect() as connection:
            if connection.scalar(text("SELECT to_regclass('small')")) is None:
                return None
            return connection.scalars(text("SELECT i FROM small")).all()

    return rows


def in_autocommit(engine, function):
    if not isinstance(engine, AsyncEngine):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            return function(connection)

    async def run():
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            return await connection.run_sync(function)

    return asyncio.run(run())


@pytest.mark.parametrize("sql", HARMFUL)
@pytest.mark.parametrize("analyze", [False, True])
def test_a_second_statement_is_refused_and_nothing_runs(run, small, sql, analyze):
    def explained(connection):
        explain(connection, text(sql), analyze=analyze)

    for begin in (run, lambda function: in_autocommit(run.engine, function)):
        with pytest.raises(SearchError, match=r"^explain\(\) was given more than one statement: a semicolon, and then"):
            begin(explained)
    assert small() == [1]


def test_a_semicolon_at_the_end_is_no_second_statement(run, small):
    plans = [run(lambda connection: explain(connection, text("select i from small where i <> 2; -- all"))).render()]
    plans.append(in_autocommit(run.engine, lambda connection: explain(connection, text("select 1;"))).render())
    assert ["Seq Scan on small" in plan for plan in plans] == [True, False]


def test_planning_cannot_write_and_the_transaction_goes_on_to(run, small):
    """A function that says it is immutable runs while it is planned."""

    def plan_and_write(connection):
        connection.execute(
            text(
                "CREATE FUNCTION sly() RETURNS int IMMUTABLE LANGUAGE plpgsql"
                " AS 'BEGIN DELETE FROM small; RETURN 1; END'"
            )
        )
        with pytest.raises(Exception, match="DELETE"):
            explain(connection, text("SELECT i FROM small WHERE i = sly()"))
        assert explain(connection, text("DELETE FROM small")).render()
        connection.execute(text("INSERT INTO small VALUES (2)"))

    run(plan_and_write)
    assert small() == [1, 2]


@pytest.mark.parametrize("sql", HARMFUL)
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_the_command_refuses_a_second_statement_in_one_sentence(vecsearch_url, small, sql, driver):
    url = make_url(vecsearch_url).set(drivername=f"postgresql+{driver}").render_as_string(hide_password=False)
    ended = CliRunner().invoke(app, ["explain", sql, "--url", url])
    assert isinstance(ended.exception, SearchError)
    assert small() == [1]


@pytest.mark.parametrize("sql", ["select 1 where 1 = sly()", "select sly()"])
def test_the_command_keeps_no_lock_that_planning_took_and_the_function_those_of_its_caller(
    vecsearch_url, engine, small, sql
):
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION sly() RETURNS int IMMUTABLE LANGUAGE plpgsql"
                " AS 'BEGIN PERFORM pg_advisory_lock(42); RETURN 1; END'"
            )
        )
    CliRunner().invoke(app, ["explain", sql, "--url", vecsearch_url])
    with engine.connect() as caller:
        caller.execute(text("SET lock_timeout = '30s'"))
        caller.execute(
            text("SELECT pg_advisory_lock(42), pg_advisory_lock(43)")
        )  # once the command's session has ended
        explain(caller, text("SELECT 1"))
        held = caller.scalars(text("SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"))
        assert sorted(held) == [42, 43]
        caller.execute(text("SELECT pg_advisory_unlock_all()"))


PIECES = st.sampled_from(
    ["'", "''", "\\", ";", " ", "\n", "select 1", "select 'a'", "e'", "E'b'", "$$", "$a$", "$a", "--", "/*", "*/", '"', "x", "1", "name"]
)  # fmt: skip


@pytest.fixture(scope="module")
def parser(vecsearch_databases):
    with psycopg.connect(
        make_url(vecsearch_databases.create()).set(drivername="postgresql").render_as_string(hide_password=False),
        autocommit=True,
    ) as connection:
        yield connection


@pytest.mark.parametrize("standard", ["on", "off"])
@given(st.lists(PIECES, max_size=14).map("".join))
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_server_finds_no_second_statement_where_we_find_none(parser, standard, sql):
    """What the server parses as several statements, we take for several: the other way it refuses by itself.

    It is asked behind EXPLAIN, as the text is sent: a semicolon at the begin ends that, and is no empty statement.
    """
    parser.execute(f"SET standard_conforming_strings = {standard}")
    parser.execute("SET escape_string_warning = off")
    answer = parser.pgconn.prepare(b"", f"EXPLAIN {sql}".encode())
    several = b"multiple commands" in (answer.error_message or b"")
    assert not several or what_follows(sql, standard_strings=standard == "on") is not None
    if not answer.error_message:
        assert what_follows(sql, standard_strings=standard == "on") is None
