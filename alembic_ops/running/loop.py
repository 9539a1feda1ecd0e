"""The loop of an operation: look at the catalog, decide on one step, take it, look again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeVar

from alembic_ops.errors import MigrationError
from alembic_ops.sql.steps import Finished, WaitForBuild, WaitForTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alembic_ops.operations import Operation
    from alembic_ops.sql.steps import Step

__all__ = ["take_steps"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")

_ROUNDS: Final = 10
"""How often the same step may be taken before the catalog is said not to obey."""

Found = TypeVar("Found")


def take_steps(
    operation: Operation,
    *,
    look: Callable[[], Found],
    decide: Callable[[Found, Sequence[Step]], Step],
    act: Callable[[Step, Found], bool],
) -> None:
    """Take steps until the catalog shows that an operation is true, whatever an earlier attempt has left behind.

    Args:
        operation: what is to be true, for people.
        look: reads what the next step depends on.
        decide: returns the next step, given what was found and which steps were taken until now. Pure.
        act: takes a step; returns False where it was not taken, and what it has left has to be looked at.

    Raises:
        MigrationError: the same step was taken again and again.
    """
    done: list[Step] = []
    not_taken: list[Step] = []
    while True:
        found = look()
        step = decide(found, done)
        if isinstance(step, Finished):
            _LOG.info("%s: %s", operation.describe(), step.remark or "done")
            return
        _refuse_to_circle(operation, step, [*done, *not_taken])
        (done if act(step, found) else not_taken).append(step)


def _refuse_to_circle(operation: Operation, step: Step, done: list[Step]) -> None:
    if isinstance(step, WaitForBuild | WaitForTable) or done.count(step) < _ROUNDS:
        return
    raise MigrationError(
        f"The server was asked {_ROUNDS} times to {operation.describe()}, and the catalog does not show it. "
        "Another session seems to undo each step, or holds the name for something that is no index. "
        "Find the other session in pg_stat_activity, stop it, and run the upgrade again."
    )
