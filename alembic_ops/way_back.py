"""The downgrade of a revision, in an order that can be run again after any failure. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from alembic_ops.operations import (
    CreateVectorIndexOp,
    DropVectorIndexOp,
    RebuildVectorIndexOp,
    UpdateVectorExtensionOp,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alembic.operations.ops import MigrateOperation

    from alembic_ops.plan import IndexOperation

__all__ = ["commits_by_itself", "way_back"]


def commits_by_itself(operation: MigrateOperation) -> TypeGuard[IndexOperation]:
    """Say whether an operation runs outside of the migration's transaction, and so commits what came before it."""
    index_operations = CreateVectorIndexOp | DropVectorIndexOp | RebuildVectorIndexOp
    return isinstance(operation, index_operations) and operation.concurrently


def way_back(
    operations: Sequence[MigrateOperation], *, needs_the_rest: Callable[[IndexOperation], bool]
) -> list[MigrateOperation]:
    """Return what undoes operations: what commits by itself first, then the rest, which is one transaction.

    Like this the rest has not happened yet when something concurrent fails, and the downgrade can be run again. The
    extension stays updated, because there is no way to an older version, and none is needed.

    Args:
        operations: the operations of the upgrade.
        needs_the_rest: says of an operation of the downgrade whether it can only run where the reversed order puts it.
    """
    reverse = [one.reverse() for one in reversed(operations) if not isinstance(one, UpdateVectorExtensionOp)]
    first = [one for one in reverse if commits_by_itself(one) and not needs_the_rest(one)]
    taken = {id(one) for one in first}
    return [*first, *(one for one in reverse if id(one) not in taken)]
