"""What a worker's statements hold, and what is counted as written."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import create_engine, event, text

from sqlalchemy_vecsearch import arefresh, census, refresh
from sqlalchemy_vecsearch.embedding.writing import Writer
from sqlalchemy_vecsearch.sqlstates import sqlstate_of
from tests.db.embedding.conftest import QUICKLY
from tests.db.embedding.embedded_models import Document, wrong_rows


@pytest.fixture
def nobody_holds(tables):
    """Give a function that fails where anybody has a lock on the documents or on one of them."""
    others = create_engine(tables.url)

    def look():
        with others.connect() as connection:
            connection.execute(text("LOCK TABLE document IN ACCESS EXCLUSIVE MODE NOWAIT"))

    yield look
    others.dispose()


def refreshed(engine, driver, **options):
    if driver in {"psycopg_async", "asyncpg"}:
        return asyncio.run(arefresh(engine, Document.embedding, **options))
    return refresh(engine, Document.embedding, **options)


@pytest.mark.parametrize("driver", ["psycopg", "pg8000", "asyncpg"])
def test_a_worker_that_stalls_between_two_statements_holds_no_lock(make_engine, fill, calls, nobody_holds, driver):
    """Whatever happens to a worker, the table is free: each of its locks ends with its statement, on the server."""
    fill(10)
    engine, statements = make_engine(driver), []

    def look(connection, cursor, statement, *_):
        nobody_holds()
        statements.append(statement)

    event.listen(getattr(engine, "sync_engine", engine), "after_cursor_execute", look)
    assert refreshed(engine, driver, progress=lambda now: None).written == 10
    assert sum("UPDATE document" in one for one in statements) > 3
    with make_engine("psycopg").connect() as connection:
        assert wrong_rows(connection) == []


def test_a_row_that_is_edited_right_after_its_vector_came_was_written(monkeypatch, tables, fill, calls):
    fill(4)
    edits = iter(["UPDATE document SET title = 'edited'"])
    settle = Writer.settle

    def edit_before(writer, connection, **arguments):
        for one in edits:
            with tables.begin() as application:
                application.execute(text(one))
        return settle(writer, connection, **arguments)

    monkeypatch.setattr(Writer, "settle", edit_before)
    done = refresh(tables, Document.embedding)
    assert (done.written, done.edited, done.texts) == (8, 0, 8)
    with tables.connect() as connection:
        assert wrong_rows(connection) == []


def test_what_a_trigger_waits_for_is_given_up_with_all_rows_of_the_statement(tables, fill, calls, nobody_holds):
    fill(6)
    with tables.begin() as connection:
        for statement in (
            "CREATE TABLE counter (writes int)",
            "INSERT INTO counter VALUES (0)",
            "CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN UPDATE counter SET writes = writes + 1; RETURN NULL; END $$",
            "CREATE TRIGGER counts AFTER UPDATE ON document FOR EACH ROW EXECUTE FUNCTION counts()",
        ):
            connection.execute(text(statement))
    states = []
    application = tables.connect()
    application.execute(text("UPDATE counter SET writes = 1000"))

    @event.listens_for(tables, "handle_error")
    def let_go(context):
        nobody_holds()
        states.append(sqlstate_of(context.original_exception))
        application.commit()

    assert refresh(tables, Document.embedding).written == 6
    assert set(states) == {"55P03"}
    assert application.scalar(text("SELECT writes FROM counter")) == 1006
    application.close()


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_a_session_of_another_isolation_reads_committed_rows_while_it_embeds(make_engine, fill, calls, isolation):
    fill(9)
    options = f"-c default_transaction_isolation={isolation.replace(' ', chr(92) + ' ')}"
    engine = make_engine("psycopg", pool_size=1, max_overflow=0, connect_args={"options": options})
    isolations = set()

    @event.listens_for(engine, "after_cursor_execute")
    def look(connection, cursor, statement, *_):
        if "UPDATE document" in statement:
            cursor = connection.connection.cursor()
            isolations.add(cursor.execute("SHOW transaction_isolation").fetchone()[0])

    assert refresh(engine, Document.embedding, retry=QUICKLY).written == 9
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW default_transaction_isolation")) == isolation
        assert census(connection, Document.embedding).pending == 0
    assert isolations == {"read committed"}
