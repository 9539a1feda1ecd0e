"""From an index operation and the facts to the next step, so that a second run goes on where the first one stopped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from alembic_ops.errors import BuildError, IndexConflictError, MigrationError
from alembic_ops.facts import with_defaults
from alembic_ops.operations import CreateVectorIndexOp, DropVectorIndexOp, RebuildVectorIndexOp
from alembic_ops.operations.definitions import describe_definition, qualified
from alembic_ops.steps import BuildIndex, DropIndex, Finished, ReindexIndex, RenameIndex, Step, WaitForBuild
from sqlalchemy_vecsearch.names import IDENTIFIER_BYTES, fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.facts import Facts, FoundIndex
    from alembic_ops.state import IndexDefinition

__all__ = ["IndexOperation", "names_that_matter", "next_step", "replacement_name"]

IndexOperation = CreateVectorIndexOp | DropVectorIndexOp | RebuildVectorIndexOp

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
    return _rebuild(operation, facts, done)


def names_that_matter(operation: IndexOperation) -> tuple[str, ...]:
    """Return the names of indexes that the next step depends on."""
    return (operation.name, replacement_name(operation.name))


def replacement_name(name: str) -> str:
    """Return the name of the index that is built beside another, to take its place."""
    return fitted(name, suffix="__new")


def _create(operation: CreateVectorIndexOp, facts: Facts, done: Sequence[Step]) -> Step:
    found = facts.named(operation.name)
    if found is None:
        return _build(operation, operation.name, operation.definition)
    _require_vector_index(operation, found, facts)
    if found.builder is not None:
        return _wait(found)
    if not found.usable:
        return _clear(operation, found, done)
    _require_same(operation, found, facts, automatic_lists=operation.automatic_lists)
    if any(isinstance(step, BuildIndex) for step in done):
        return Finished()
    return Finished(remark=f"the index {operation.name!r} is there already, valid and as wished")


def _drop(operation: DropVectorIndexOp, facts: Facts, done: Sequence[Step]) -> Step:
    found = facts.named(operation.name)
    if found is None:
        return Finished(remark=None if done else f"there is no index {operation.name!r} any more")
    _require_vector_index(operation, found, facts)
    if found.builder is not None:
        return _wait(found)
    return DropIndex(name=found.name, schema=found.schema, concurrently=operation.concurrently)


def _rebuild(operation: RebuildVectorIndexOp, facts: Facts, done: Sequence[Step]) -> Step:
    found = facts.named(operation.name)
    if found is not None:
        _require_vector_index(operation, found, facts)
    beside = facts.named(replacement_name(operation.name)) if operation.definition is not None else None
    if beside is not None:
        return _switch(operation, found, beside, facts, done)
    if found is None:
        if operation.definition is not None:
            return _build(operation, operation.name, operation.definition)
        raise IndexConflictError(
            f"There is no index {qualified(operation.schema, operation.name)!r} to rebuild. "
            "It was dropped, or has another name or another schema. "
            "Correct the name, or create the index with op.create_vector_index().",
            name=qualified(operation.schema, operation.name),
            current=None,
            wished=None,
        )
    if any(isinstance(step, RenameIndex | BuildIndex) for step in done) and found.usable:
        return Finished()
    if operation.definition is None or found.definition == _wished(operation.definition, facts):
        return _reindex(operation, found, facts, done)
    return _build(operation, replacement_name(operation.name), operation.definition)


def _switch(
    operation: RebuildVectorIndexOp, found: FoundIndex | None, beside: FoundIndex, facts: Facts, done: Sequence[Step]
) -> Step:
    """Let the index that was built beside take the place of the old one."""
    _require_vector_index(operation, beside, facts)
    if beside.builder is not None:
        return _wait(beside)
    if not beside.usable:
        return _clear(operation, beside, done)
    _require_same(operation, beside, facts)
    if found is None:
        return RenameIndex(name=beside.name, new_name=operation.name, schema=beside.schema)
    if found.builder is not None:
        return _wait(found)
    return DropIndex(name=found.name, schema=found.schema, concurrently=operation.concurrently)


def _reindex(operation: RebuildVectorIndexOp, found: FoundIndex, facts: Facts, done: Sequence[Step]) -> Step:
    """Build an index anew by its own definition, and sweep what interrupted attempts left."""
    if found.builder is not None:
        return _wait(found)
    left = [(index, kind) for index in facts.indexes if (kind := _transient_kind(index, found)) is not None]
    for index, _ in left:
        if index.builder is not None:
            return _wait(index)
    for index, _ in left:
        return DropIndex(name=index.name, schema=index.schema, concurrently=operation.concurrently)
    if _was_rebuilt(done) and found.usable:
        return Finished()
    if any(isinstance(step, ReindexIndex) for step in done):
        raise _not_valid(found.name)
    return ReindexIndex(name=found.name, schema=found.schema, concurrently=operation.concurrently)


def _was_rebuilt(done: Sequence[Step]) -> bool:
    """Say whether this run, or the one before it, has come so far that the new index serves.

    ``_ccold`` is what the old index is called after the new one has taken its name; a build that another process
    finished while we waited, and that left no ``_ccnew``, has taken it too.
    """
    if any(isinstance(step, ReindexIndex) for step in done):
        return True
    dropped = [_TRANSIENT.match(step.name) for step in done if isinstance(step, DropIndex)]
    kinds = {match["kind"] for match in dropped if match is not None}
    if "new" in kinds:
        return False
    waited = any(isinstance(step, WaitForBuild) and _TRANSIENT.match(step.name) for step in done)
    return "old" in kinds or waited


def _transient_kind(index: FoundIndex, of: FoundIndex) -> str | None:
    """Return "new" or "old" for what REINDEX CONCURRENTLY left of an index, None for any other index.

    PostgreSQL cuts the name so that it and the suffix fit, at a whole character.
    """
    match = _TRANSIENT.match(index.name)
    if match is None or index.valid or index.table_oid != of.table_oid or index.definition != of.definition:
        return None
    base = of.name.encode()[: IDENTIFIER_BYTES - len(match["suffix"])].decode(errors="ignore")
    return match["kind"] if match["base"] == base else None


def _build(operation: CreateVectorIndexOp | RebuildVectorIndexOp, name: str, definition: IndexDefinition) -> BuildIndex:
    return BuildIndex(
        name=name,
        table_name=operation.table_name,
        schema=operation.schema,
        definition=definition,
        concurrently=operation.concurrently,
    )


def _wait(found: FoundIndex) -> WaitForBuild:
    assert found.builder is not None, "somebody builds it"
    return WaitForBuild(name=found.name, schema=found.schema, builder=found.builder)


def _clear(operation: CreateVectorIndexOp | RebuildVectorIndexOp, found: FoundIndex, done: Sequence[Step]) -> DropIndex:
    if any(isinstance(step, BuildIndex) and step.name == found.name for step in done):
        raise _not_valid(found.name)
    return DropIndex(name=found.name, schema=found.schema, concurrently=operation.concurrently)


def _not_valid(name: str) -> BuildError:
    return BuildError(
        f"The build of the index {name!r} ended, and the index is not valid. "
        "The server gave it up, so that writes may pay for it and no query uses it. "
        "Run the upgrade again, which drops it and builds it anew.",
        name=name,
    )


def _wished(definition: IndexDefinition, facts: Facts) -> IndexDefinition:
    return with_defaults(definition if facts.wished is None else facts.wished)


def _require_same(
    operation: CreateVectorIndexOp | RebuildVectorIndexOp,
    found: FoundIndex,
    facts: Facts,
    *,
    automatic_lists: bool = False,
) -> None:
    assert operation.definition is not None, "the caller has one to compare"
    assert found.definition is not None, "the caller has made sure that it is a vector index"
    wished = _wished(operation.definition, facts)
    if _comparable(found.definition, automatic_lists) == _comparable(wished, automatic_lists):
        return
    current, other = describe_definition(found.definition), describe_definition(wished)
    name = qualified(operation.schema, found.name)
    raise IndexConflictError(
        f"There is an index {name!r} already, and it is another one: {current}, where {other} is asked for. "
        "It is valid and may be in use, so that nothing was changed. "
        f"Give it the new definition without a gap by op.rebuild_vector_index({operation.name!r}, ...), or drop it.",
        name=name,
        current=current,
        wished=other,
    )


def _comparable(definition: IndexDefinition, automatic_lists: bool) -> tuple[object, ...]:
    parameters = tuple(one for one in definition.parameters if not (automatic_lists and one[0] == "lists"))
    return (
        definition.method,
        definition.operator_class,
        definition.column,
        definition.expression,
        parameters,
        definition.predicate,
    )


def _require_vector_index(operation: IndexOperation, found: FoundIndex, facts: Facts) -> None:
    """Refuse to touch an index of another table or another kind."""
    assert facts.table is not None, "next_step has made sure"
    if found.table_oid == facts.table.oid and found.definition is not None:
        return
    name = qualified(operation.schema, found.name)
    raise IndexConflictError(
        f"The name {name!r} belongs to another index: {found.sql}. "
        f"The operation wants to {operation.describe()}, and touches no index of another table or method. "
        "Choose another name, or drop that index yourself when nothing needs it.",
        name=name,
        current=found.sql,
        wished=None if operation.definition is None else describe_definition(operation.definition),
    )
