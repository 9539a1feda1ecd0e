"""No statement of embedding calls what a stranger has planted on the search path; each qualification counts."""

from __future__ import annotations

import pytest
from sqlalchemy import event, insert, text
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import (
    WaitForDatabase,
    census,
    embedder,
    notify_trigger,
    preflight,
    refresh,
    stale,
)
from tests.db.embedding.conftest import QUICKLY
from tests.db.embedding.embedded_models import DIMENSIONS, MODEL, Base, Chunk, Document, digits
from tests.db.planted_overloads import qualified_names, without_qualification

NAMES = {
    "=", "<", "<=", ">", "+", "-", "*", "->", "->>",
    "btrim", "count", "current_database", "md5", "now", "clock_timestamp", "max", "min", "power", "make_interval",
    "pg_advisory_lock", "pg_advisory_unlock", "pg_advisory_xact_lock", "pg_notify", "to_regclass", "||",
    "unnest", "pg_has_role", "pg_get_userbyid", "has_any_column_privilege", "row_security_active",
    "current_setting", "set_config", "statement_timestamp",
}  # fmt: skip
CANNOT_BE_PLANTED = {"jsonb_build_array", "jsonb_each_text", "jsonb_array_elements", "pg_relation_size"}
"""What takes or returns types of which only C can be a function, or any mixture of arguments."""


def refuses_a_text(texts):
    if any("7" in one for one in texts):
        raise ValueError("no sevens")
    return digits(texts)


def lay_out(engine):
    """Create tables and rows by statements whose names mean the server's own; the work tables are the worker's."""
    with engine.begin() as connection:
        Base.metadata.create_all(connection, tables=[Document.__table__, Chunk.__table__])
        documents = [{"id": key, "title": f"title {key}", "body": ""} for key in range(1, 11)]
        connection.execute(insert(Document.__table__), [*documents, {"id": 11, "title": " ", "body": None}])
        chunks = [{"book": "b", "position": place, "content": f"text {place}"} for place in range(6)]
        connection.execute(insert(Chunk.__table__), chunks)
        # a model with a name of two words has a table of its own, too
        connection.execute(text("UPDATE document SET embedding = '[1,1,1,1,1,1,1,1]' WHERE id = 11"))


def embed_all(engine):
    """Do everything that an application does, with a refusal, a text that is gone, and a table of two key columns."""
    embedder(MODEL, dimensions=DIMENSIONS, batch_size=4, fingerprint="one")(refuses_a_text)
    with engine.begin() as connection:
        for statement in notify_trigger(Document.embedding).create:
            connection.execute(text(statement))
        before = census(connection, Document.embedding)
        preflight(connection, Document.embedding)
    with Session(engine) as session:
        found = len(session.scalars(stale(Document.embedding)).all())
    wait = WaitForDatabase(lock_wait=3600)
    done = refresh(engine, Document.embedding, workers=2, retry=QUICKLY, throttle=wait)
    chunks = refresh(engine, Chunk.embedding, retry=QUICKLY)
    again = refresh(engine, Document.embedding, retry=QUICKLY)
    with engine.connect() as connection:
        after = census(connection, Document.embedding)
    return (
        before.pending,
        found,
        done.written,
        done.refused,
        chunks.written,
        again.refused,
        after.pending,
        after.failed,
    )


EXPECTED = (11, 11, 10, 1, 6, 0, 1, 1)


def watched(engine, statements, change=str):
    """Note statements, and change each before it is run."""

    def note(connection, cursor, statement, values, context, many):
        statements.append(statement)
        return change(statement), values

    event.listen(engine, "before_cursor_execute", note, retval=True)
    return note


@pytest.mark.parametrize("first", [False, True])
def test_embedding_calls_nothing_planted(engine, planted, first):
    lay_out(engine)
    planted.plant(NAMES, first=first)
    before, statements = planted.calls(), []
    note = watched(engine, statements)
    try:
        assert embed_all(engine) == EXPECTED
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert planted.calls() == before
    named = set().union(*map(qualified_names, statements))
    assert named - CANNOT_BE_PLANTED <= NAMES, "these are not planted"
    with engine.begin() as connection:  # the trigger is the server's, and so may be any session's
        connection.execute(text("UPDATE document SET title = 'edited' WHERE id OPERATOR(pg_catalog.=) 1"))
    assert planted.calls() == before


def calls_without_qualification(engine, planted, name):
    """Run all with one name as if nobody else could have it, and return how often the overloads of it were called."""
    before = planted.calls().get(name, 0)
    note = watched(engine, [], lambda sql: without_qualification(sql, name))
    try:
        embed_all(engine)
    except Exception:  # noqa: BLE001  # each driver and library puts the planted error into one of its own
        return planted.calls().get(name, 0) - before
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return planted.calls().get(name, 0) - before


@pytest.mark.parametrize("name", ["=", "+", "*", "md5", "count", "now", "to_regclass", "pg_advisory_lock"])
def test_each_qualification_that_is_taken_away_is_found(engine, planted, name):
    lay_out(engine)
    planted.plant({name}, first=True, fail=True)
    assert calls_without_qualification(engine, planted, name) > 0
