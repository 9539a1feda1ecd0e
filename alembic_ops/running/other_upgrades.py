"""The lock by which whole upgrades of one database wait for each other."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from alembic_ops.errors import MigrationError, OperationArgumentError
from alembic_ops.running.session import refuse_pooler, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wait_for_other_upgrades"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")

_KEY: Final = int.from_bytes(b"vupgrade", "big")

_POLL: Final = 0.5
"""Seconds between two attempts: one that waited in one statement would hold a snapshot, which builds wait for."""

_NEVER_IDLE_FOR_TOO_LONG: Final = {"idle_session_timeout": "0"}

_TAKE: Final = text("SELECT pg_catalog.pg_try_advisory_lock(CAST(:key AS pg_catalog.int8))")
_GIVE_BACK: Final = text("SELECT pg_catalog.pg_advisory_unlock(CAST(:key AS pg_catalog.int8))")
_HOLDER: Final = text("""
SELECT l.pid FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) l.database
   AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
 WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted
   AND l.classid OPERATOR(pg_catalog.=) CAST(CAST(:high AS pg_catalog.int8) AS pg_catalog.oid)
   AND l.objid OPERATOR(pg_catalog.=) CAST(CAST(:low AS pg_catalog.int8) AS pg_catalog.oid)
   AND l.objsubid OPERATOR(pg_catalog.=) CAST(1 AS pg_catalog.int2)
 LIMIT 1
""")


@contextmanager
def wait_for_other_upgrades(connection: Connection) -> Iterator[None]:
    """Wait until no other process upgrades or downgrades the database, and let the others wait for the time of a block.

    Pods that start together all read the version of the database before one of them has changed it, and Alembic lets
    the first win and the others fail. In this block each reads it after the one before has finished, and finds nothing
    left to do. Costs a second connection from the engine of the first, which holds an advisory lock and no transaction:
    no build waits for it, and where the process is killed the lock goes with it.

    Args:
        connection: the connection of ``env.py``, in which nothing is executed. With an async engine it is the one that
            ``run_sync`` hands on.

    Raises:
        OperationArgumentError: the connection is an asynchronous one.
        MigrationError: the pool gives no second connection, or a pooler gives each statement another session.

    Example:
        >>> with connectable.connect() as connection:  # doctest: +SKIP
        ...     context.configure(connection=connection, target_metadata=target_metadata)
        ...     with alembic_ops.wait_for_other_upgrades(connection), context.begin_transaction():
        ...         context.run_migrations()
    """
    _require_synchronous(connection)
    with _second_connection(connection) as second, settings(second, _NEVER_IDLE_FOR_TOO_LONG):
        refuse_pooler(second)
        _take(second)
        try:
            yield
        finally:
            _give_back(second)


def _require_synchronous(connection: Connection) -> None:
    if isinstance(connection, Connection):
        return
    raise OperationArgumentError(
        f"alembic_ops.wait_for_other_upgrades() was given a {type(connection).__name__}. "
        "It waits as the migrations run: synchronously, in the function that run_sync() calls. "
        "Write it there, around context.begin_transaction(), with the connection that the function is given.",
        operation="wait_for_other_upgrades",
        argument="connection",
    )


@contextmanager
def _second_connection(connection: Connection) -> Iterator[Connection]:
    try:
        second = connection.engine.connect()
    except PoolTimeoutError as error:
        raise MigrationError(
            "The pool of env.py's engine gives no second connection to wait for other upgrades with. "
            "The lock needs one of its own, as that of the migrations begins and ends transactions. "
            "Make the engine with poolclass=pool.NullPool, as the template of Alembic does."
        ) from error
    with second:
        yield second.execution_options(isolation_level="AUTOCOMMIT")


def _take(connection: Connection) -> None:
    said: int | None = None
    high, low = divmod(_KEY, 2**32)
    while not connection.scalar(_TAKE, {"key": _KEY}):
        holder = connection.scalar(_HOLDER, {"high": high, "low": low})
        if holder not in (None, said):
            _LOG.info("process %s upgrades the database; waiting until it has finished", holder)
            said = holder
        time.sleep(_POLL)


def _give_back(connection: Connection) -> None:
    try:
        connection.execute(_GIVE_BACK, {"key": _KEY})
    except DBAPIError:
        _LOG.warning("The connection that let other upgrades wait is lost; another one may have begun beside this one.")
