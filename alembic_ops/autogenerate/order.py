"""The order of the operations of a revision, on the way up and on the way down. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Final, TypeAlias, TypeGuard

from alembic.operations.ops import (
    CreateIndexOp,
    CreateTableOp,
    DropColumnOp,
    DropIndexOp,
    DropTableOp,
    ModifyTableOps,
)

from alembic_ops.operations import (
    AlterEmbeddingTypeOp,
    CreateVectorIndexOp,
    DropVectorIndexOp,
    RebuildVectorIndexOp,
    RenameVectorIndexOp,
    UpdateVectorExtensionOp,
)
from sqlalchemy_vecsearch.names import fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from alembic.operations.ops import MigrateOperation

    from alembic_ops.autogenerate.proposals import Proposals, TableKey
    from alembic_ops.planning.next_step import IndexOperation

__all__ = ["arranged", "commits_by_itself", "downgrade_operations", "outside_batches", "with_free_names"]


def arranged(operations: Sequence[MigrateOperation], proposals: Proposals) -> list[MigrateOperation]:
    """Return Alembic's operations with ours among them.

    What commits by itself comes first, because it can be run again when something after it fails: then the rest is one
    transaction that either happens with the new revision or not at all. Only what needs that rest comes last, before
    the columns of its table that go: until then the former index may need them, which would be dropped with them.
    """
    keys = [_key_of(operation) for operation in operations]
    first = {key: position for position, key in reversed(list(enumerate(keys)))}
    last = {key: position for position, key in enumerate(keys)}
    body: list[MigrateOperation] = []
    for position, (key, operation) in enumerate(zip(keys, operations, strict=True)):
        if key is not None and first[key] == position:
            body.extend(proposals.before.get(key, _NONE))
        body.append(operation)
        if key is not None and last[key] == position:
            body.extend(proposals.after.get(key, _NONE))
    for around in (proposals.before, proposals.after):
        body.extend(one for key, mine in around.items() if key not in first for one in mine)
    going = _taken_out_drops(body, {(one.schema, one.table_name) for one in proposals.late})
    kept = [one for one in body if not (isinstance(one, ModifyTableOps) and one.is_empty())]
    return [*proposals.early, *kept, *proposals.late, *going]


def _taken_out_drops(operations: Sequence[MigrateOperation], tables: Collection[TableKey]) -> list[MigrateOperation]:
    """Take the drops of columns out of the changes of some tables, and return them."""
    found: list[MigrateOperation] = []
    for table in operations:
        if isinstance(table, ModifyTableOps) and (table.schema, table.table_name) in tables:
            drops: list[MigrateOperation] = [one for one in table.ops if isinstance(one, DropColumnOp)]
            table.ops[:] = [one for one in table.ops if not isinstance(one, DropColumnOp)]
            if drops:
                found.append(ModifyTableOps(table.table_name, drops, schema=table.schema))
    return found


def outside_batches(operations: Sequence[MigrateOperation]) -> list[MigrateOperation]:
    """Return operations with those that a batch cannot hold taken out of it, in their place.

    A batch runs what it holds at its end, and so would run after an operation of ours that stands before.
    """
    return [
        one
        for operation in operations
        for one in (_parts_of(operation) if isinstance(operation, ModifyTableOps) else [operation])
    ]


def _parts_of(table: ModifyTableOps) -> list[MigrateOperation]:
    parts: list[MigrateOperation] = []
    for ours, group in groupby(table.ops, key=lambda one: isinstance(one, AlterEmbeddingTypeOp)):
        found = list(group)
        parts.extend(found if ours else [ModifyTableOps(table.table_name, found, schema=table.schema)])
    return parts


_NONE: Final[Sequence[MigrateOperation]] = ()


def _key_of(operation: MigrateOperation) -> TableKey | None:
    if isinstance(operation, CreateTableOp | DropTableOp | ModifyTableOps):
        return operation.schema, operation.table_name
    return None


def commits_by_itself(operation: MigrateOperation) -> TypeGuard[IndexOperation]:
    """Say whether an operation runs outside of the migration's transaction, and so commits what came before it."""
    index_operations = CreateVectorIndexOp | DropVectorIndexOp | RebuildVectorIndexOp
    return isinstance(operation, index_operations) and operation.concurrently


def downgrade_operations(
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
