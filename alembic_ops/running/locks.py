"""Short locks: asked for with a time limit and again after a pause, so that nobody queues behind us for long."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alembic_ops.errors import LockWaitError, OperationArgumentError
from alembic_ops.running.autovacuum import send_autovacuum_away
from sqlalchemy_vecsearch.sqlstates import sqlstate_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

__all__ = ["LockPolicy", "pause_before", "policy_of", "with_short_lock"]

RETRIED: Final = frozenset({"55P03", "40P01"})
"""Lock not available, and deadlock detected."""

_SET: Final = text("SELECT pg_catalog.set_config('lock_timeout', :value, :local)")
_NO_TIMEOUT: Final = "0"
"""What ``session`` has set ``lock_timeout`` to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPolicy:
    """How long one attempt waits, and how long all attempts together take, both in seconds."""

    timeout: float = 0.25
    deadline: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.timeout <= self.deadline:
            raise OperationArgumentError(
                f"vector_lock_timeout={self.timeout!r} and vector_lock_deadline={self.deadline!r} do not go together. "
                "One attempt takes more than 0 seconds, and no longer than all of them. "
                "Write vector_lock_timeout=0.25, vector_lock_deadline=60, for example.",
                operation="context.configure",
                argument="vector_lock_timeout",
            )


def policy_of(options: Mapping[str, object]) -> LockPolicy:
    """Return the policy that ``context.configure(vector_lock_timeout=, vector_lock_deadline=)`` asks for."""
    default = LockPolicy()
    timeout = options.get("vector_lock_timeout", default.timeout)
    deadline = options.get("vector_lock_deadline", default.deadline)
    assert isinstance(timeout, int | float), "seconds"
    assert isinstance(deadline, int | float), "seconds"
    return LockPolicy(timeout=timeout, deadline=deadline)


def pause_before(attempt: int, fraction: float) -> float:
    """Return the seconds to wait before an attempt: growing to two seconds, and spread so that two runs never march.

    Args:
        attempt: 1 for the second attempt.
        fraction: a random number from 0 to 1.
    """
    longest: float = min(2.0, 0.1 * 2.0**attempt)
    return longest * (0.5 + fraction / 2)


def with_short_lock(
    connection: Connection,
    act: Callable[[], None],
    *,
    table_name: str,
    table: str,
    policy: LockPolicy,
    in_transaction: bool,
) -> None:
    """Run something that takes a strong lock for a moment, again and again until it has it.

    An autovacuum of the table is sent away first, which such a lock would never get past.

    Args:
        connection: the connection that ``act`` uses, in a ``session``.
        act: one statement, or several in the transaction of the connection.
        table_name: the table, for the error.
        table: its name with its schema, quoted.
        policy: how long to wait.
        in_transaction: whether the connection is in a transaction, which a savepoint then keeps alive.

    Raises:
        LockWaitError: the deadline has passed.
    """
    end = time.monotonic() + policy.deadline
    attempt = 0
    milliseconds = f"{max(1, round(policy.timeout * 1000))}ms"
    while True:
        attempt += 1
        send_autovacuum_away(connection, table, in_transaction=in_transaction)
        try:
            _attempt(connection, act, milliseconds, in_transaction=in_transaction)
        except DBAPIError as error:
            if sqlstate_of(error.orig) not in RETRIED:
                raise
            pause = pause_before(attempt, random.random())  # noqa: S311  # spreads retries, keeps no secret
            if time.monotonic() + pause > end:
                raise LockWaitError(
                    f"The table {table_name!r} could not be locked within {policy.deadline:g} s ({attempt} attempts). "
                    "Another session held it each time, and to wait longer would have made others wait too. "
                    "See who it is by `vecsearch why-waiting`, and run it again.",
                    table_name=table_name,
                    attempts=attempt,
                ) from error
            time.sleep(pause)
        else:
            return


def _attempt(connection: Connection, act: Callable[[], None], timeout: str, *, in_transaction: bool) -> None:
    if in_transaction:
        with connection.begin_nested():
            connection.execute(_SET, {"value": timeout, "local": True})
            act()
            connection.execute(_SET, {"value": _NO_TIMEOUT, "local": True})
        return
    connection.execute(_SET, {"value": timeout, "local": False})
    try:
        act()
    finally:
        if not connection.invalidated:
            connection.execute(_SET, {"value": _NO_TIMEOUT, "local": False})
