"""What autogenerate says of the stock operations that it proposes on tables of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.operations.ops import AddColumnOp, AlterColumnOp, CreateIndexOp, ModifyTableOps

from alembic_ops.running.stock_operations import WarnsOfStockOperations, warn_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation

__all__ = ["warn_of_stock_operations"]


def warn_of_stock_operations(context: AutogenContext, operations: Sequence[MigrateOperation]) -> None:
    """Warn of proposed operations as their upgrade would, while there is somebody to correct the revision."""
    migration = context.migration_context
    impl = migration.impl if migration is not None else None
    if not isinstance(impl, WarnsOfStockOperations):  # a later one of the application has replaced ours
        return
    for operation in _single(operations):
        if isinstance(operation, CreateIndexOp):
            warn_of(impl.danger_of_index(operation.to_index(migration)))
        elif isinstance(operation, AddColumnOp):
            column = operation.to_column()
            warn_of(impl.danger_of_new_column(operation.table_name, column, operation.schema))
        elif isinstance(operation, AlterColumnOp):
            warn_of(
                impl.danger_of_type(
                    operation.table_name,
                    operation.column_name,
                    type_=operation.modify_type,
                    schema=operation.schema,
                    existing_type=operation.existing_type,
                    **operation.kw,
                )
            )


def _single(operations: Iterable[MigrateOperation]) -> Iterable[MigrateOperation]:
    for operation in operations:
        yield from operation.ops if isinstance(operation, ModifyTableOps) else (operation,)
