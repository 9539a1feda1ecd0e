"""The part of Alembic's autogenerate that sees vector columns and their indexes."""

from __future__ import annotations

import logging
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from alembic.autogenerate import comparators
from alembic.operations.ops import DropTableOp, ModifyTableOps
from alembic.util import DispatchPriority, PriorityDispatchResult

from alembic_ops.autogenerate.columns import compare_vector_type, recognise_types_of_schema, take_over_columns
from alembic_ops.autogenerate.extension import extension_first, extension_operations, needed_version
from alembic_ops.autogenerate.generated import generate_anew, leave_generated_vectors_to_us
from alembic_ops.autogenerate.indexes import IndexComparison
from alembic_ops.autogenerate.order import (
    arranged,
    commits_by_itself,
    downgrade_operations,
    outside_batches,
    with_free_names,
)
from alembic_ops.autogenerate.pending_indexes import tables_of_jobs, with_pending_indexes
from alembic_ops.autogenerate.proposals import propose
from alembic_ops.autogenerate.run import ComparedTable, begin_run, run_of
from alembic_ops.autogenerate.stock_operations import warn_of_stock_operations
from alembic_ops.autogenerate.type_rendering import render_types_with_imports
from alembic_ops.catalog.indexes import current_indexes, extension_in_search_path, installed_extension, partitions
from alembic_ops.errors import VectorMigrationWarning
from sqlalchemy_vecsearch.quoting import PREPARER

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import DowngradeOps, MigrateOperation, UpgradeOps
    from sqlalchemy import Table

    from alembic_ops.autogenerate.proposals import TableKey
    from alembic_ops.autogenerate.run import Run
    from alembic_ops.planning.next_step import IndexOperation

__all__ = ["register_comparators"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


@cache
def register_comparators() -> None:
    """Add what compares vector columns and indexes to Alembic's comparators, for PostgreSQL only, and once."""
    for target, comparator, priority, subgroup in (
        ("autogenerate", begin, DispatchPriority.FIRST, "alembic_ops.begin"),
        ("table", remember_table, DispatchPriority.FIRST, "alembic_ops.tables"),
        ("column", compare_vector_type, DispatchPriority.MEDIUM, "types"),
        ("column", leave_generated_vectors_to_us, DispatchPriority.FIRST, "server_default"),
        ("schema", compare_schemas, DispatchPriority.LAST, "alembic_ops.schemas"),
    ):
        comparators.dispatch_for(target, priority=priority, qualifier="postgresql", subgroup=subgroup)(comparator)


def begin(context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:  # noqa: ARG001  # fixed by Alembic
    """Prepare a run: what the database has of pgvector, how types are rendered, and what Alembic need not compare."""
    assert context.connection is not None
    extension = installed_extension(context.connection)
    run = begin_run(context, extension)
    hidden = None if extension.visible else extension.schema
    if hidden is not None:
        recognise_types_of_schema(context.connection.dialect, hidden)
        run.compare_defaults_with_the_extension(context)
    render_types_with_imports(context, schema=hidden)
    run.hide_vector_indexes()
    return PriorityDispatchResult.CONTINUE


def remember_table(
    context: AutogenContext,
    modify_ops: ModifyTableOps,  # noqa: ARG001  # fixed by Alembic
    schema: str | None,
    name: str,
    current: Table | None,
    wished: Table | None,
) -> PriorityDispatchResult:
    """Note a table that the user's filters let through."""
    if (run := run_of(context)) is not None:
        run.tables.append(ComparedTable(schema=schema, name=name, current=current, wished=wished))
    return PriorityDispatchResult.CONTINUE


def compare_schemas(
    context: AutogenContext, upgrade_ops: UpgradeOps, schemas: Collection[str | None]
) -> PriorityDispatchResult:
    """Compare the vector indexes of all tables at once, and put the operations among Alembic's."""
    run = run_of(context)
    if run is None:
        return PriorityDispatchResult.CONTINUE
    run.give_back()
    assert context.connection is not None, "autogenerate needs a database"
    _leave_alone(run, upgrade_ops, partitions(context.connection, schemas) | tables_of_jobs(run.tables))
    current = {table.key: table.current for table in run.tables if table.current is not None}
    columns = take_over_columns(upgrade_ops.ops, current)
    generate_anew(
        context.connection,
        upgrade_ops.ops,
        run.tables,
        columns,
        extension_schema=None if run.extension.visible else run.extension.schema,
    )
    comparison = IndexComparison(context, run.tables, columns, run.extension)
    with extension_in_search_path(context.connection, run.extension):
        changes = comparison.changes(current_indexes(context.connection, schemas))
    proposals = propose(changes, comparison, comparison.originals)
    proposals.early[:0] = [operation for found in columns.values() for operation in found.embeddings]
    if proposals.late:
        _warn_of_order(proposals.late)
    needed = _needed(run, comparison)
    default_schema = context.dialect.default_schema_name
    extension = extension_operations(run.extension, needed)
    _tell_of_the_extension(context, extension, needed=needed is not None and bool(upgrade_ops.ops))
    upgrade_ops.ops[:] = with_pending_indexes(context.connection, upgrade_ops.ops, run.tables)
    first, arranged_ops = extension_first(extension, arranged(upgrade_ops.ops, proposals))
    if context.opts.get("render_as_batch"):
        arranged_ops = outside_batches(arranged_ops)
    upgrade_ops.ops[:] = [*first, *with_free_names(arranged_ops, default_schema=default_schema)]
    _arrange_the_downgrade(upgrade_ops, comparison, default_schema)
    warn_of_stock_operations(context, upgrade_ops.ops)
    if upgrade_ops.ops and needed is not None and run.extension.schema is not None and not run.extension.visible:
        _warn_of_search_path(run.extension.schema)
    return PriorityDispatchResult.CONTINUE


def _tell_of_the_extension(context: AutogenContext, operations: list[MigrateOperation], *, needed: bool) -> None:
    """Log what is proposed for the extension, and what the first revision leaves out where somebody has created it."""
    for operation in operations:
        _LOG.info("Detected %s", operation.to_diff_tuple()[-1])
    if needed and not operations and not context.migration_context.get_current_heads():
        _LOG.info(
            "The extension 'vector' is in this database already, so that the revision does not create it. "
            "Write op.create_vector_extension() at its head for databases that do not have it; here it changes nothing."
        )


def _warn_of_order(late: Sequence[IndexOperation]) -> None:
    names = ", ".join(repr(operation.name) for operation in late)
    warnings.warn(
        f"The revision changes a table and then builds the index {names}, which needs that change. "
        "A concurrent build commits what came before it, so that the revision could not be run again if it failed. "
        "Move the build into a revision of its own, after this one.",
        VectorMigrationWarning,
        stacklevel=2,
    )


def _arrange_the_downgrade(upgrade_ops: UpgradeOps, comparison: IndexComparison, default_schema: str | None) -> None:
    """Let the revision's own reversal put first what commits by itself."""

    def reverse_into(downgrade_ops: DowngradeOps) -> DowngradeOps:
        back = downgrade_operations(upgrade_ops.ops, needs_the_rest=comparison.needs_the_downgrade)
        downgrade_ops.ops[:] = with_free_names(back, default_schema=default_schema)
        waiting = [one for one in downgrade_ops.ops if commits_by_itself(one) and comparison.needs_the_downgrade(one)]
        if waiting:
            _warn_of_order_back(waiting)
        return downgrade_ops

    of_this_revision: Any = upgrade_ops  # a method of one instance is replaced
    of_this_revision.reverse_into = reverse_into


def _warn_of_order_back(waiting: Sequence[IndexOperation]) -> None:
    names = ", ".join(repr(operation.name) for operation in waiting)
    warnings.warn(
        f"The downgrade gives a table its former columns and then builds the index {names}, which needs them. "
        "A concurrent build commits what came before it, so that the downgrade could not be run again if it failed. "
        "Move the operation on the index into a revision of its own, before this one.",
        VectorMigrationWarning,
        stacklevel=2,
    )


def _warn_of_search_path(schema: str) -> None:
    warnings.warn(
        f"The vector extension is in the schema {schema!r}, which is not on the search path. "
        "Operations, scripts of --sql and engines find it there; online, SQL that is given as text, such as that of"
        " Computed(), is sent as it is. "
        "Write the schema in such texts, or add it to the search path: ALTER ROLE ... SET search_path = "
        f"{', '.join(dict.fromkeys(('public', PREPARER.quote(schema))))}.",
        VectorMigrationWarning,
        stacklevel=2,
    )


def _leave_alone(run: Run, upgrade_ops: UpgradeOps, of_others: set[TableKey]) -> None:
    """Take out the tables that no model has to declare, which Alembic takes for tables to drop."""
    undeclared = {table.key for table in run.tables if table.wished is None and table.key in of_others}
    run.tables[:] = [table for table in run.tables if table.key not in undeclared]
    upgrade_ops.ops[:] = [
        operation
        for operation in upgrade_ops.ops
        if not (
            isinstance(operation, DropTableOp | ModifyTableOps)
            and (operation.schema, operation.table_name) in undeclared
        )
    ]


def _needed(run: Run, comparison: IndexComparison) -> tuple[int, ...] | None:
    tables = [table.wished for table in run.tables if table.wished is not None]
    definitions = [one.state.definition for one in comparison.declared.values()]
    return needed_version(tables, definitions)
