"""The refusals of changes that a subscriber of logical replication would not follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from alembic_ops.errors import PublishedTableError
from alembic_ops.model.column_exchange import ColumnExchange
from alembic_ops.operations import AddEmbeddingColumnOp, AlterEmbeddingTypeOp, BeginReembeddingOp

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["published_columns", "published_message", "refuse_published"]

_ColumnOperation: TypeAlias = AddEmbeddingColumnOp | AlterEmbeddingTypeOp | BeginReembeddingOp | ColumnExchange

_ALL_AT_A_POINT = (
    "Stop writing to the table, wait until every subscriber has caught up, disable the subscriptions, {do} there and, "
    "with published=True, here, and enable them again."
)


def published_columns(operation: _ColumnOperation) -> list[str]:
    """Return the columns that there are already, and that the operation changes for a subscriber."""
    if isinstance(operation, ColumnExchange):
        return operation.columns
    return [operation.column] if isinstance(operation, AlterEmbeddingTypeOp) else []


def refuse_published(operation: _ColumnOperation, publications: Sequence[str]) -> None:
    """Refuse a change of a table that is published, unless the operation says that it knows.

    Raises:
        PublishedTableError: with the order of work.
    """
    if publications and not operation.published:
        names = ", ".join(repr(name) for name in publications)
        raise PublishedTableError(
            published_message(operation, names), table_name=operation.table_name, publications=tuple(publications)
        )


def published_message(operation: _ColumnOperation, publications: str) -> str:
    """Return what is said of a table in publications, whose names are given."""
    found = f"the table is published by {publications}."
    if isinstance(operation, AddEmbeddingColumnOp | BeginReembeddingOp):
        return (
            f"The column {operation.column.name!r} was not added to {operation.table_name!r}: {found} "
            "A new column is sent at once and not created there: the next change of a row would stop the replication "
            "of a subscriber that has no such column. "
            "Add the column to every subscriber first, and then, with published=True, here."
        )
    if isinstance(operation, AlterEmbeddingTypeOp):
        return (
            f"The type of {operation.column!r} of {operation.table_name!r} was not altered: {found} "
            "Neither the type nor what becomes of the vectors is replicated: a subscriber keeps the old ones, and "
            "stops at the first new one that does not suit its column. " + _ALL_AT_A_POINT.format(do="alter the type")
        )
    return (
        f"The columns {operation.live!r} and {operation.replacement!r} of {operation.table_name!r} were not swapped: "
        f"{found} "
        "A rename is not replicated: a subscriber would mix the vectors of two models in one column, or stop where "
        "their dimensions differ. " + _ALL_AT_A_POINT.format(do="swap the columns")
    )
