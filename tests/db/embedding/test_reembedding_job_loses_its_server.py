"""A job of re-embedding loses its connection, or its server, at a statement: run again, it comes to the same end."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import NullPool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

from alembic_ops.errors import MigrationError
from sqlalchemy_vecsearch import embedder
from sqlalchemy_vecsearch.testing.databases import Databases
from tests.db.embedding.embedded_models import digits
from tests.db.embedding.reembedded_models import NEW, OLD, begun, old_digits
from tests.db.embedding.test_reembedding_job import UNDISTURBED, end_of, work

SOME = (30, 75, 120)
EACH_SEVENTH = tuple(range(1, 180, 7))


@pytest.fixture
def job(own_server):
    """Give an engine on a database with 60 rows and a job that has begun, on a server that may stop."""
    embedder(NEW, dimensions=8, batch_size=8)(digits)
    embedder(OLD, dimensions=4)(old_digits)
    with Databases(own_server.url()) as databases:
        url = databases.create()
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
        begun(engine, rows=60)
        yield engine
        engine.dispose()
        databases.drop(url)


def end_connection(server, pid):
    address = make_url(server.url()).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))


def stop_at_once(server, pid):
    del pid
    server.restart()


def run_until(engine, at, end):
    """Run the job, and call `end(pid)` before its statement of this number; return whether it came that far."""
    count, was_hit = 0, False

    def reached(connection, cursor, *_):
        nonlocal count, was_hit
        count += 1
        if count == at:
            was_hit = True
            end(cursor.connection.info.backend_pid)

    event.listen(engine, "before_cursor_execute", reached)
    try:
        work(engine)
    except (DBAPIError, MigrationError):
        assert was_hit
    finally:
        event.remove(engine, "before_cursor_execute", reached)
    return was_hit


@pytest.mark.parametrize(
    "statements", [SOME, pytest.param(EACH_SEVENTH, marks=pytest.mark.slow)], ids=["some", "each seventh"]
)
@pytest.mark.parametrize("end", [end_connection, stop_at_once])
def test_run_again_it_comes_to_the_same_end(own_server, job, end, statements):
    hits = [run_until(job, at, lambda pid: end(own_server, pid)) for at in statements]
    assert hits.count(True) >= 2
    work(job)
    assert end_of(job) == UNDISTURBED
