"""From changes to operations, each at the place of the revision where it can run and be run again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from alembic.operations.ops import CreateTableOp, DropColumnOp, DropTableOp, ModifyTableOps

from alembic_ops.diff import CreateIndex, DropIndex, RebuildIndex, RenameIndex
from alembic_ops.operations import (
    AlterEmbeddingTypeOp,
    CreateVectorIndexOp,
    DropVectorIndexOp,
    RebuildVectorIndexOp,
    RenameVectorIndexOp,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from alembic.operations.ops import MigrateOperation

    from alembic_ops.diff import Change
    from alembic_ops.plan import IndexOperation
    from alembic_ops.state import IndexDefinition, IndexState

__all__ = ["Circumstances", "Proposals", "TableKey", "arranged", "outside_batches", "propose"]

TableKey: TypeAlias = tuple[str | None, str]


class Circumstances(Protocol):
    """What else the revision does to the table of an index."""

    def with_the_table(self, state: IndexState) -> bool:
        """Say whether the index changes in one transaction with its table, which nobody can use meanwhile."""

    def goes_with_a_column(self, state: IndexState) -> bool:
        """Say whether the revision drops a column that the index needs."""

    def after_the_table(self, state: IndexState) -> bool:
        """Say whether the index needs what the revision does to its table first."""


@dataclass(kw_only=True)
class Proposals:
    """The operations for vector indexes by when they run.

    Those in ``early`` and ``late`` are not noticed by readers and writers, and each commits by itself. Those of
    ``before`` and ``after`` run in the migration's transaction, round what else changes in a table.
    """

    early: list[MigrateOperation] = field(default_factory=list)
    before: dict[TableKey, list[MigrateOperation]] = field(default_factory=dict)
    after: dict[TableKey, list[MigrateOperation]] = field(default_factory=dict)
    late: list[IndexOperation] = field(default_factory=list)


def propose(
    changes: Sequence[Change], circumstances: Circumstances, originals: Mapping[IndexState, IndexDefinition]
) -> Proposals:
    """Return the operations for changes.

    Args:
        changes: the difference, in canonical form.
        circumstances: what else happens to the tables.
        originals: the definitions to write for the states, without the server's defaults.
    """
    proposals = Proposals()
    for change in changes:
        match change:
            case CreateIndex(wished=wished):
                _propose_create(proposals, wished, circumstances, originals)
            case DropIndex(current=current):
                _propose_drop(proposals, current, circumstances, originals)
            case RebuildIndex(current=current, wished=wished) if circumstances.with_the_table(current):
                _propose_drop(proposals, current, circumstances, originals)
                _propose_create(proposals, wished, circumstances, originals)
            case RebuildIndex(current=current, wished=wished):
                late = circumstances.after_the_table(wished)
                (proposals.late if late else proposals.early).append(_rebuild(current, wished, originals, late=late))
            case RenameIndex(current=current, wished=wished):
                proposals.after.setdefault(_key(current), []).append(_rename(current, wished))
            case _:
                pass
    return proposals


def _key(state: IndexState) -> TableKey:
    return state.schema, state.table_name


def _propose_create(
    proposals: Proposals,
    state: IndexState,
    circumstances: Circumstances,
    originals: Mapping[IndexState, IndexDefinition],
) -> None:
    together = circumstances.with_the_table(state)
    operation = CreateVectorIndexOp(
        name=state.name,
        table_name=state.table_name,
        schema=state.schema,
        definition=originals[state],
        concurrently=not together,
    )
    if together:
        proposals.after.setdefault(_key(state), []).append(operation)
    else:
        (proposals.late if circumstances.after_the_table(state) else proposals.early).append(operation)


def _propose_drop(
    proposals: Proposals,
    state: IndexState,
    circumstances: Circumstances,
    originals: Mapping[IndexState, IndexDefinition],
) -> None:
    together = circumstances.with_the_table(state) or circumstances.goes_with_a_column(state)
    operation = DropVectorIndexOp(
        name=state.name,
        table_name=state.table_name,
        schema=state.schema,
        definition=originals[state],
        concurrently=not together,
    )
    (proposals.before.setdefault(_key(state), []) if together else proposals.early).append(operation)


def _rebuild(
    current: IndexState, wished: IndexState, originals: Mapping[IndexState, IndexDefinition], *, late: bool
) -> RebuildVectorIndexOp:
    same = current.definition == wished.definition
    existing = originals[current]
    if late:  # the downgrade rebuilds it before columns get their former names back
        existing = replace(current.definition, operator_class=existing.operator_class, parameters=existing.parameters)
    return RebuildVectorIndexOp(
        name=wished.name,
        table_name=wished.table_name,
        schema=wished.schema,
        definition=None if same else originals[wished],
        existing=None if same else existing,
    )


def _rename(current: IndexState, wished: IndexState) -> RenameVectorIndexOp:
    return RenameVectorIndexOp(
        name=current.name, new_name=wished.name, table_name=current.table_name, schema=current.schema
    )


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
