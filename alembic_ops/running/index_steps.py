"""Single steps on an index: the wait for others, and a statement, which others may have overtaken."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from alembic_ops.running.progress import reporter
from alembic_ops.sql.statements import statement
from alembic_ops.sql.steps import (
    AttachIndex,
    BuildIndex,
    BuildPendingIndex,
    DropIndex,
    ReindexIndex,
    RenameIndex,
    ServerStep,
    Step,
    WaitForBuild,
    WaitForTable,
)
from sqlalchemy_vecsearch.observing.builds import follow
from sqlalchemy_vecsearch.sqlstates import sqlstate_of

if TYPE_CHECKING:
    from alembic_ops.running.session import Session

__all__ = ["IndexSteps", "execute_step", "is_short", "overtaken", "wait_for_others"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")

_POLL: Final = 0.25
"""Seconds between two looks at what another process is at."""


def wait_for_others(running: Session, step: WaitForBuild | WaitForTable, *, again: bool) -> None:
    """Follow the build of another process to its end; the catalog may show it for a moment longer."""
    if again:
        time.sleep(_POLL)
    elif isinstance(step, WaitForTable):
        _LOG.info("process %s is at work on the table %r; waiting until it has finished", step.process, step.table_name)
    else:
        _LOG.info("process %s is at work on the index %r; waiting until it has finished", step.builder, step.name)
        with reporter(running.options) as report:
            follow(running.connection, pid=step.builder, index=step.name, report=report)


def is_short(step: ServerStep) -> bool:
    """Say whether a step takes a strong lock for a moment, rather than a weak one for long."""
    if isinstance(step, BuildIndex | BuildPendingIndex):
        return step.only
    if isinstance(step, DropIndex):
        return not step.concurrently
    return isinstance(step, RenameIndex | AttachIndex)


def execute_step(running: Session, step: ServerStep) -> None:
    """Run the statement of a step."""
    sql = statement(step)
    _LOG.info("%s", sql)
    running.connection.execute(sql)


def overtaken(step: ServerStep) -> frozenset[str]:
    """Return the errors of a step that another process, which took no turn, has taken since we looked.

    In a transaction each step has a savepoint, which they end.
    """
    if isinstance(step, BuildIndex | BuildPendingIndex):
        return frozenset({"42P07", "23505"})  # there is one of that name, and it was committed while we waited for it
    if isinstance(step, DropIndex | RenameIndex | ReindexIndex):
        return frozenset({"42704", "42P01"})  # there is none of that name any more
    return frozenset()


class IndexSteps:
    """What takes the steps on indexes of an operation, and looks again where others were faster."""

    def __init__(self, running: Session, table_name: str, schema: str | None) -> None:
        self.running = running
        self.table_name = table_name
        self.schema = schema
        self.waited_for: Step | None = None

    def __call__(self, step: ServerStep | WaitForBuild | WaitForTable) -> bool:
        """Take a step; return False where it was not taken, and what it has left has to be looked at."""
        if isinstance(step, WaitForBuild | WaitForTable):
            wait_for_others(self.running, step, again=step == self.waited_for)
            self.waited_for = step
            return True
        self.waited_for = None
        execute = partial(execute_step, self.running, step)
        try:
            if is_short(step):
                self.running.shortly(execute, table_name=self.table_name, schema=self.schema)
            else:
                execute()
        except DBAPIError as error:
            code = sqlstate_of(error.orig)
            if code not in overtaken(step) and code != "40P01":
                raise
            _LOG.info("another process was faster, or both waited for each other; looking again")
            return False
        return True
