"""From changes to operations, each at the place of the revision where it can run and be run again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from alembic.operations.ops import CreateTableOp, DropTableOp, ModifyTableOps

from alembic_ops.diff import CreateIndex, DropIndex, RebuildIndex
from alembic_ops.operations import (
    CreateVectorIndexOp,
    DropVectorIndexOp,
    RebuildVectorIndexOp,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from alembic.operations.ops import MigrateOperation

    from alembic_ops.diff import Change
    from alembic_ops.state import IndexDefinition, IndexState

__all__ = ["TableKey", "TableProposals", "arranged", "propose"]

TableKey: TypeAlias = tuple[str | None, str]


@dataclass(kw_only=True)
class TableProposals:
    """The operations for the vector indexes of one table, by when they run.

    ``before`` and ``after`` run in the migration's transaction, round what else changes in the table; ``beside`` are
    those that readers and writers do not notice, each of which commits by itself.
    """

    before: list[MigrateOperation] = field(default_factory=list)
    beside: list[MigrateOperation] = field(default_factory=list)
    after: list[MigrateOperation] = field(default_factory=list)


def propose(
    changes: Sequence[Change], *, rewritten: Collection[TableKey], originals: dict[IndexState, IndexDefinition]
) -> dict[TableKey, TableProposals]:
    """Return the operations for changes, table by table.

    Args:
        changes: the difference, in canonical form.
        rewritten: tables that are new, go away, or have a vector column of another type: nobody can use them
            meanwhile, so their indexes are built and dropped in the same transaction.
        originals: the definitions to write for the states, without the server's defaults.
    """
    proposals: dict[TableKey, TableProposals] = {}
    for change in changes:
        key = _table_of(change)
        table = proposals.setdefault(key, TableProposals())
        if key in rewritten:
            _propose_in_transaction(change, table, originals)
        else:
            _propose_concurrently(change, table, originals)
    return proposals


def _table_of(change: Change) -> TableKey:
    state = change.wished if isinstance(change, CreateIndex) else change.current
    return state.schema, state.table_name


def _propose_concurrently(change: Change, table: TableProposals, originals: dict[IndexState, IndexDefinition]) -> None:
    match change:
        case CreateIndex(wished=wished):
            table.beside.append(_create(wished, originals))
        case DropIndex(current=current):
            table.beside.append(_drop(current, originals))
        case RebuildIndex(current=current, wished=wished):
            table.beside.append(_rebuild(current, wished, originals))
        case _:
            pass


def _propose_in_transaction(
    change: Change, table: TableProposals, originals: dict[IndexState, IndexDefinition]
) -> None:
    match change:
        case CreateIndex(wished=wished):
            table.after.append(_create(wished, originals, concurrently=False))
        case DropIndex(current=current):
            table.before.append(_drop(current, originals, concurrently=False))
        case RebuildIndex(current=current, wished=wished):
            table.before.append(_drop(current, originals, concurrently=False))
            table.after.append(_create(wished, originals, concurrently=False))
        case _:
            pass


def _create(
    state: IndexState, originals: dict[IndexState, IndexDefinition], *, concurrently: bool = True
) -> CreateVectorIndexOp:
    return CreateVectorIndexOp(
        name=state.name,
        table_name=state.table_name,
        schema=state.schema,
        definition=originals[state],
        concurrently=concurrently,
    )


def _drop(
    state: IndexState, originals: dict[IndexState, IndexDefinition], *, concurrently: bool = True
) -> DropVectorIndexOp:
    return DropVectorIndexOp(
        name=state.name,
        table_name=state.table_name,
        schema=state.schema,
        definition=originals[state],
        concurrently=concurrently,
    )


def _rebuild(
    current: IndexState, wished: IndexState, originals: dict[IndexState, IndexDefinition]
) -> RebuildVectorIndexOp:
    same = current.definition == wished.definition
    return RebuildVectorIndexOp(
        name=wished.name,
        table_name=wished.table_name,
        schema=wished.schema,
        definition=None if same else originals[wished],
        existing=None if same else originals[current],
    )


def arranged(
    operations: Sequence[MigrateOperation],
    proposals: dict[TableKey, TableProposals],
    *,
    dependent: Collection[TableKey],
) -> list[MigrateOperation]:
    """Return Alembic's operations with ours among them.

    What commits by itself comes first, because it can be run again when something after it fails: then the rest is one
    transaction that either happens with the new revision or not at all. Only where it needs that rest, in
    ``dependent`` tables, it comes last.
    """
    keys = [_key_of(operation) for operation in operations]
    first = {key: position for position, key in reversed(list(enumerate(keys)))}
    last = {key: position for position, key in enumerate(keys)}
    body: list[MigrateOperation] = []
    for position, (key, operation) in enumerate(zip(keys, operations, strict=True)):
        mine = _NOTHING if key is None else proposals.get(key, _NOTHING)
        body.extend(mine.before if first[key] == position else ())
        body.append(operation)
        body.extend(mine.after if last[key] == position else ())
    early = [one for key, table in proposals.items() if key not in dependent for one in table.beside]
    late = [one for key, table in proposals.items() if key in dependent for one in table.beside]
    return [*early, *body, *late]


_NOTHING: Final = TableProposals()


def _key_of(operation: MigrateOperation) -> TableKey | None:
    if isinstance(operation, CreateTableOp | DropTableOp | ModifyTableOps):
        return operation.schema, operation.table_name
    return None
