"""The next step towards a valid index of a name and definition, on a table or on each of its partitions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from alembic_ops.operations import CreateVectorIndexOp, RebuildVectorIndexOp
from alembic_ops.planning.conflicts import not_valid, require_same, require_vector_index, wait_for
from alembic_ops.sql.steps import AttachIndex, BuildIndex, DropIndex, ReindexIndex, Step
from sqlalchemy_vecsearch.names import fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alembic_ops.catalog.tables import Facts, FoundIndex, FoundTable
    from alembic_ops.model.index_state import IndexDefinition

__all__ = ["index_on", "missing_step", "partition_index_name", "step_of_parts"]

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

    def built(part_name: str, partition: FoundTable) -> BuildIndex:
        return BuildIndex(
            name=part_name,
            table_name=partition.name,
            schema=partition.schema,
            definition=definition,
            concurrently=not partition.partitioned,
            only=partition.partitioned,
        )

    def require(part: FoundIndex, *, attached: bool) -> None:
        require_same(operation, part, facts, automatic_lists=automatic_lists and attached)

    return step_of_parts(found, facts, build=built, clear=partial(_clear, operation, done=done), require=require)


class _Require(Protocol):
    def __call__(self, part: FoundIndex, /, *, attached: bool) -> None: ...


def step_of_parts(
    whole: FoundIndex,
    facts: Facts,
    *,
    build: Callable[[str, FoundTable], Step],
    clear: Callable[[FoundIndex], Step],
    require: _Require | None = None,
) -> Step | None:
    """Return the next step towards an index of each partition, None when all are valid and attached.

    Args:
        whole: the index of the partitioned table.
        facts: what the catalog says now.
        build: gives the step that builds an index by its name and its partition.
        clear: gives the step that removes an index that is not valid, and stands by itself.
        require: raises an error of an index that is another than the wished one, attached to its parent or not yet;
            None where the name says enough.
    """
    assert facts.table is not None, "it has the index"
    indexes = {facts.table.oid: whole}
    for partition in facts.partitions:
        assert partition.parent is not None, "a partition has a parent"
        parent = indexes[partition.parent]
        child = next((one for one in facts.indexes if (one.parent, one.table_oid) == (parent.oid, partition.oid)), None)
        if child is not None:
            if (step := _repair_part(child)) is not None:
                return step
            if require is not None:
                require(child, attached=True)
            indexes[partition.oid] = child
            continue
        name = partition_index_name(partition, whole.name)
        found = index_on(partition, name, facts)
        if found is None:
            return build(name, partition)
        if found.builder is not None:
            return wait_for(found)
        if not found.usable and not found.partitioned:
            return clear(found)
        if require is not None:
            require(found, attached=False)
        return AttachIndex(parent=parent.name, parent_schema=parent.schema, name=found.name, schema=found.schema)
    return None


def _repair_part(child: FoundIndex) -> Step | None:
    """An attached index cannot be dropped by itself, and so an invalid one is built anew where it is."""
    if child.builder is not None:
        return wait_for(child)
    if child.usable or child.partitioned:
        return None
    return ReindexIndex(name=child.name, schema=child.schema)


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
