"""Columns that exchange their names at each statement of a runner that knows them by the names of before."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, suppress
from itertools import count
from threading import Thread

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import event

import alembic_ops
from alembic_ops.errors import LockWaitError
from sqlalchemy_vecsearch import HNSW, VECTOR, embedder
from sqlalchemy_vecsearch.embedding.jobs import jobs_now
from tests.db.embedding.embedded_models import digits
from tests.db.operations.reembedding_jobs import PROVENANCE, TABLE, Job

JOB, NEW = "j", "digits-8"
WAIVED = {"waive": ["overlap", "latency", "pending"], "sample": 2, "vector_progress": "none"}
AT_ONCE = {"vector_lock_timeout": 0.05, "vector_lock_deadline": 0.06, "vector_progress": "none"}


@pytest.fixture(params=["", PROVENANCE], ids=["live without provenance", "live with provenance"])
def ready(request, vecsearch_url):
    """A job that is ready; without provenance of its own the former column leads to nothing by the new one's name."""
    embedder(NEW, dimensions=8, batch_size=64)(digits)
    job = Job(vecsearch_url)
    job.execute(TABLE, *filter(None, [request.param]))
    operation(job, "begin_reembedding", JOB, table_name="document", source=["title", "body"], live="embedding",
              new=sa.Column("embedding_v2", VECTOR(8)), model=NEW, index=HNSW())  # fmt: skip
    assert alembic_ops.reembed(job.engine, JOB, **WAIVED).state == "ready"
    yield job
    job.engine.dispose()


def operation(job, name, *arguments, **keywords):
    with job.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=AT_ONCE)
        with context.begin_transaction():
            getattr(Operations(context), name)(*arguments, **keywords)


@contextmanager
def before_statement(engine, number, act):
    """Do something once, before the statement of this number of an engine; give how many there have been."""
    seen = []

    def note(*_):
        seen.append(None)
        if len(seen) == number:
            act()

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def exchanged_at(job, runner, number, work):
    """Do a runner's work, and exchange the names before one of its statements; say when that was done.

    Where the runner holds the lock, the exchange is refused, or waits for the end of what the runner does there. What
    has to be done after it, such as a NOT NULL, may be refused for the same reason.
    """

    def exchange():
        with suppress(LockWaitError):
            operation(job, "swap_embedding", JOB, mode="rename", max_pending=10)

    other, moment = Thread(target=exchange), []

    def begin():
        other.start()
        other.join(5)  # it is refused or done long before, but for the few that wait for the runner
        moment.append("beside" if other.is_alive() else "before")

    with before_statement(runner, number, begin) as seen:
        result = work()
    if other.ident is not None:
        other.join(60)
        assert not other.is_alive()
    return result, moment[0] if job.found().renamed else "never", len(seen) < number


def each_statement(job, runner, work, stride=1):
    """Let the names be exchanged before each statement in turn, or some of them; give (its number, what the runner said, when)."""
    for number in count(1, stride):
        job.execute(f"UPDATE document SET body = 'edited {number}' WHERE id = 7")
        result, moment, is_over = exchanged_at(job, runner, number, work)
        if is_over:
            assert number > 3 * stride, "it has statements"
            return
        yield number, result, moment
        if moment != "never":
            operation(job, "swap_embedding_back", JOB, allow_stale=True)


def pending_rows(job):
    """Return the rows whose vector of the new model is not that of their text, whatever its column is called now."""
    named = "embedding" if job.found().renamed else "embedding_v2"
    right = f"md5(concat(title, E'\\n', body)) = {named}_source_hash AND {named}_model = '{NEW}'"
    return job.rows(f"SELECT count(*) FROM document WHERE ({right}) IS NOT TRUE")[0][0]


@pytest.mark.parametrize("stride", [23, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_ends_well_and_counts_the_rows_of_its_own_column(ready, stride):
    runner = sa.create_engine(ready.engine.url)
    moments = Counter()
    for number, result, moment in each_statement(
        ready, runner, lambda: alembic_ops.reembed(runner, JOB, **WAIVED), stride
    ):
        moments[moment] += 1
        assert result.state in {"never": ["ready"], "before": ["swapped"], "beside": ["ready", "swapped"]}[moment], (
            number
        )
        assert result.pending == pending_rows(ready) <= 1, number
    assert moments["before"] > 20 / stride, "the runner lets others exchange names between its statements"
    runner.dispose()


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_status_counts_the_rows_of_the_job_s_own_column(ready, stride):
    reader = sa.create_engine(ready.engine.url)

    def look():
        with reader.connect() as connection:
            return jobs_now(connection)[0]

    moments = Counter()
    for number, found, moment in each_statement(ready, reader, look, stride):
        moments[moment] += 1
        assert (found.problem, found.pending) == (None, 1), number
    assert moments["before"]
    reader.dispose()
