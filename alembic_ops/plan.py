"""From an index operation and the facts to the next step, so that a second run goes on where the first one stopped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from alembic_ops.conflicts import (
    missing_index,
    not_valid,
    require_same,
    require_usable_replacement,
    require_vector_index,
    wished_definition,
)
from alembic_ops.errors import MigrationError
from alembic_ops.operations import CreateVectorIndexOp, DropVectorIndexOp, RebuildVectorIndexOp, SwapVectorIndexOp
from alembic_ops.operations.definitions import qualified
from alembic_ops.steps import (
    AttachIndex,
    BuildIndex,
    DropIndex,
    Finished,
    ReindexIndex,
    RenameIndex,
    Step,
    WaitForBuild,
)
from sqlalchemy_vecsearch.names import IDENTIFIER_BYTES, fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.facts import Facts, FoundIndex, FoundTable
    from alembic_ops.state import IndexDefinition

__all__ = ["IndexOperation", "names_that_matter", "next_step", "replacement_name"]

IndexOperation: TypeAlias = CreateVectorIndexOp | DropVectorIndexOp | RebuildVectorIndexOp | SwapVectorIndexOp

_Building: TypeAlias = CreateVectorIndexOp | RebuildVectorIndexOp

_TRANSIENT: Final = re.compile(r"^(?P<base>.*)(?P<suffix>_cc(?P<kind>new|old)[0-9]*)$", re.DOTALL)


def next_step(operation: IndexOperation, facts: Facts, done: Sequence[Step] = ()) -> Step:
    """Return what to do next, given what the catalog says now and which steps this run has taken.

    Raises:
        IndexConflictError: what has the name is not what the operation expects.
        BuildError: a build of this run ended without a valid index.
        MigrationError: there is no such table.
    """
    if facts.table is None:
        raise MigrationError(
            f"There is no table {qualified(operation.schema, operation.table_name)!r}. "
            f"The operation wants to {operation.describe()}. "
            "Create the table in an earlier revision, or correct its name or its schema."
        )
    if isinstance(operation, CreateVectorIndexOp):
        return _create(operation, facts, done)
    if isinstance(operation, DropVectorIndexOp):
        return _drop(operation, facts, done)
    if isinstance(operation, SwapVectorIndexOp):
        return _swap(operation, facts, done)
    return _rebuild(operation, facts, done)


def names_that_matter(operation: IndexOperation) -> tuple[str, ...]:
    """Return the names of indexes that the next step depends on."""
    if isinstance(operation, SwapVectorIndexOp):
        return (operation.name, operation.replacement)
    return (operation.name, replacement_name(operation.name))


def replacement_name(name: str) -> str:
    """Return the name of the index that is built beside another, to take its place."""
    return fitted(name, suffix="__new")


def _create(operation: CreateVectorIndexOp, facts: Facts, done: Sequence[Step]) -> Step:
    step = _missing(operation, operation.name, operation.definition, facts, done)
    if step is not None:
        return step
    if any(isinstance(one, BuildIndex) for one in done):
        return Finished()
    return Finished(remark=f"the index {operation.name!r} is there already, valid and as wished")


def _drop(operation: DropVectorIndexOp, facts: Facts, done: Sequence[Step]) -> Step:
    found = facts.named(operation.name)
    if found is None:
        for partition in facts.partitions:
            left = _on(partition, _partition_index_name(partition, operation.name), facts)
            if left is not None and left.parent is None:
                return _remove(operation, left)
        return Finished(remark=None if done else f"there is no index {operation.name!r} any more")
    require_vector_index(operation, found, facts)
    return _remove(operation, found)


def _swap(operation: SwapVectorIndexOp, facts: Facts, done: Sequence[Step]) -> Step:
    found, beside = facts.named(operation.name), facts.named(operation.replacement)
    if found is not None:
        require_vector_index(operation, found, facts)
    if beside is None:
        if found is not None and any(isinstance(step, RenameIndex) for step in done):
            return Finished()
        raise missing_index(operation, operation.replacement, "promote")
    require_vector_index(operation, beside, facts)
    if beside.builder is not None:
        return _wait(beside)
    require_usable_replacement(operation, beside)
    if found is None:
        return RenameIndex(name=beside.name, new_name=operation.name, schema=beside.schema)
    return _remove(operation, found)


def _rebuild(operation: RebuildVectorIndexOp, facts: Facts, done: Sequence[Step]) -> Step:
    found = facts.named(operation.name)
    if found is not None:
        require_vector_index(operation, found, facts)
    if operation.definition is None:
        if found is None:
            raise missing_index(operation, operation.name, "rebuild")
        return _reindex(operation, found, facts, done)
    beside = facts.named(replacement_name(operation.name))
    if beside is None and (found is None or found.definition == wished_definition(operation.definition, facts)):
        return _rebuild_in_place(operation, operation.definition, found, facts, done)
    step = _missing(operation, replacement_name(operation.name), operation.definition, facts, done)
    if step is not None:
        return step
    assert beside is not None, "nothing is missing of it"
    if found is None:
        return RenameIndex(name=beside.name, new_name=operation.name, schema=beside.schema)
    return _remove(operation, found)


def _rebuild_in_place(
    operation: RebuildVectorIndexOp,
    definition: IndexDefinition,
    found: FoundIndex | None,
    facts: Facts,
    done: Sequence[Step],
) -> Step:
    """Rebuild where nothing stands beside: an index that is gone, one of the same definition, or our own new one."""
    if found is None or (found.partitioned and not found.usable):
        step = _missing(operation, operation.name, definition, facts, done)
        return Finished() if step is None else step
    for partition in facts.partitions:
        part = _on(partition, _partition_index_name(partition, replacement_name(operation.name)), facts)
        if part is not None:
            wished = _partition_index_name(partition, operation.name)
            return RenameIndex(name=part.name, new_name=wished, schema=part.schema)
    if found.usable and any(isinstance(step, RenameIndex | BuildIndex) for step in done):
        return Finished()
    return _reindex(operation, found, facts, done)


def _missing(
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
        return _wait(found)
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
    name = _partition_index_name(partition, whole)
    found = _on(partition, name, facts)
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
        return _wait(found)
    if not found.usable and not found.partitioned:
        return _clear(operation, found, done)
    require_same(operation, found, facts)
    return AttachIndex(parent=parent.name, parent_schema=parent.schema, name=found.name, schema=found.schema)


def _repair_part(operation: _Building, child: FoundIndex) -> Step | None:
    """An attached index cannot be dropped by itself, and so an invalid one is built anew where it is."""
    if child.builder is not None:
        return _wait(child)
    if child.usable or child.partitioned:
        return None
    return ReindexIndex(name=child.name, schema=child.schema, concurrently=operation.concurrently)


def _partition_index_name(partition: FoundTable, name: str) -> str:
    return fitted(f"{partition.name}_{name}")


def _on(partition: FoundTable, name: str, facts: Facts) -> FoundIndex | None:
    return next((one for one in facts.indexes if one.table_oid == partition.oid and one.name == name), None)


def _reindex(operation: RebuildVectorIndexOp, found: FoundIndex, facts: Facts, done: Sequence[Step]) -> Step:
    """Build an index anew by its own definition, and sweep what interrupted attempts left."""
    if found.builder is not None:
        return _wait(found)
    parts = [
        found,
        *(index for index in facts.indexes if index.parent is not None and index.table_oid != found.table_oid),
    ]
    left = [index for index in facts.indexes if any(_is_transient(index, part) for part in parts)]
    for index in left:
        if index.builder is not None:
            return _wait(index)
    for index in left:
        return DropIndex(name=index.name, schema=index.schema, concurrently=operation.concurrently)
    if found.usable and _was_rebuilt(done, partitioned=found.partitioned):
        return Finished()
    if any(isinstance(step, ReindexIndex) for step in done):
        raise not_valid(found.name)
    return ReindexIndex(name=found.name, schema=found.schema, concurrently=operation.concurrently)


def _was_rebuilt(done: Sequence[Step], *, partitioned: bool) -> bool:
    """Say whether this run, or the one before it, has come so far that the new index serves.

    ``_ccold`` is what the old index is called after the new one has taken its name; a build that another process
    finished while we waited, and that left no ``_ccnew``, has taken it too. One partition says nothing about others.
    """
    if any(isinstance(step, ReindexIndex) for step in done):
        return True
    dropped = [_TRANSIENT.match(step.name) for step in done if isinstance(step, DropIndex)]
    kinds = {match["kind"] for match in dropped if match is not None}
    if partitioned or "new" in kinds:
        return False
    waited = any(isinstance(step, WaitForBuild) and _TRANSIENT.match(step.name) for step in done)
    return "old" in kinds or waited


def _is_transient(index: FoundIndex, of: FoundIndex) -> bool:
    """Say whether an index is what an interrupted REINDEX CONCURRENTLY left of another.

    PostgreSQL cuts the name so that it and the suffix fit, at a whole character.
    """
    match = _TRANSIENT.match(index.name)
    if match is None or index.valid or index.table_oid != of.table_oid or index.definition != of.definition:
        return False
    base = of.name.encode()[: IDENTIFIER_BYTES - len(match["suffix"])].decode(errors="ignore")
    return match["base"] == base


def _wait(found: FoundIndex) -> WaitForBuild:
    assert found.builder is not None, "somebody builds it"
    return WaitForBuild(name=found.name, schema=found.schema, builder=found.builder)


def _clear(operation: _Building, found: FoundIndex, done: Sequence[Step]) -> DropIndex:
    if any(isinstance(step, BuildIndex) and step.name == found.name for step in done):
        raise not_valid(found.name)
    return DropIndex(name=found.name, schema=found.schema, concurrently=operation.concurrently)


def _remove(operation: IndexOperation, found: FoundIndex) -> Step:
    """Drop an index once nobody works on it; PostgreSQL drops the index of a partitioned table by a short lock only."""
    if found.builder is not None and not found.partitioned:
        return _wait(found)
    return DropIndex(
        name=found.name, schema=found.schema, concurrently=operation.concurrently and not found.partitioned
    )
