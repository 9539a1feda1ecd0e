"""No statement of a job of re-embedding calls what a stranger has planted on the search path."""

from __future__ import annotations

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import active, embedder, refresh
from sqlalchemy_vecsearch.embedding.embedders import embedder_for
from sqlalchemy_vecsearch.embedding.jobs import jobs_now
from sqlalchemy_vecsearch.embedding.journal_moves import Move, make, pause
from sqlalchemy_vecsearch.embedding.reembedding import held_columns
from sqlalchemy_vecsearch.embedding.verification.rows import measured_rows, measured_sample
from sqlalchemy_vecsearch.embedding.verification.subject import Subject
from tests.db.embedding.embedded_models import digits
from tests.db.embedding.reembedded_models import JOB, NEW, OLD, Document, begun, old_digits
from tests.db.embedding.test_planted_while_embedding import CANNOT_BE_PLANTED, watched
from tests.db.embedding.test_planted_while_embedding import NAMES as OF_THE_WORKER
from tests.db.planted_overloads import qualified_names

MIXED = {"percentile_cont"}
"""What is an aggregate of ordered rows."""

OURS = {"random", "pg_get_expr", "pg_get_indexdef", "pg_table_is_visible", "has_table_privilege", "/", "<>"}
NAMES = OF_THE_WORKER | OURS


@pytest.mark.parametrize("first", [False, True])
def test_a_job_calls_nothing_planted(engine, planted, first):
    """Its searches are not in it: they are those of anybody, and have tests of their own."""
    embedder(NEW, dimensions=8)(digits)
    embedder(OLD, dimensions=4)(old_digits)
    begun(engine, rows=20)
    planted.plant(NAMES, first=first)
    before, statements = planted.calls(), []
    note = watched(engine, statements)
    try:
        with engine.connect() as connection:
            columns = held_columns(connection, JOB, None)
        subject = Subject(found=columns.found, live=columns.live, where=columns.found.column.is_not(None))
        written = refresh(engine, columns.found.column).written
        with engine.connect() as connection:
            rows = {one.name: one.value for one in measured_rows(connection, subject)}
        sample = measured_sample(engine, subject, embedder_for(NEW), count=3, told=lambda *_: None)
        with engine.begin() as connection:
            (now,) = jobs_now(connection)
            pause(connection, JOB, None)
            make(connection, Move.READY, JOB, None)
            make(connection, Move.SWAP, JOB, None, mode="pointer")
        with Session(engine) as session:
            pair = active(session, Document.embedding)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    called = planted.calls()
    assert {name: calls for name, calls in called.items() if calls != before.get(name)} == {}
    assert (written, now.done, pair.model, sample.value) == (20, 20, NEW, pytest.approx(1))
    assert (rows["norms"], rows["dimensions"], rows["pending"]) == (0, 0, 0)
    assert set().union(*map(qualified_names, statements)) - NAMES - CANNOT_BE_PLANTED == MIXED
