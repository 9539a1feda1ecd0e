"""What a stranger has planted on the search path is not called by the commands that observe a database."""

from __future__ import annotations

from contextlib import suppress

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from sqlalchemy_vecsearch import explain
from sqlalchemy_vecsearch.observing.builds import build_progress, running_builds
from sqlalchemy_vecsearch.observing.index_health import index_health
from sqlalchemy_vecsearch.observing.server_health import server_health
from sqlalchemy_vecsearch.observing.waits import blockers_of, waiting_sessions
from sqlalchemy_vecsearch.progress import RateWindow
from tests.db.planted_overloads import qualified_names, without_qualification


def observe(connection):
    """Run every statement of the room, and EXPLAIN with what it asks the catalog."""
    pid = connection.execute(text("SELECT pg_catalog.pg_backend_pid()")).scalar_one()
    server_health(connection)
    index_health(connection)
    running_builds(connection)
    waiting_sessions(connection)
    assert blockers_of(connection, [pid])
    assert build_progress(connection, pid=pid, index="ix", window=RateWindow()) is not None
    explain(connection, text("SELECT id FROM public.document ORDER BY id"))


@pytest.fixture
def statements(engine, documents, catalog):
    """Collect what is sent, as name -> SQL of each function and operator; without pageinspect no page is read."""
    if catalog.offers("pageinspect"):
        catalog.execute("CREATE EXTENSION pageinspect")
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)")
    seen = {}

    def note(connection, cursor, sql, values, context, many):
        for name in qualified_names(sql):
            seen.setdefault(name, (sql, values))

    with engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", note)
        observe(connection)
    return seen


def test_nothing_planted_is_called(planted, engine, statements):
    assert len(statements) > 20
    planted.plant(statements, first=True)
    with engine.connect() as connection:
        observe(connection)
    assert planted.calls() == {}


REACHED = {"=", "current_setting", "pg_get_indexdef", "age", "host", "concat_ws"}
"""Those that the rows of this test's database lead to: nothing waits in it, and nothing is built."""

BY_PAGEINSPECT = {"format"}
"""Those that the row of pageinspect leads to: the name of its function is put together."""


def test_a_name_without_its_schema_would_be_found(planted, engine, catalog, statements):
    planted.plant(statements, first=True)
    for name, (sql, values) in statements.items():
        with engine.connect() as connection, suppress(DBAPIError):  # what is planted may not fit where it is called
            connection.exec_driver_sql(without_qualification(sql, name), values)
    assert set(planted.calls()) >= (REACHED | BY_PAGEINSPECT if catalog.offers("pageinspect") else REACHED)
