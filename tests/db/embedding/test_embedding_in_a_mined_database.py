"""No statement of embedding names anything that a stranger can put in its way, whatever the rows lead to."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import active, embedder, refresh
from sqlalchemy_vecsearch.embedding.embedders import embedder_for
from sqlalchemy_vecsearch.embedding.jobs import jobs_now
from sqlalchemy_vecsearch.embedding.journal_moves import Move, make, pause
from sqlalchemy_vecsearch.embedding.reembedding import held_columns
from sqlalchemy_vecsearch.embedding.verification.rows import measured_rows, measured_sample
from sqlalchemy_vecsearch.embedding.verification.subject import Subject
from tests.db.embedding.embedded_models import digits
from tests.db.embedding.reembedded_models import JOB, NEW, OLD, begun, old_digits
from tests.db.embedding.reembedded_models import Document as Reembedded
from tests.db.embedding.test_planted_while_embedding import EXPECTED, embed_all, lay_out
from tests.db.mined_database import MinedDatabase


@pytest.fixture
def database(vecsearch_url):
    """Give an engine with names as they should be found, for laying out, and the mines of the same database."""
    url = make_url(vecsearch_url)
    safe = create_engine(url.update_query_dict({"options": "-csearch_path=public"}))
    mines = MinedDatabase(create_engine(url))
    yield safe, mines
    safe.dispose()
    mines.engine.dispose()


def embedded(safe, mines):
    lay_out(safe)
    mines.lay()
    yield
    assert embed_all(mines.engine) == EXPECTED


def job_done(safe, mines):
    """Do a job but for its searches, which are those of anybody and have tests of their own."""
    embedder(NEW, dimensions=8)(digits)
    embedder(OLD, dimensions=4)(old_digits)
    begun(safe, rows=20)
    mines.lay()
    yield
    with mines.engine.connect() as connection:
        columns = held_columns(connection, JOB, None)
    subject = Subject(found=columns.found, live=columns.live, where=columns.found.column.is_not(None))
    assert refresh(mines.engine, columns.found.column).written == 20
    with mines.engine.connect() as connection:
        measured_rows(connection, subject)
    measured_sample(mines.engine, subject, embedder_for(NEW), count=3, told=lambda *_: None)
    with mines.engine.begin() as connection:
        jobs_now(connection)
        pause(connection, JOB, None)
        make(connection, Move.READY, JOB, None)
        make(connection, Move.SWAP, JOB, None, mode="pointer")
    with Session(mines.engine) as session:
        assert active(session, Reembedded.embedding).model == NEW


SETS_ITS_PATH = re.compile(r"CREATE OR REPLACE FUNCTION .* SET search_path = pg_catalog, pg_temp AS")
"""A function of a trigger that is run under a path of its own."""

WORK = pytest.mark.parametrize("work", [embedded, job_done])


@WORK
def test_no_statement_steps_on_a_mine_and_each_qualification_that_is_taken_away_is_found(database, work):
    safe, mines = database
    steps = work(safe, mines)
    next(steps)
    with mines.each_taken_away():
        next(steps, None)
    assert mines.stepped == {}
    assert {name for name, sql, _ in mines.safe_without if not SETS_ITS_PATH.match(sql)} == set()
    assert len(mines.names) >= 20
