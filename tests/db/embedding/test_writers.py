"""Writers of every kind beside eight workers: at the end each vector is that of its row's text, and nobody waited."""

from __future__ import annotations

import logging
import os
import random
import threading
from time import perf_counter

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from sqlalchemy_vecsearch import census, refresh
from sqlalchemy_vecsearch.embedding.work_table import work_table
from tests.db.embedding.embedded_models import Base, Document, wrong_rows

LOG = logging.getLogger(__name__)  # shown by -rP --log-level INFO

WRITES = int(os.environ.get("VECSEARCH_WRITES", "200"))
"""Each writer writes as often at the least; 8000 by hand take about a minute."""

SETTINGS = {"lock_timeout": "300ms", "deadlock_timeout": "100ms", "log_lock_waits": "on", "client_min_messages": "log"}
"""Of each writer. The server's clock says what is too long, which a client that waits for a core does not bend; and the
server says after a third of that time for whom is waited, so that a failure names its culprit."""

KEYS = 400
INSERT = "INSERT INTO document (id, title, body) SELECT i, 'new ' || :n, NULL FROM generate_series(:k, :k + 20) i"
FOUR = "WHERE id BETWEEN :k AND :k + 3 ORDER BY id"
STATEMENTS = {
    "insert": [f"{INSERT} ON CONFLICT (id) DO NOTHING"],
    # in the order of the keys, as the upsert: an application that deadlocks with itself waits for itself
    "update": [f"UPDATE document SET body = 'body ' || :n WHERE id IN (SELECT id FROM document {FOUR} FOR UPDATE)"],
    "update back": ["UPDATE document SET body = 'a' WHERE id = :k", "UPDATE document SET body = 'b' WHERE id = :k"],
    "upsert": [f"{INSERT} ON CONFLICT (id) DO UPDATE SET title = excluded.title"],
    "delete": ["DELETE FROM document WHERE id = :k"],
    "vector lost": ["UPDATE document SET embedding = NULL WHERE id = :k"],
    "foreign vector": ["UPDATE document SET embedding = '[1,1,1,1,1,1,1,1]', embedding_model = 'other' WHERE id = :k"],
    "replica": ["SET session_replication_role = replica", "UPDATE document SET title = 'quiet ' || :n WHERE id = :k"],
}
PACES = {"copy": 20, "truncate": 2000}
"""Writes of all others between two of this kind."""

KINDS = sorted({*PACES, *STATEMENTS})


HOLDERS = text(
    "SELECT a.application_name, a.state, a.query FROM unnest(pg_blocking_pids(:pid)) AS holder(pid)"
    " JOIN pg_stat_activity a USING (pid)"
)


class Progress:
    """What the writers have done, and whether they go on."""

    def __init__(self):
        self.changed = threading.Condition()
        self.writes = dict.fromkeys(KINDS, 0)
        self.longest = dict.fromkeys(KINDS, 0.0)
        self.errors = {}
        self.waits = []
        self.embedded = 0
        self.stopped = False

    def note(self, kind, seconds):
        with self.changed:
            self.writes[kind] += 1
            self.longest[kind] = max(self.longest[kind], seconds)
            self.changed.notify_all()

    def note_embedded(self, now):
        with self.changed:
            self.embedded = now.written
            self.changed.notify_all()

    def is_enough(self):
        return bool(self.errors) or (
            self.embedded > WRITES
            and all(count >= (2 if kind in PACES else WRITES) for kind, count in self.writes.items())
        )

    def wait_for_others(self, kind):
        """Wait until the others have written so often that it is this one's turn; return whether it is."""
        with self.changed:
            due = (self.writes[kind] + 1) * PACES[kind]
            self.changed.wait_for(lambda: self.stopped or sum(self.writes.values()) - self.writes[kind] >= due)
            return not self.stopped


class Writer(threading.Thread):
    """Writes in one way until it is stopped, with a limit of 300 ms on every wait for a lock."""

    def __init__(self, url, kind, progress):
        super().__init__(name=kind, daemon=True)
        self.engine = create_engine(url, connect_args={"application_name": kind})
        self.kind, self.progress = kind, progress
        self.random = random.Random(kind)

    def run(self):
        try:
            engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as connection, engine.connect() as self.witness:
                driver = connection.connection.driver_connection
                driver.add_notice_handler(self.note_wait)
                self.pid = driver.info.backend_pid
                for name, value in SETTINGS.items():
                    connection.execute(text(f"SET {name} = '{value}'"))
                while not self.progress.stopped:
                    if self.kind not in PACES or self.progress.wait_for_others(self.kind):
                        self.write(connection, self.random.randrange(1, KEYS), self.progress.writes[self.kind])
        except DBAPIError as error:
            with self.progress.changed:
                self.progress.errors[self.kind] = error
                self.progress.changed.notify_all()
        finally:
            self.engine.dispose()

    def note_wait(self, notice):
        """Note for whom this one waits when the server says that it does, which it says while it waits."""
        if "still waiting" in notice.message_primary:
            holders = self.witness.execute(HOLDERS, {"pid": self.pid}).all()
            self.progress.waits.append((self.kind, notice.context, holders))

    def write(self, connection, key, number):
        if self.kind == "copy":
            begin = perf_counter()
            cursor = connection.connection.driver_connection.cursor()
            with cursor.copy("COPY document (id, title, body) FROM STDIN") as copy:
                for place in range(20):
                    copy.write_row((1000 + number * 20 + place, f"copied {place}", "by COPY"))
            self.progress.note(self.kind, perf_counter() - begin)
            return
        for statement in STATEMENTS.get(self.kind, ["TRUNCATE document"]):
            values = {"k": key, "n": number} if ":k" in statement else {}
            begin = perf_counter()
            connection.execute(text(statement), values)
            self.progress.note(self.kind, perf_counter() - begin)


def run_once(url, engine):
    """Let all write beside eight workers until each has written enough; return what they have done."""
    stop, progress = threading.Event(), Progress()
    writers = [Writer(url, kind, progress) for kind in KINDS]
    done = []

    def follow():
        done.append(
            refresh(engine, Document.embedding, workers=8, follow=0.05, stop=stop, progress=progress.note_embedded)
        )

    workers = threading.Thread(target=follow, daemon=True)
    for one in (*writers, workers):
        one.start()
    with progress.changed:
        progress.changed.wait_for(progress.is_enough, timeout=90)
        progress.stopped = True
        progress.changed.notify_all()
    stop.set()
    for one in (*writers, workers):
        one.join(60)
    longest = {kind: round(seconds, 3) for kind, seconds in progress.longest.items()}
    LOG.info("%s writes, %s, longest in seconds: %s", sum(progress.writes.values()), done, longest)
    LOG.info("waits of more than a tenth of a second: %s", progress.waits)
    assert progress.is_enough(), (progress.writes, progress.embedded)
    assert progress.errors or done[0].written > WRITES
    return progress


def test_each_vector_is_that_of_its_text_and_no_write_waits(make_engine, tables, fill, calls):
    fill(KEYS)
    engine = make_engine("psycopg", pool_size=9, max_overflow=0, connect_args={"application_name": "worker"})
    done = run_once(tables.url, engine)
    assert not done.errors, (done.errors, done.waits)
    with tables.begin() as connection:  # the last writer may have been the one that truncates
        connection.execute(text(STATEMENTS["insert"][0]), {"k": 1, "n": "at the end"})
    refresh(engine, Document.embedding, workers=8)
    with tables.connect() as connection:
        assert wrong_rows(connection) == []
        assert census(connection, Document.embedding).pending == 0
        assert connection.scalar(text("SELECT count(*) FROM document")) > 0
        left = connection.execute(work_table(Base.metadata, None).select()).all()
    assert left == []
