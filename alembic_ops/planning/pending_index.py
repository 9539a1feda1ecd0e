"""The next step towards a valid index of the rows that need embedding, on a table or on each of its partitions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from alembic_ops.errors import IndexConflictError
from alembic_ops.operations.arguments import qualified
from alembic_ops.planning.conflicts import not_valid, wait_for
from alembic_ops.planning.partitions import step_of_parts
from alembic_ops.sql.steps import BuildPendingIndex, DropIndex, ReindexIndex, Step, WaitForTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.catalog.tables import Facts, FoundIndex, FoundTable

__all__ = ["PendingIndex", "pending_index_step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingIndex:
    """An index over the primary key of a table, of the rows that meet a condition."""

    name: str
    key: tuple[str, ...]
    condition: str


def pending_index_step(
    wished: PendingIndex, facts: Facts, done: Sequence[Step], *, another_condition: bool = False
) -> Step | None:
    """Return the next step towards a valid index, None when there is one.

    It has no value of its own: one of another condition is dropped and built anew.

    Args:
        wished: the index.
        facts: what the catalog says now.
        done: the steps that this run has taken.
        another_condition: whether the one that is there holds other rows.

    Raises:
        IndexConflictError: the name belongs to another table.
        BuildError: a build of this run ended without a valid index.
    """
    assert facts.table is not None, "the caller has made sure"
    step = _step(wished, facts, done, another_condition=another_condition)
    table = _table_of(step, facts)
    if table is None or table.occupant is None:
        return step
    return WaitForTable(table_name=table.name, process=table.occupant)


def _step(wished: PendingIndex, facts: Facts, done: Sequence[Step], *, another_condition: bool) -> Step | None:
    table = facts.table
    assert table is not None, "as above"
    found = facts.named(wished.name)
    if found is None:
        return _build(wished, wished.name, table)
    _require_own(wished, found, table)
    if found.builder is not None and not table.partitioned:
        return wait_for(found)
    if another_condition or (not found.usable and not table.partitioned):
        return _clear(found, done)
    if not table.partitioned:
        return None
    return step_of_parts(found, facts, build=partial(_build, wished), clear=partial(_clear, done=done))


def _build(wished: PendingIndex, name: str, table: FoundTable) -> BuildPendingIndex:
    return BuildPendingIndex(
        name=name,
        table_name=table.name,
        schema=table.schema,
        key=wished.key,
        condition=wished.condition,
        concurrently=not table.partitioned,
        only=table.partitioned,
    )


def _clear(found: FoundIndex, done: Sequence[Step]) -> DropIndex:
    if any(isinstance(step, BuildPendingIndex) and step.name == found.name for step in done):
        raise not_valid(found.name)
    return DropIndex(name=found.name, schema=found.schema, concurrently=not found.partitioned)


def _require_own(wished: PendingIndex, found: FoundIndex, table: FoundTable) -> None:
    if found.table_oid == table.oid:
        return
    name = qualified(table.schema, wished.name)
    raise IndexConflictError(
        f"The name {name!r} belongs to an index of the table {found.table_name!r}. "
        f"The index of the rows of {table.name!r} that need embedding would have that name. "
        "Rename the other one by ALTER INDEX, and run the upgrade again.",
        name=name,
        current=found.sql,
        wished=None,
    )


def _table_of(step: Step | None, facts: Facts) -> FoundTable | None:
    """Return the table that a step works on concurrently, None for the other steps."""
    if not isinstance(step, BuildPendingIndex | ReindexIndex | DropIndex) or not step.concurrently:
        return None
    tables = [table for table in (facts.table, *facts.partitions) if table is not None]
    if isinstance(step, BuildPendingIndex):
        return next(table for table in tables if (table.name, table.schema) == (step.table_name, step.schema))
    oids = {index.table_oid for index in facts.indexes if (index.name, index.schema) == (step.name, step.schema)}
    return next((table for table in tables if table.oid in oids), None)
