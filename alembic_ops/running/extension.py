"""Runs the operations on the vector extension, inside the migration's transaction."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from alembic_ops.catalog.indexes import installed_extension
from alembic_ops.offline.extension import extension_script
from alembic_ops.offline.search_path import FindsVectors
from alembic_ops.planning.extension import ExtensionOperation, extension_step
from alembic_ops.running.advisory_lock import EXTENSION, advisory_lock
from alembic_ops.running.loop import take_steps
from alembic_ops.running.session import Session, print_script, session
from alembic_ops.sql.steps import ChangeExtension, Step

if TYPE_CHECKING:
    from alembic.operations import Operations

    from alembic_ops.catalog.indexes import InstalledExtension

__all__ = ["perform_extension_operation"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


def perform_extension_operation(operations: Operations, operation: ExtensionOperation) -> None:
    """Make an operation on the vector extension true."""
    context = operations.migration_context
    if context.as_sql:
        print_script(operations, extension_script(operation), in_transaction=True)
        if isinstance(context.impl, FindsVectors):
            context.impl.find_vectors()  # the look at the head of the transaction has found none
        return
    with (
        session(operations, operation, in_transaction=True) as running,
        advisory_lock(running, EXTENSION, subject="the vector extension"),
    ):
        take_steps(
            operation,
            look=partial(installed_extension, running.connection),
            decide=partial(extension_step, operation),
            act=partial(_act, running),
        )


def _act(running: Session, step: Step, found: InstalledExtension) -> bool:
    """Take a step; return False where another process has changed the extension since we looked.

    One that is none of ours takes no turns: the server makes us wait for its transaction, and then refuses.
    """
    assert isinstance(step, ChangeExtension), "the extension has no other steps"
    _LOG.info("%s", step.sql)
    try:
        with running.connection.begin_nested():
            running.execute(step.sql)
    except DBAPIError as error:
        if error.connection_invalidated or installed_extension(running.connection) == found:
            raise
        _LOG.info("another process was faster; looking again")
        return False
    return True
