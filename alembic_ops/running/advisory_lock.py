"""The advisory lock by which, of all processes that run operations, one at a time works on a table."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alembic_ops.errors import LockWaitError
from alembic_ops.running.locks import policy_of
from alembic_ops.running.progress import reporter
from sqlalchemy_vecsearch.observing.builds import follow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Row

    from alembic_ops.running.session import Session

__all__ = ["EXTENSION", "advisory_lock"]

EXTENSION: Final = 0
"""What the extension is to ``advisory_lock``, in the place of a table's oid."""

_LOG: Final = logging.getLogger("alembic.alembic_ops")

_SPACE: Final = int.from_bytes(b"vops", "big")
"""The first of the two numbers of our locks; the second one is the oid of the table."""

_POLL: Final = 0.25
"""Seconds between two attempts: a process that waited in one statement would hold a snapshot, which builds wait for."""

_KEY: Final = "CAST(:space AS pg_catalog.int4), CAST(CAST(:oid AS pg_catalog.oid) AS pg_catalog.int4)"
_TAKE: Final = text(f"SELECT pg_catalog.pg_try_advisory_lock({_KEY})")
_TAKE_IN_TRANSACTION: Final = text(f"SELECT pg_catalog.pg_try_advisory_xact_lock({_KEY})")
_GIVE_BACK: Final = text(f"SELECT pg_catalog.pg_advisory_unlock({_KEY})")
_HOLDER: Final = text("""
SELECT l.pid, COALESCE(s.state OPERATOR(pg_catalog.=) 'idle in transaction', false) AS idle,
       EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
                WHERE p.pid OPERATOR(pg_catalog.=) l.pid) AS builds,
       pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) ANY (pg_catalog.pg_blocking_pids(l.pid)) AS waits_for_us
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) l.database
   AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
  LEFT JOIN pg_catalog.pg_stat_activity s ON s.pid OPERATOR(pg_catalog.=) l.pid
 WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted
   AND l.classid OPERATOR(pg_catalog.=) CAST(CAST(:space AS pg_catalog.int4) AS pg_catalog.oid)
   AND l.objid OPERATOR(pg_catalog.=) CAST(:oid AS pg_catalog.oid)
   AND l.objsubid OPERATOR(pg_catalog.=) CAST(2 AS pg_catalog.int2)
 LIMIT 1
""")


@contextmanager
def advisory_lock(running: Session, oid: int | None, *, subject: str) -> Iterator[None]:
    """Wait until no other process runs an operation on a table, and let the others wait for the time of a block.

    PostgreSQL itself lets one concurrent build at a time work on a table, but a second one that has begun to wait holds
    a snapshot, for which the first waits in the end: the server calls it a deadlock, and throws one of the two away.
    The turn ends with the block, in a transaction with the transaction, and with the process where it is killed. A
    process that itself waits for this one is not waited for.

    Args:
        running: the session of the operation.
        oid: the table, EXTENSION for the extension, None for a table that is not there, which nobody waits for.
        subject: what the turn is for, such as "the table 'document'", for people.

    Raises:
        LockWaitError: another process had its turn in a transaction, and did nothing in it up to the deadline.
    """
    if oid is None:
        yield
        return
    key = {"space": _SPACE, "oid": oid}
    taken = _take(running, key, subject)
    try:
        yield
    finally:
        if taken and not running.in_transaction and not running.connection.invalidated:
            with suppress(DBAPIError):  # the session is gone, and its turn with it
                running.connection.execute(_GIVE_BACK, key)


def _take(running: Session, key: dict[str, int], subject: str) -> bool:
    """Return whether the turn was taken, False where its holder waits for this process."""
    connection = running.connection
    take = _TAKE_IN_TRANSACTION if running.in_transaction else _TAKE
    deadline = policy_of(running.options).deadline
    said: int | None = None
    busy = time.monotonic()
    while not connection.scalar(take, key):
        holder = _holder(connection, key)
        if holder is None:
            _require_time_left(time.monotonic() - busy, deadline, subject)
            continue
        if holder.waits_for_us:
            return False
        if holder.pid != said:
            _LOG.info("process %s is at work on %s; waiting until it has finished", holder.pid, subject)
            said = holder.pid
        if not holder.idle:
            busy = time.monotonic()
        if holder.builds:
            with reporter(running.options) as report:
                follow(connection, pid=holder.pid, index=f"process {holder.pid}", report=report)
        if time.monotonic() - busy > deadline:
            raise LockWaitError(
                f"Process {holder.pid} runs an operation on {subject}, and has done nothing for {deadline:g} s. "
                "Its transaction is open, so that nobody else can know what it will leave behind. "
                "End it, by Ctrl-C or by pg_terminate_backend(), and run the upgrade again.",
                table_name=subject,
                attempts=1,
            )
        time.sleep(_POLL)
    return True


def _require_time_left(waited: float, deadline: float, subject: str) -> None:
    """Let a turn that was given back meanwhile be asked for at once, but not for ever."""
    if waited > deadline:
        raise LockWaitError(
            f"The turn on {subject} was not given for {deadline:g} s, though no process is seen that has it. "
            "Each operation takes an advisory lock of its session, which a pooler in transaction mode loses. "
            "Give the migrations a connection of their own to the server, and run the upgrade again.",
            table_name=subject,
            attempts=1,
        )


def _holder(connection: Connection, key: dict[str, int]) -> Row[tuple[int, bool, bool, bool]] | None:
    """Return who has the turn, None where it was given back meanwhile."""
    return connection.execute(_HOLDER, key).one_or_none()
