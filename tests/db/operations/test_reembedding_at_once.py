"""The operations on a job while others are at work: an application, a second runner, a build of the same index."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import psycopg
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import make_url, text

import alembic_ops  # noqa: F401  # registers the operations
from sqlalchemy_vecsearch import VECTOR
from sqlalchemy_vecsearch.embedding.journal_moves import Move, make
from sqlalchemy_vecsearch.testing import start_embedded_server
from tests.db.operations.lock_times import assert_short, least_lock, noted_locks
from tests.db.operations.reembedding_jobs import PROVENANCE, TABLE, Job

BEGIN = {
    "table_name": "document", "source": ["title", "body"], "live": "embedding", "new": sa.Column("embedding_v2", VECTOR(3)),
    "model": "new", "index": {"with_": {"m": 8}},
}  # fmt: skip
PENDING = "ix_document_embedding_v2_pending"


@pytest.fixture
def job(vecsearch_url):
    found = Job(vecsearch_url)
    found.execute(TABLE, PROVENANCE, "ALTER TABLE document ADD COLUMN seen int NOT NULL DEFAULT 0")
    yield found
    found.engine.dispose()


@pytest.fixture
def connect(vecsearch_url):
    """Give connections of an application, which says what it is."""
    address = make_url(str(vecsearch_url)).set(drivername="postgresql").render_as_string(hide_password=False)
    return lambda **options: psycopg.connect(address, prepare_threshold=None, **options)


def run(job, operation, *arguments, **keywords):
    with job.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        with context.begin_transaction():
            return getattr(Operations(context), operation)(*arguments, **keywords)


def fill(job):
    job.execute(
        "UPDATE document SET embedding_v2 = embedding, embedding_v2_model = 'new', embedding_v2_embedded_at = now(),"
        " embedding_v2_source_hash = md5(title || E'\\n' || coalesce(body, ''))",
        "CREATE INDEX IF NOT EXISTS ix_document_embedding_v2 ON document USING hnsw (embedding_v2 vector_cosine_ops)",
    )
    with job.engine.begin() as connection:
        make(connection, Move.READY, "j", None, verification={})


class Application(threading.Thread):
    """Reads, and then writes in the same transaction, and inserts by the name of the live column alone."""

    def __init__(self, connect, number):
        super().__init__(daemon=True)
        self.connection = connect()
        self.number = number
        self.end = threading.Event()
        self.done = 0
        self.error = None

    def run(self):
        try:
            while not self.end.is_set():
                self.request()
                self.done += 1
        except Exception as error:  # noqa: BLE001  # the test says that there is none
            self.error = error

    def request(self):
        with self.connection.transaction():
            cursor = self.connection.execute("SELECT id FROM document WHERE id = %s", [1 + self.done % 50])
            (key,) = cursor.fetchone()
            self.connection.execute("UPDATE document SET seen = seen + 1 WHERE id = %s", [key])
        with self.connection.transaction():
            new = 1_000_000 * self.number + self.done
            self.connection.execute(
                "INSERT INTO document (id, title, embedding) VALUES (%s, %s, '[1,2,3]')", [new, f"title {new}"]
            )


@contextmanager
def applications(connect, count):
    running = [Application(connect, number + 1) for number in range(count)]
    for one in running:
        one.start()
    try:
        yield running
    finally:
        for one in running:
            one.end.set()
            one.join(60)
            one.connection.close()
    assert [one.error for one in running] == [None] * count
    assert not any(one.is_alive() for one in running)


def test_an_application_that_reads_and_then_writes_goes_on_from_begin_to_finish(job, connect):
    least = []
    with applications(connect, 3) as running:
        run(job, "begin_reembedding", "j", **BEGIN)
        fill(job)
        with noted_locks(job.engine) as locked:
            for _ in range(3):
                least.append(least_lock(job.engine))
                run(job, "swap_embedding", "j", mode="rename", max_pending=10_000)
                run(job, "swap_embedding_back", "j", allow_stale=True)
            run(job, "swap_embedding", "j", mode="rename", max_pending=10_000)
        run(job, "finish_reembedding", "j")
        done = [one.done for one in running]
        assert all(done)
    (total,) = job.rows("SELECT sum(seen) FROM document")[0]
    assert total == sum(one.done for one in running), "no update is lost"
    assert len(locked) == 7
    assert_short(locked, least)


def both(job, *call, **keywords):
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(run, job, *call, **keywords) for _ in range(2)]:
            future.result(timeout=100)


def test_of_two_runners_at_once_each_ends_well_and_the_work_is_done_once(job):
    both(job, "begin_reembedding", "j", **BEGIN)
    fill(job)
    both(job, "swap_embedding", "j", mode="rename")
    assert job.rows("SELECT DISTINCT embedding_model FROM document") == [("new",)]
    both(job, "swap_embedding_back", "j")
    assert job.rows("SELECT DISTINCT embedding_model FROM document") == [("old",)]
    both(job, "swap_embedding", "j", mode="pointer")
    both(job, "finish_reembedding", "j")
    assert "embedding" not in job.columns()
    assert job.found().state == "finished"


def test_a_begin_replaces_what_a_broken_build_has_left(job, connect):
    run(job, "begin_reembedding", "j", **BEGIN)
    wished = job.indexes()[PENDING]
    with connect(autocommit=True) as writer, connect(autocommit=True) as builder:
        builder.execute(f"DROP INDEX {PENDING}")
        writer.execute("BEGIN")
        writer.execute("UPDATE document SET seen = 1 WHERE id = 1")
        builder.execute("SET statement_timeout = 300")
        with pytest.raises(psycopg.errors.QueryCanceled):
            builder.execute(wished[0].replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY"))
        writer.execute("COMMIT")
    assert job.indexes()[PENDING][1] is False
    run(job, "begin_reembedding", "j", **BEGIN)
    assert job.indexes()[PENDING] == wished


def test_a_begin_waits_for_the_build_of_another_process(job, connect):
    run(job, "begin_reembedding", "j", **BEGIN)
    wished = job.indexes()[PENDING]
    with connect(autocommit=True) as writer, connect(autocommit=True) as builder, ThreadPoolExecutor(2) as pool:
        builder.execute(f"DROP INDEX {PENDING}")
        writer.execute("BEGIN")
        writer.execute("UPDATE document SET seen = 1 WHERE id = 1")
        build = pool.submit(builder.execute, wished[0].replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY"))
        until(job, f"SELECT 1 FROM pg_class WHERE relname = '{PENDING}'")
        again = pool.submit(run, job, "begin_reembedding", "j", **BEGIN)
        here = "(SELECT oid FROM pg_database WHERE datname = current_database())"
        until(job, f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = {here}")
        writer.execute("COMMIT")
        build.result(timeout=60)
        again.result(timeout=60)
    assert job.indexes()[PENDING] == wished


def until(job, question):
    """Ask until there is an answer, for at most a minute."""
    with job.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for _ in range(6000):
            if connection.execute(text(question)).first() is not None:
                return
            connection.execute(text("SELECT pg_sleep(0.01)"))
    raise AssertionError(question)


def test_an_index_of_another_condition_is_built_anew(job):
    run(job, "begin_reembedding", "j", **BEGIN)
    wished = job.indexes()[PENDING]
    job.execute(f"DROP INDEX {PENDING}", f"CREATE INDEX {PENDING} ON document (id) WHERE seen > 3")
    run(job, "begin_reembedding", "j", **BEGIN)
    assert job.indexes()[PENDING] == wished


def test_a_row_without_text_leaves_the_name_nullable_and_is_named(job, caplog):
    job.execute("INSERT INTO document (id, title, embedding) VALUES (1000, '', '[1,2,3]')")
    run(job, "begin_reembedding", "j", **BEGIN)
    fill(job)
    job.execute(
        "UPDATE document SET embedding_v2 = NULL, embedding_v2_source_hash = NULL, embedding_v2_model = NULL WHERE id = 1000"
    )
    caplog.set_level("WARNING", "alembic.alembic_ops")
    run(job, "swap_embedding", "j", mode="rename")
    assert "The column 'embedding' of 'document' was NOT NULL, and 1 rows have no value" in caplog.text
    assert job.columns()["embedding"] == ("vector(3)", False)
    assert job.found().required == ("embedding",)
    job.execute("UPDATE document SET embedding = '[1,2,3]' WHERE id = 1000")
    run(job, "swap_embedding", "j", mode="rename")
    assert job.columns()["embedding"] == ("vector(3)", True)
    assert job.found().required == ()


def test_refusals_of_the_worker_follow_the_column_that_they_speak_of(job):
    run(job, "begin_reembedding", "j", **BEGIN)
    fill(job)
    job.execute(
        "INSERT INTO vecsearch_embedding_work (target, row_key, model, attempts) VALUES"
        " ('document.embedding', '[1]', 'old', 1), ('document.embedding_v2', '[1]', 'new', 2)"
    )
    told = "SELECT target, model FROM vecsearch_embedding_work ORDER BY 2"
    before = job.rows(told)
    run(job, "swap_embedding", "j", mode="rename")
    assert job.rows(told) == [("document.embedding", "new"), ("document.embedding_v2", "old")]
    run(job, "swap_embedding_back", "j")
    assert job.rows(told) == before
    run(job, "swap_embedding", "j", mode="rename")
    run(job, "finish_reembedding", "j")
    assert job.rows(told) == [("document.embedding", "new")]


@pytest.mark.slow
def test_an_autovacuum_gives_way_to_every_operation_with_a_short_lock():
    operations = {
        "add_embedding_column": (("document", sa.Column("more", VECTOR(3))), {}),
        "swap_embedding_columns": (("document",), {"live": "other", "replacement": "more"}),  # in a transaction
        "alter_embedding_type": (("document", "more"), {"existing_type": VECTOR(3), "type_": VECTOR()}),
        "begin_reembedding": (("j",), BEGIN),
        "swap_embedding": (("j",), {"mode": "rename", "max_pending": 5000}),
        "swap_embedding_back": (("j",), {"allow_stale": True}),
    }
    server = start_embedded_server(settings={"autovacuum_naptime": "1s"})
    job = Job(server.url())
    try:
        job.execute(
            "CREATE EXTENSION vector", TABLE, PROVENANCE, "ALTER TABLE document ADD COLUMN seen int NOT NULL DEFAULT 0, ADD other vector(3)",
            "INSERT INTO document (id, title, embedding) SELECT i, '', '[1,2,3]' FROM generate_series(1001, 3000) i",
            "ALTER TABLE document SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,"
            " autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)",
        )  # fmt: skip
        for name, (arguments, keywords) in operations.items():
            if name == "swap_embedding":
                fill(job)
            job.execute("UPDATE document SET seen = seen + 1")  # an autovacuum of it takes minutes
            until(
                job,
                "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE '%document%'",
            )
            began = monotonic()
            run(job, name, *arguments, **keywords)
            assert monotonic() - began < 30, name
        assert job.found().state == "ready"
    finally:
        job.engine.dispose()
        server.stop()
