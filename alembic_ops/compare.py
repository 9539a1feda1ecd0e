"""The part of Alembic's autogenerate that sees vector columns and their indexes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import comparators
from alembic.operations.ops import DropTableOp, ModifyTableOps
from alembic.util import DispatchPriority, PriorityDispatchResult

from alembic_ops.catalog import current_indexes, extension_in_search_path, installed_extension, partitions
from alembic_ops.column_changes import take_over_columns
from alembic_ops.declared import is_vector_index
from alembic_ops.errors import VectorMigrationWarning
from alembic_ops.extension_needs import extension_first, extension_operations, needed_version
from alembic_ops.generated_columns import generate_anew, leave_generated_vectors_to_us
from alembic_ops.index_comparison import ComparedTable, IndexComparison
from alembic_ops.name_order import with_free_names
from alembic_ops.proposals import arranged, outside_batches, propose
from alembic_ops.quoting import PREPARER
from alembic_ops.type_changes import compare_vector_type, recognise_types_of_schema
from alembic_ops.type_rendering import render_types_with_imports
from alembic_ops.way_back import commits_by_itself, way_back

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import DowngradeOps, UpgradeOps
    from sqlalchemy import Index, Table

    from alembic_ops.catalog import InstalledExtension
    from alembic_ops.plan import IndexOperation
    from alembic_ops.proposals import TableKey

__all__ = ["register_comparators"]


@dataclass(slots=True, kw_only=True)
class Seen:
    """What one run of autogenerate has seen until now."""

    extension: InstalledExtension
    tables: list[ComparedTable] = field(default_factory=list)


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
    run: Any = context  # what was seen lives as long as its run: it refers to the run's connection
    run.vectors_seen = Seen(extension=extension)
    hidden = None if extension.visible else extension.schema
    if hidden is not None:
        recognise_types_of_schema(context.connection.dialect, hidden)
        _compare_defaults_with(extension, context)
    render_types_with_imports(context, schema=hidden)
    _hide_vector_indexes(context)
    return PriorityDispatchResult.CONTINUE


def _seen(context: AutogenContext) -> Seen:
    run: Any = context
    seen: Seen = run.vectors_seen
    return seen


def _compare_defaults_with(extension: InstalledExtension, context: AutogenContext) -> None:
    """Let the server compare two defaults of a vector column, which Alembic asks it for, where it finds their ``=``."""
    connection = context.connection
    assert connection is not None
    impl: Any = context.migration_context.impl  # the attribute of one instance is replaced
    stock: Callable[..., bool] = impl.compare_server_default

    def compare(*columns_and_defaults: Any) -> bool:  # the arguments are Alembic's affair
        with extension_in_search_path(connection, extension):
            return stock(*columns_and_defaults)

    impl.compare_server_default = compare


def _hide_vector_indexes(context: AutogenContext) -> None:
    """Keep vector indexes from Alembic's own comparison, which takes too many of them for equal."""
    impl: Any = context.migration_context.impl  # the attribute of one instance is replaced
    stock: Callable[..., None] = impl.correct_for_autogen_constraints
    if isinstance(stock, _WithoutVectorIndexes):
        return
    impl.correct_for_autogen_constraints = _WithoutVectorIndexes(stock)


class _WithoutVectorIndexes:
    def __init__(self, stock: Callable[..., None]) -> None:
        self.stock = stock

    def __call__(self, uniques: set[Any], indexes: set[Index], wished_uniques: set[Any], wished: set[Index]) -> None:
        self.stock(uniques, indexes, wished_uniques, wished)
        for side in (indexes, wished):
            for index in [one for one in side if is_vector_index(one)]:
                side.discard(index)


def remember_table(
    context: AutogenContext,
    modify_ops: ModifyTableOps,  # noqa: ARG001  # fixed by Alembic
    schema: str | None,
    name: str,
    current: Table | None,
    wished: Table | None,
) -> PriorityDispatchResult:
    """Note a table that the user's filters let through."""
    _seen(context).tables.append(ComparedTable(schema=schema, name=name, current=current, wished=wished))
    return PriorityDispatchResult.CONTINUE


def compare_schemas(
    context: AutogenContext, upgrade_ops: UpgradeOps, schemas: Collection[str | None]
) -> PriorityDispatchResult:
    """Compare the vector indexes of all tables at once, and put the operations among Alembic's."""
    assert context.connection is not None, "autogenerate needs a database"
    seen = _seen(context)
    _leave_partitions_alone(seen, upgrade_ops, partitions(context.connection, schemas))
    current = {table.key: table.current for table in seen.tables if table.current is not None}
    columns = take_over_columns(upgrade_ops.ops, current)
    generate_anew(
        context.connection,
        upgrade_ops.ops,
        seen.tables,
        columns,
        extension_schema=None if seen.extension.visible else seen.extension.schema,
    )
    comparison = IndexComparison(context, seen.tables, columns, seen.extension)
    with extension_in_search_path(context.connection, seen.extension):
        changes = comparison.changes(current_indexes(context.connection, schemas))
    proposals = propose(changes, comparison, comparison.originals)
    proposals.early[:0] = [operation for found in columns.values() for operation in found.embeddings]
    if proposals.late:
        _warn_of_order(proposals.late)
    needed = _needed(seen, comparison, context)
    default_schema = context.dialect.default_schema_name
    first, arranged_ops = extension_first(
        extension_operations(seen.extension, needed), arranged(upgrade_ops.ops, proposals)
    )
    if context.opts.get("render_as_batch"):
        arranged_ops = outside_batches(arranged_ops)
    upgrade_ops.ops[:] = [*first, *with_free_names(arranged_ops, default_schema=default_schema)]
    _arrange_the_downgrade(upgrade_ops, comparison, default_schema)
    if upgrade_ops.ops and needed is not None and seen.extension.schema is not None and not seen.extension.visible:
        _warn_of_search_path(seen.extension.schema)
    return PriorityDispatchResult.CONTINUE


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
        back = way_back(upgrade_ops.ops, needs_the_rest=comparison.needs_the_downgrade)
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
        f"Write the schema in such texts, or add it to the search path: ALTER ROLE ... SET search_path = public, "
        f"{PREPARER.quote(schema)}.",
        VectorMigrationWarning,
        stacklevel=2,
    )


def _leave_partitions_alone(seen: Seen, upgrade_ops: UpgradeOps, children: set[TableKey]) -> None:
    """Take out the partitions that no model declares, which Alembic takes for tables to drop."""
    undeclared = {table.key for table in seen.tables if table.wished is None and table.key in children}
    seen.tables[:] = [table for table in seen.tables if table.key not in undeclared]
    upgrade_ops.ops[:] = [
        operation
        for operation in upgrade_ops.ops
        if not (
            isinstance(operation, DropTableOp | ModifyTableOps)
            and (operation.schema, operation.table_name) in undeclared
        )
    ]


def _needed(seen: Seen, comparison: IndexComparison, context: AutogenContext) -> tuple[int, ...] | None:
    tables = [table.wished for table in seen.tables if table.wished is not None]
    definitions = [one.state.definition for one in comparison.declared.values()]
    return needed_version(tables, definitions, context.dialect)
