"""Who stands in the way of an operation: other sessions, each of which holds something until it is closed."""

from __future__ import annotations

import threading
from contextlib import contextmanager

HOLDS_TABLE = (
    "SELECT 1 FROM pg_locks WHERE relation = %(leaf)s::regclass AND mode = 'ShareUpdateExclusiveLock' AND granted"
)
LOADING = "building index: loading tuples"
SCANNING = "index validation: scanning table"


def session(*statements):
    """Let a session run some statements and hold what they take; `{leaf}` is the table or its first partition."""

    @contextmanager
    def hold(scene):
        with scene.session() as connection:
            for statement in statements:
                connection.execute(statement.format(leaf=scene.layout.leaf))
            yield

    return hold


def gate(phase, *, last=False):
    """Close the gate at which a build waits in a phase: in the first partition, or in the last."""

    @contextmanager
    def hold(scene):
        with scene.session() as connection:
            key = f"{scene.layout.last if last else 7}{phase}"
            connection.execute("SELECT pg_advisory_lock(hashtext(%s))", [key])
            yield

    return hold


@contextmanager
def vacuum(scene):
    """Hold a VACUUM in the middle: it has the table, and waits for an index of it."""
    index = session("BEGIN", "ALTER INDEX stranger SET TABLESPACE pg_default")
    with at_work(scene, f"VACUUM {scene.layout.leaf}", until=index):
        yield


@contextmanager
def another_build(scene):
    """Hold the build of somebody else's index in the middle."""
    scene.others.append("other")
    leaf = scene.layout.leaf
    build = f"CREATE INDEX CONCURRENTLY other ON {leaf} USING hnsw (embedding vector_l2_ops) WHERE gate(id)"
    with at_work(scene, build, until=gate(LOADING)):
        yield


@contextmanager
def at_work(scene, statement, *, until):
    """Let a statement take the table beside the test, and hold it up until the end of the block."""
    background = threading.Thread(target=scene.run, args=(statement,))
    with until(scene):
        background.start()
        scene.until(HOLDS_TABLE, leaf=scene.layout.leaf)
        yield
    background.join(timeout=60)


WRITER = session("BEGIN", "UPDATE {leaf} SET lang = 'fr' WHERE id = 1")
WRITER_OF_THE_WHOLE = session("BEGIN", "UPDATE document SET lang = 'fr' WHERE id = 1")
LOCKED_TABLE = session("BEGIN", "LOCK TABLE {leaf} IN SHARE ROW EXCLUSIVE MODE")
READER = session("BEGIN", "SELECT count(*) FROM document")
READER_OF_THE_WHOLE = session("BEGIN", "LOCK TABLE ONLY document IN ACCESS SHARE MODE")
SNAPSHOT = session("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM document")


def uses_index(name):
    """Hold an index as whoever changes it does, with a lock that no reader and no writer notices."""
    return session("BEGIN", f"COMMENT ON INDEX {name} IS 'somebody looks at it'")
