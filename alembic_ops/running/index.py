"""Runs the operations on vector indexes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy.exc import DBAPIError

from alembic_ops.catalog.normalize import Refusal, normal_form
from alembic_ops.catalog.server import may_create_temporary_tables
from alembic_ops.catalog.tables import observe
from alembic_ops.model.index_state import IndexState
from alembic_ops.offline.index import index_script
from alembic_ops.operations import CreateVectorIndexOp, RebuildVectorIndexOp, SwapVectorIndexOp
from alembic_ops.planning.next_step import IndexOperation, names_that_matter, next_step
from alembic_ops.planning.server_versions import refuse_broken_builds
from alembic_ops.running.advisory_lock import advisory_lock
from alembic_ops.running.build import BuildOrder, build, with_counted_lists
from alembic_ops.running.index_steps import execute_step, is_short, overtaken, wait_for_others
from alembic_ops.running.loop import take_steps
from alembic_ops.running.server_errors import no_shared_memory, refused
from alembic_ops.running.session import Session, print_script, session
from alembic_ops.sql.steps import (
    BuildIndex,
    Finished,
    ReindexIndex,
    RenameIndex,
    ServerStep,
    Step,
    WaitForBuild,
    WaitForTable,
)
from sqlalchemy_vecsearch.sqlstates import ServerMessage, server_message, sqlstate_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alembic.operations import Operations

    from alembic_ops.catalog.tables import Facts, FoundTable
    from alembic_ops.model.index_state import IndexDefinition

__all__ = ["perform_index_operation"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


def perform_index_operation(operations: Operations, operation: IndexOperation) -> None:
    """Make an operation on an index true, whatever an earlier attempt has left behind."""
    if operations.migration_context.as_sql:
        print_script(operations, index_script(operation), in_transaction=not operation.concurrently)
        return
    before: Facts | None = None
    if operation.concurrently:
        with session(operations, operation, in_transaction=False) as running:
            refuse_broken_builds(running.server_version)
            before = _observe(running, operation)
            _run(running, operation, before)
    if not operation.concurrently or isinstance(operation, SwapVectorIndexOp):
        with session(operations, operation, in_transaction=True) as running:
            _run(running, operation, before or _observe(running, operation))


def _run(running: Session, operation: IndexOperation, before: Facts) -> None:
    oid = None if before.table is None else before.table.oid
    with advisory_lock(running, oid, subject=f"the table {operation.table_name!r}"):
        if isinstance(operation, CreateVectorIndexOp) and operation.automatic_lists:
            operation = with_counted_lists(running.connection, operation)
        take_steps(
            operation,
            look=_look(running, operation, before),
            decide=partial(_decide, running, operation),
            act=_Actions(running=running, operation=operation),
        )


def _observe(running: Session, operation: IndexOperation) -> Facts:
    return observe(running.connection, operation.table_name, operation.schema, names=names_that_matter(operation))


def _look(running: Session, operation: IndexOperation, before: Facts) -> Callable[[], Facts]:
    """Return what reads the catalog; the normal form of the wished definition is asked for the first time only."""
    wished: IndexDefinition | None = None

    def look() -> Facts:
        nonlocal wished
        facts = _observe(running, operation)
        if (
            wished is None
            and facts.table is not None
            and isinstance(operation, CreateVectorIndexOp | RebuildVectorIndexOp)
        ):
            wished = _wished(running, operation, facts.table)
        return replace(facts, wished=wished, before=before)

    return look


def _wished(
    running: Session, operation: CreateVectorIndexOp | RebuildVectorIndexOp, table: FoundTable
) -> IndexDefinition | None:
    """Return the definition that is asked for in its normal form, and refuse one whose build would fail."""
    if operation.definition is None:
        return None
    state = IndexState(name=operation.name, table_name=table.name, schema=table.schema, definition=operation.definition)
    answer = normal_form(running.connection, state)
    if isinstance(answer, Refusal):
        raise refused(
            ServerMessage(message=answer.message, sqlstate=answer.sqlstate),
            operation,
            on_replica=running.on_replica,
            temporary_tables=may_create_temporary_tables(running.connection),
        )
    return answer


def _decide(running: Session, operation: IndexOperation, facts: Facts, done: Sequence[Step]) -> Step:
    step = next_step(operation, facts, done)
    if isinstance(operation, SwapVectorIndexOp) and isinstance(step, RenameIndex) and not running.in_transaction:
        return Finished(remark="the name changes together with the version of the database")
    return step


@dataclass
class _Actions:
    """What takes the steps.

    ``without_workers`` says that the server had no shared memory for them, ``waited_for`` whom we have waited for last.
    """

    running: Session
    operation: IndexOperation
    without_workers: bool = False
    waited_for: Step | None = None

    def __call__(self, step: Step, facts: Facts) -> bool:
        """Take a step; return False where it was not taken, so that what it left has to be looked at."""
        if isinstance(step, WaitForBuild | WaitForTable):
            wait_for_others(self.running, step, again=step == self.waited_for)
            self.waited_for = step
            return True
        self.waited_for = None
        server_step = cast("ServerStep", step)
        try:
            self._take(server_step, facts)
        except DBAPIError as error:
            return self._goes_on(server_step, error)
        return True

    def _take(self, step: ServerStep, facts: Facts) -> None:
        execute = partial(execute_step, self.running, step)
        order = _order(self.operation, step, facts)
        if order is not None:
            if self.without_workers:
                order = replace(order, build=replace(order.build, workers=0))
            build(self.running, order, execute)
        elif is_short(step):
            self.running.shortly(execute, table_name=self.operation.table_name, schema=self.operation.schema)
        else:
            execute()

    def _goes_on(self, step: ServerStep, error: DBAPIError) -> bool:
        """Return what a step has come to that the server has refused, where looking again can help.

        Raises:
            DBAPIError: it cannot.
        """
        code = sqlstate_of(error.orig)
        if code in overtaken(step):
            _LOG.info("another process was faster; looking again")
            return False
        if no_shared_memory(server_message(error.orig)) and not self.without_workers:
            _LOG.warning(
                "The server has too little shared memory for parallel workers, of which a container has 64 MB unless it"
                " is started with --shm-size. Building %r without them, which takes longer.",
                step.name,
            )
            self.without_workers = True
            return False
        if code != "40P01" or self.running.in_transaction:
            raise error
        _LOG.info("the server has ended it as the victim of a deadlock; looking again")
        return False


def _order(operation: IndexOperation, step: ServerStep, facts: Facts) -> BuildOrder | None:
    """Return what a step builds, None for a step that builds nothing."""
    if not isinstance(operation, CreateVectorIndexOp | RebuildVectorIndexOp) or is_short(step):
        return None
    if isinstance(step, BuildIndex):
        table_name, schema, definition = step.table_name, step.schema, step.definition
    elif isinstance(step, ReindexIndex):
        found = next(one for one in facts.indexes if one.name == step.name and one.schema == step.schema)
        assert found.definition is not None, "only vector indexes are rebuilt"
        table_name, schema, definition = found.table_name, found.schema, found.definition
    else:
        return None
    return BuildOrder(
        name=step.name,
        table_name=table_name,
        schema=schema,
        definition=definition,
        build=operation.build,
        on_live_table=step.concurrently,
    )
