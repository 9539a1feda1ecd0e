"""The operations that changes of vector indexes become. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from alembic_ops.autogenerate.changes import CreateIndex, DropIndex, RebuildIndex, RenameIndex
from alembic_ops.operations import (
    CreateVectorIndexOp,
    DropVectorIndexOp,
    RebuildVectorIndexOp,
    RenameVectorIndexOp,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alembic.operations.ops import MigrateOperation

    from alembic_ops.autogenerate.changes import Change
    from alembic_ops.model.index_state import IndexDefinition, IndexState
    from alembic_ops.planning.next_step import IndexOperation

__all__ = ["NEW_TABLE", "Circumstances", "Proposals", "TableKey", "propose"]

TableKey: TypeAlias = tuple[str | None, str]

NEW_TABLE: Final = "alembic_ops_new_table"
"""The key in ``info`` of an operation that creates an index of a table which the same revision creates."""


class Circumstances(Protocol):
    """What else the revision does to the table of an index."""

    def with_the_table(self, state: IndexState) -> bool:
        """Say whether the index changes in one transaction with its table, which nobody can use meanwhile."""

    def of_a_new_table(self, state: IndexState) -> bool:
        """Say whether the revision creates the table, which has no rows yet."""

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
    if circumstances.of_a_new_table(state):
        operation.info[NEW_TABLE] = True
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
