"""Operations in an order in which the name of an index is free when another index takes it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from alembic.operations.ops import CreateIndexOp, DropIndexOp, ModifyTableOps

from alembic_ops.operations import CreateVectorIndexOp, DropVectorIndexOp, RenameVectorIndexOp
from sqlalchemy_vecsearch.names import fitted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alembic.operations.ops import MigrateOperation

__all__ = ["with_free_names"]

_Name: TypeAlias = tuple[str | None, str]


def with_free_names(operations: Sequence[MigrateOperation], *, default_schema: str | None) -> list[MigrateOperation]:
    """Return the operations with whatever gives up the name of an index before whatever gives it to another one.

    PostgreSQL knows the indexes of a schema by their names alone. An index that moves to another table under its name,
    or takes the place of an index of another method, must therefore be dropped or renamed first. What is moved to the
    front can be run again: a drop by Alembic gets ``if_exists``. Two indexes that exchange their names do so by a third
    name. The names of Alembic's own indexes among each other are left to Alembic.

    Args:
        operations: the operations of one direction of a revision.
        default_schema: what an operation without a schema belongs to.
    """
    order = _Order(pending=list(operations), default_schema=default_schema)
    while order.pending:
        order.place(order.pending[0])
    return order.placed


@dataclass(slots=True, kw_only=True)
class _Order:
    """What is placed and what is not; ``moving`` are the renames that wait for their new names."""

    pending: list[MigrateOperation]
    default_schema: str | None
    placed: list[MigrateOperation] = field(default_factory=list)
    moving: list[RenameVectorIndexOp] = field(default_factory=list)

    def place(self, operation: MigrateOperation) -> None:
        """Append an operation, after what holds the names that it takes."""
        if isinstance(operation, RenameVectorIndexOp):
            self._take_out(operation)
            self.moving.append(operation)
        for one in _single(operation):
            if (name := self._taken(one)) is not None:
                self._free(name, one)
        if isinstance(operation, RenameVectorIndexOp):
            operation = self.moving.pop()
        else:
            self._take_out(operation)
        if not (isinstance(operation, ModifyTableOps) and operation.is_empty()):
            self.placed.append(operation)

    def _take_out(self, operation: MigrateOperation) -> None:
        self.pending[:] = [one for one in self.pending if one is not operation]

    def _free(self, name: _Name, taker: MigrateOperation) -> None:
        """Place what holds a name, if it is not placed yet; put aside what waits for a name itself."""
        for position, waiting in enumerate(self.moving):
            if self._freed(waiting) == name:
                aside = fitted(waiting.name, suffix="__aside")
                self.placed.append(replace(waiting, new_name=aside))
                self.moving[position] = replace(waiting, name=aside)
                return
        for operation in self.pending:
            for one in _single(operation):
                if self._freed(one) != name or _is_not_ours(one, taker) or _continues(one, taker):
                    continue
                if isinstance(operation, ModifyTableOps):
                    assert isinstance(one, DropIndexOp), "nothing else in a table gives up a name"
                    self._place_alone(operation, one)
                else:
                    self.place(operation)
                return

    def _place_alone(self, table: ModifyTableOps, drop: DropIndexOp) -> None:
        """Place a drop by Alembic before the other changes of its table, and so that it can be run again."""
        table.ops = [one for one in table.ops if one is not drop]
        drop.if_exists = True
        self.placed.append(ModifyTableOps(table.table_name, [drop], schema=table.schema))

    def _taken(self, operation: MigrateOperation) -> _Name | None:
        if isinstance(operation, CreateVectorIndexOp):
            return self._named(operation.schema, operation.name)
        if isinstance(operation, RenameVectorIndexOp):
            return self._named(operation.schema, operation.new_name)
        if isinstance(operation, CreateIndexOp):
            return self._named(operation.schema, str(operation.index_name))
        return None

    def _freed(self, operation: MigrateOperation) -> _Name | None:
        if isinstance(operation, DropVectorIndexOp | RenameVectorIndexOp):
            return self._named(operation.schema, operation.name)
        if isinstance(operation, DropIndexOp):
            return self._named(operation.schema, str(operation.index_name))
        return None

    def _named(self, schema: str | None, name: str) -> _Name:
        return schema or self.default_schema, name


def _is_not_ours(drop: MigrateOperation, create: MigrateOperation) -> bool:
    return isinstance(drop, DropIndexOp) and isinstance(create, CreateIndexOp)


def _continues(rename: MigrateOperation, former: MigrateOperation) -> bool:
    """Say whether a rename goes on from the name that another one gives the same index."""
    return (
        isinstance(rename, RenameVectorIndexOp)
        and isinstance(former, RenameVectorIndexOp)
        and (rename.schema, rename.table_name) == (former.schema, former.table_name)
    )


def _single(operation: MigrateOperation) -> Iterable[MigrateOperation]:
    return tuple(operation.ops) if isinstance(operation, ModifyTableOps) else (operation,)
