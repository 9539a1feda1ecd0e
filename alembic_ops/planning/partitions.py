"""The next step towards a valid index of a name and definition, on a table or on each of its partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from alembic_ops.operations import CreateVectorIndexOp, RebuildVectorIndexOp
from alembic_ops.planning.conflicts import not_valid, require_same, require_vector_index, wait_for
from alembic_ops.sql.steps import AttachIndex, BuildIndex, DropIndex, ReindexIndex, Step
from sqlalchemy_vecsearch.names import fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.catalog.tables import Facts, FoundIndex, FoundTable
    from alembic_ops.model.index_state import IndexDefinition

__all__ = ["index_on", "missing_step", "partition_index_name"]

_Building: TypeAlias = CreateVectorIndexOp | RebuildVectorIndexOp


def missing_step(
    operation: _Building, name: str, definition: IndexDefinition, facts: Facts, done: Sequence[Step]
) -> Step | None:
    """Return the next step towards a valid index of a name and definition, None when there is one."""
    assert facts.table is not None, "next_step has made sure"
    automatic_lists = isinstance(operation, CreateVectorIndexOp) and operation.automatic_lists
    by_parts = facts.table.partitioned and operation.concurrently
    found = facts.named(name)
    if found is None:
        return BuildIndex(
            name=name,
            table_name=operation.table_name,
            schema=operation.schema,
            definition=definition,
            concurrently=operation.concurrently and not by_parts,
            only=by_parts,
        )
    require_vector_index(operation, found, facts)
    if found.builder is not None and not by_parts:
        return wait_for(found)
    if not found.usable and not by_parts:
        return _clear(operation, found, done)
    require_same(operation, found, facts, automatic_lists=automatic_lists)
    if not by_parts:
        return None
    indexes = {facts.table.oid: found}
    for partition in facts.partitions:
        assert partition.parent is not None, "a partition has a parent"
        parent = indexes[partition.parent]
        child = next(
            (one for one in facts.indexes if one.parent == parent.oid and one.table_oid == partition.oid), None
        )
        step = _missing_part(operation, definition, name, partition, parent, child, facts, done)
        if step is not None:
            return step
        assert child is not None, "nothing is missing of it"
        require_same(operation, child, facts, automatic_lists=automatic_lists)
        indexes[partition.oid] = child
    return None


def _missing_part(
    operation: _Building,
    definition: IndexDefinition,
    whole: str,
    partition: FoundTable,
    parent: FoundIndex,
    child: FoundIndex | None,
    facts: Facts,
    done: Sequence[Step],
) -> Step | None:
    """Return the next step towards the index of one partition, None when it is valid and attached."""
    if child is not None:
        return _repair_part(operation, child)
    name = partition_index_name(partition, whole)
    found = index_on(partition, name, facts)
    if found is None:
        return BuildIndex(
            name=name,
            table_name=partition.name,
            schema=partition.schema,
            definition=definition,
            concurrently=operation.concurrently and not partition.partitioned,
            only=partition.partitioned,
        )
    if found.builder is not None:
        return wait_for(found)
    if not found.usable and not found.partitioned:
        return _clear(operation, found, done)
    require_same(operation, found, facts)
    return AttachIndex(parent=parent.name, parent_schema=parent.schema, name=found.name, schema=found.schema)


def _repair_part(operation: _Building, child: FoundIndex) -> Step | None:
    """An attached index cannot be dropped by itself, and so an invalid one is built anew where it is."""
    if child.builder is not None:
        return wait_for(child)
    if child.usable or child.partitioned:
        return None
    return ReindexIndex(name=child.name, schema=child.schema, concurrently=operation.concurrently)


def _clear(operation: _Building, found: FoundIndex, done: Sequence[Step]) -> DropIndex:
    if any(isinstance(step, BuildIndex) and step.name == found.name for step in done):
        raise not_valid(found.name)
    return DropIndex(name=found.name, schema=found.schema, concurrently=operation.concurrently)


def partition_index_name(partition: FoundTable, name: str) -> str:
    """Return the name that the part of an index has on a partition."""
    return fitted(f"{partition.name}_{name}")


def index_on(partition: FoundTable, name: str, facts: Facts) -> FoundIndex | None:
    """Return the index of a name on a partition."""
    return next((one for one in facts.indexes if one.table_oid == partition.oid and one.name == name), None)
