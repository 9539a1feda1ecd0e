"""How long the locks of an exchange of names make others wait, and how long the least that one can do would."""

from __future__ import annotations

from contextlib import contextmanager
from time import perf_counter

from sqlalchemy import event

WISHED = 50.0
"""Milliseconds that the lock may be held on two quiet cores, where 5 to 12 were measured."""

TABLE = "CREATE TABLE IF NOT EXISTS exchanged (id int PRIMARY KEY, a int, b int)"
LEAST = """DO $$ BEGIN LOCK TABLE exchanged IN ACCESS EXCLUSIVE MODE;
ALTER TABLE exchanged RENAME a TO c; ALTER TABLE exchanged RENAME b TO a; ALTER TABLE exchanged RENAME c TO b;
END $$"""


@contextmanager
def noted_locks(engine):
    """Give a list of milliseconds, from the question for the lock, behind which others queue, to the end of COMMIT."""
    found, began = [], []

    def before(_connection, _cursor, statement, *_):
        if "ACCESS EXCLUSIVE" in statement and "exchanged" not in statement:
            began[:] = [perf_counter()]

    def after(_connection, _cursor, statement, *_):
        if statement == "COMMIT" and began:
            found.append(1000 * (perf_counter() - began.pop()))
        elif statement == "ROLLBACK":
            began.clear()

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)


def least_lock(engine):
    """Return the milliseconds that an exchange of two names on an empty table takes now, as the machine is."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(TABLE)
        connection.exec_driver_sql("BEGIN")
        begin = perf_counter()
        connection.exec_driver_sql(LEAST)
        connection.exec_driver_sql("COMMIT")
        return 1000 * (perf_counter() - begin)


def assert_short(locks, least):
    """Assert that the median is as wished, or in proportion where the machine itself is slower than that."""
    median, usual = sorted(locks)[len(locks) // 2], sorted(least)[len(least) // 2]
    assert median < max(WISHED, 6 * usual), (sorted(locks), sorted(least))
