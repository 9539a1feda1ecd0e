"""The next step of an operation on a vector index, so that a second run goes on where the first one stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from alembic_ops.errors import MigrationError
from alembic_ops.operations import (
    CreateVectorIndexOp,
    DropVectorIndexOp,
    RebuildVectorIndexOp,
    RenameVectorIndexOp,
    SwapVectorIndexOp,
)
from alembic_ops.operations.arguments import qualified
from alembic_ops.planning.conflicts import (
    missing_index,
    missing_index_to_rename,
    require_usable_replacement,
    require_vector_index,
    wait_for,
    wished_definition,
)
from alembic_ops.planning.partitions import index_on, missing_step, partition_index_name
from alembic_ops.planning.reindex import reindex_step
from alembic_ops.sql.steps import BuildIndex, DropIndex, Finished, ReindexIndex, RenameIndex, Step, WaitForTable
from sqlalchemy_vecsearch.names import fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.catalog.tables import Facts, FoundIndex, FoundTable
    from alembic_ops.model.index_state import IndexDefinition

__all__ = ["IndexOperation", "names_that_matter", "next_step", "replacement_name"]

IndexOperation: TypeAlias = (
    CreateVectorIndexOp | DropVectorIndexOp | RebuildVectorIndexOp | RenameVectorIndexOp | SwapVectorIndexOp
)


def next_step(operation: IndexOperation, facts: Facts, done: Sequence[Step] = ()) -> Step:
    """Return what to do next, given what the catalog says now and which steps this run has taken.

    Raises:
        IndexConflictError: what has the name is not what the operation expects.
        BuildError: a build of this run ended without a valid index.
        MigrationError: there is no such table.
    """
    step = _next_step(operation, facts, done)
    table = _table_of(step, facts)
    if table is None or table.occupant is None:
        return step
    return WaitForTable(table_name=table.name, process=table.occupant)


def names_that_matter(operation: IndexOperation) -> tuple[str, ...]:
    """Return the names of indexes that the next step depends on."""
    if isinstance(operation, SwapVectorIndexOp):
        return (operation.name, operation.replacement)
    if isinstance(operation, RenameVectorIndexOp):
        return (operation.name, operation.new_name)
    return (operation.name, replacement_name(operation.name))


def replacement_name(name: str) -> str:
    """Return the name of the index that is built beside another, to take its place."""
    return fitted(name, suffix="__new")


def _table_of(step: Step, facts: Facts) -> FoundTable | None:
    """Return the table that a step works on concurrently, None for the other steps."""
    if not isinstance(step, BuildIndex | ReindexIndex | DropIndex) or not step.concurrently:
        return None
    tables = [table for table in (facts.table, *facts.partitions) if table is not None]
    if isinstance(step, BuildIndex):
        named = (table for table in tables if table.name == step.table_name and step.schema in (None, table.schema))
        return next(named, None)
    oids = {index.table_oid for index in facts.indexes if index.name == step.name and index.schema == step.schema}
    return next((table for table in tables if table.oid in oids), None)


def _next_step(operation: IndexOperation, facts: Facts, done: Sequence[Step]) -> Step:
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
    if isinstance(operation, RenameVectorIndexOp):
        return _rename(operation, facts, done)
    return _rebuild(operation, facts, done)


def _create(operation: CreateVectorIndexOp, facts: Facts, done: Sequence[Step]) -> Step:
    step = missing_step(operation, operation.name, operation.definition, facts, done)
    if step is not None:
        return step
    if any(isinstance(one, BuildIndex) for one in done):
        return Finished()
    return Finished(remark=f"the index {operation.name!r} is there already, valid and as wished")


def _drop(operation: DropVectorIndexOp, facts: Facts, done: Sequence[Step]) -> Step:
    found = facts.named(operation.name)
    if found is None:
        for partition in facts.partitions:
            left = index_on(partition, partition_index_name(partition, operation.name), facts)
            if left is not None and left.parent is None:
                return _removal(operation, left)
        return Finished(remark=None if done else f"there is no index {operation.name!r} any more")
    require_vector_index(operation, found, facts)
    return _removal(operation, found)


def _swap(operation: SwapVectorIndexOp, facts: Facts, done: Sequence[Step]) -> Step:
    found, beside = facts.named(operation.name), facts.named(operation.replacement)
    if found is not None:
        require_vector_index(operation, found, facts)
    if beside is None:
        if found is not None and any(isinstance(step, RenameIndex) for step in done):
            return Finished()
        if found is not None and _was_promoted_meanwhile(operation, found, facts):
            return Finished(remark="another process has done it meanwhile")
        raise missing_index(operation, operation.replacement, "promote")
    require_vector_index(operation, beside, facts)
    if beside.builder is not None:
        return wait_for(beside)
    require_usable_replacement(operation, beside)
    if found is not None:
        return _removal(operation, found)
    # the parts first: while one of them waits for its name, the replacement is still there to be promoted
    part = _renamed_part(operation.replacement, operation.name, facts)
    return part or RenameIndex(name=beside.name, new_name=operation.name, schema=beside.schema)


def _was_promoted_meanwhile(operation: SwapVectorIndexOp, found: FoundIndex, facts: Facts) -> bool:
    """Say whether an index is what had the name of the replacement when the run began."""
    beside = None if facts.before is None else facts.before.named(operation.replacement)
    return beside is not None and beside.oid == found.oid


def _rename(operation: RenameVectorIndexOp, facts: Facts, done: Sequence[Step]) -> Step:
    assert facts.table is not None, "an operation without a table is refused before"
    found, named = (
        index if index is not None and index.table_oid == facts.table.oid else None
        for index in (facts.named(operation.name), facts.named(operation.new_name))
    )
    if found is not None:
        return RenameIndex(name=found.name, new_name=operation.new_name, schema=found.schema)
    if named is not None:
        return Finished(remark=None if done else f"the index is called {operation.new_name!r} already")
    raise missing_index_to_rename(operation)


def _rebuild(operation: RebuildVectorIndexOp, facts: Facts, done: Sequence[Step]) -> Step:
    found = facts.named(operation.name)
    if found is not None:
        require_vector_index(operation, found, facts)
    if operation.definition is None:
        if found is None:
            raise missing_index(operation, operation.name, "rebuild")
        return reindex_step(operation, found, facts, done)
    beside = facts.named(replacement_name(operation.name))
    if beside is None and (found is None or found.definition == wished_definition(operation.definition, facts)):
        return _rebuild_in_place(operation, operation.definition, found, facts, done)
    step = missing_step(operation, replacement_name(operation.name), operation.definition, facts, done)
    if step is not None:
        return step
    assert beside is not None, "nothing is missing of it"
    if found is None:
        return RenameIndex(name=beside.name, new_name=operation.name, schema=beside.schema)
    return _removal(operation, found)


def _rebuild_in_place(
    operation: RebuildVectorIndexOp,
    definition: IndexDefinition,
    found: FoundIndex | None,
    facts: Facts,
    done: Sequence[Step],
) -> Step:
    """Rebuild where nothing stands beside: an index that is gone, one of the same definition, or our own new one."""
    if found is None or (found.partitioned and not found.usable):
        step = missing_step(operation, operation.name, definition, facts, done)
        return Finished() if step is None else step
    part = _renamed_part(replacement_name(operation.name), operation.name, facts)
    if part is not None:
        return part
    if found.usable and any(isinstance(step, RenameIndex | BuildIndex) for step in done):
        return Finished()
    if found.usable and facts.was_built_meanwhile(found):
        return Finished(remark="another process has done it meanwhile")
    return reindex_step(operation, found, facts, done)


def _renamed_part(name: str, new_name: str, facts: Facts) -> RenameIndex | None:
    """Return the step that names the index of a partition after the new name of the whole, None when all are."""
    for partition in facts.partitions:
        part = index_on(partition, partition_index_name(partition, name), facts)
        wished = partition_index_name(partition, new_name)
        if part is not None and index_on(partition, wished, facts) is None:
            return RenameIndex(name=part.name, new_name=wished, schema=part.schema)
    return None


def _removal(operation: IndexOperation, found: FoundIndex) -> Step:
    """Drop an index once nobody works on it; PostgreSQL drops the index of a partitioned table by a short lock only."""
    if found.builder is not None and not found.partitioned:
        return wait_for(found)
    return DropIndex(
        name=found.name, schema=found.schema, concurrently=operation.concurrently and not found.partitioned
    )
