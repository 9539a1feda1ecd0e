"""The only writer: takes the steps of an operation, online or as SQL for later."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alembic_ops import offline
from alembic_ops.building import BuildOrder, build, with_counted_lists
from alembic_ops.catalog import installed_extension
from alembic_ops.errors import MigrationError
from alembic_ops.extension import ExtensionOperation, extension_statement
from alembic_ops.facts import observe
from alembic_ops.hazards import refuse_broken_builds
from alembic_ops.locking import policy_of, with_short_lock
from alembic_ops.operations import CreateVectorIndexOp, DropVectorIndexOp, SwapVectorIndexOp
from alembic_ops.plan import IndexOperation, names_that_matter, next_step
from alembic_ops.problems import explained
from alembic_ops.quoting import PREPARER
from alembic_ops.reporting import reporter
from alembic_ops.sessions import PATIENT, inside_transaction, outside_transaction, settings, vectors_found
from alembic_ops.statements import statement
from alembic_ops.steps import (
    AttachIndex,
    BuildIndex,
    DropIndex,
    Finished,
    ReindexIndex,
    RenameIndex,
    ServerStep,
    Step,
    WaitForBuild,
    WaitForTable,
)
from alembic_ops.watching import follow
from sqlalchemy_vecsearch.sqlstates import sqlstate_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic.operations import Operations
    from sqlalchemy import Connection

    from alembic_ops.facts import Facts

__all__ = ["perform_extension_operation", "perform_index_operation"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")

_POLL: Final = 0.25
"""Seconds between two looks at what another process is at."""

_SERVER_VERSION: Final = text("SELECT current_setting('server_version_num')")

_ROUNDS: Final = 10
"""How often the same step may be taken before the catalog is said not to obey."""


def perform_extension_operation(operations: Operations, operation: ExtensionOperation) -> None:
    """Make an operation on the vector extension true, inside the migration's transaction."""
    context = operations.migration_context
    if context.as_sql:
        offline.write(context, offline.extension_script(PREPARER, operation))
        return
    connection = operations.get_bind()
    sql = extension_statement(PREPARER, operation, installed_extension(connection))
    if sql is None:
        _LOG.info("%s: it is so already", operation.describe())
        return
    try:
        connection.execute(sql)
    except DBAPIError as error:
        raise explained(error, wish=operation.describe(), name="vector", of_extension=True) from error


def perform_index_operation(operations: Operations, operation: IndexOperation) -> None:
    """Make an operation on an index true, whatever an earlier attempt has left behind."""
    context = operations.migration_context
    if context.as_sql:
        script = offline.index_script(PREPARER, operation)
        if operation.concurrently:
            with context.autocommit_block():
                offline.write(context, script)
        else:
            offline.write(context, script)
    elif operation.concurrently:
        name = str(operation.to_diff_tuple()[0])
        with (
            outside_transaction(context, operation=name) as connection,
            settings(connection, PATIENT),
            vectors_found(connection),
        ):
            _take_steps(connection, operation, context.opts, in_transaction=False)
    if not context.as_sql and (not operation.concurrently or isinstance(operation, SwapVectorIndexOp)):
        with (
            inside_transaction(context) as connection,
            settings(connection, PATIENT, local=True),
            vectors_found(connection),
        ):
            _take_steps(connection, operation, context.opts, in_transaction=True)


def _take_steps(
    connection: Connection, operation: IndexOperation, options: Mapping[str, object], *, in_transaction: bool
) -> None:
    done: list[Step] = []
    deadlocks: list[Step] = []
    try:
        operation = _settled(connection, operation, in_transaction=in_transaction)
        while True:
            facts = observe(
                connection,
                operation.table_name,
                operation.schema,
                names=names_that_matter(operation),
                wished=getattr(operation, "definition", None),
            )
            step = next_step(operation, facts, done)
            if isinstance(step, Finished):
                _LOG.info("%s: %s", operation.describe(), step.remark or "done")
                return
            if isinstance(operation, SwapVectorIndexOp) and isinstance(step, RenameIndex) and not in_transaction:
                return  # the name changes together with the version of the database
            _refuse_to_circle(operation, step, [*done, *deadlocks])
            if isinstance(step, WaitForBuild | WaitForTable):
                _wait(connection, step, options, again=bool(done) and done[-1] == step)
            elif not _acted(connection, operation, step, facts, options, in_transaction=in_transaction):
                deadlocks.append(step)
                continue
            done.append(step)
    except DBAPIError as error:
        raise explained(error, wish=operation.describe(), name=operation.name) from error


def _settled(connection: Connection, operation: IndexOperation, *, in_transaction: bool) -> IndexOperation:
    """Return the operation with what only the server can tell, after making sure that its builds can be trusted."""
    if not in_transaction:
        refuse_broken_builds(int(connection.scalar(_SERVER_VERSION)))
    if isinstance(operation, CreateVectorIndexOp) and operation.automatic_lists:
        return with_counted_lists(connection, operation)
    return operation


def _acted(
    connection: Connection,
    operation: IndexOperation,
    step: ServerStep,
    facts: Facts,
    options: Mapping[str, object],
    *,
    in_transaction: bool,
) -> bool:
    """Take a step; return False where it was the victim of a deadlock, so that what it left has to be looked at."""
    try:
        _act(connection, operation, step, facts, options, in_transaction=in_transaction)
    except DBAPIError as error:
        code = sqlstate_of(error.orig)
        if code in _overtaken(step):
            _LOG.info("another process was faster; looking again")
            return True
        if code != "40P01" or in_transaction:
            raise
        _LOG.info("the server has ended it as the victim of a deadlock; looking again")
        return False
    return True


def _act(
    connection: Connection,
    operation: IndexOperation,
    step: ServerStep,
    facts: Facts,
    options: Mapping[str, object],
    *,
    in_transaction: bool,
) -> None:
    execute = partial(_take, connection, step)
    order = _order(operation, step, facts)
    if order is not None:
        build(connection, order, options, execute)
    elif _is_short(step):
        with_short_lock(
            connection,
            execute,
            table_name=operation.table_name,
            policy=policy_of(options),
            in_transaction=in_transaction,
        )
    else:
        execute()


def _order(operation: IndexOperation, step: ServerStep, facts: Facts) -> BuildOrder | None:
    """Return what a step builds, None for a step that builds nothing."""
    if isinstance(operation, DropVectorIndexOp | SwapVectorIndexOp) or _is_short(step):
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


def _wait(
    connection: Connection, step: WaitForBuild | WaitForTable, options: Mapping[str, object], *, again: bool
) -> None:
    """Follow the build of another process to its end; the catalog may show it for a moment longer."""
    if again:
        time.sleep(_POLL)
    elif isinstance(step, WaitForTable):
        _LOG.info("process %s is at work on the table %r; waiting until it has finished", step.process, step.table_name)
    else:
        _LOG.info("process %s is at work on the index %r; waiting until it has finished", step.builder, step.name)
        with reporter(options) as report:
            follow(connection, pid=step.builder, index=step.name, report=report)


def _is_short(step: ServerStep) -> bool:
    """Say whether a step takes a strong lock for a moment, rather than a weak one for long."""
    if isinstance(step, BuildIndex):
        return step.only
    if isinstance(step, DropIndex):
        return not step.concurrently
    return isinstance(step, RenameIndex | AttachIndex)


def _take(connection: Connection, step: ServerStep) -> None:
    sql = statement(PREPARER, step)
    _LOG.info("%s", sql)
    connection.execute(sql)


def _overtaken(step: ServerStep) -> frozenset[str]:
    """Return the errors of a step that an interrupted run, whose server process lived on, has taken since we looked.

    A build in a transaction is not among them: its error would end the transaction.
    """
    if isinstance(step, BuildIndex) and (step.concurrently or step.only):
        return frozenset({"42P07"})  # there is one of that name
    if isinstance(step, DropIndex | RenameIndex):
        return frozenset({"42704", "42P01"})  # there is none of that name any more
    return frozenset()


def _refuse_to_circle(operation: IndexOperation, step: Step, done: list[Step]) -> None:
    if isinstance(step, WaitForBuild | WaitForTable) or done.count(step) < _ROUNDS:
        return
    raise MigrationError(
        f"The server was asked {_ROUNDS} times to {operation.describe()}, and the catalog does not show it. "
        "Another session seems to undo each step, or holds the name for something that is no index. "
        "Find the other session in pg_stat_activity, stop it, and run the upgrade again."
    )
