"""Conflicts of an index operation with what the database has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_ops.errors import BuildError, IndexConflictError
from alembic_ops.model.index_state import canonical
from alembic_ops.operations.arguments import describe_definition, qualified
from alembic_ops.sql.steps import WaitForBuild

if TYPE_CHECKING:
    from alembic_ops.catalog.tables import Facts, FoundIndex
    from alembic_ops.model.index_state import IndexDefinition
    from alembic_ops.operations import (
        CreateVectorIndexOp,
        DropVectorIndexOp,
        RebuildVectorIndexOp,
        RenameVectorIndexOp,
        SwapVectorIndexOp,
    )

__all__ = [
    "missing_index",
    "missing_index_to_rename",
    "not_valid",
    "require_same",
    "require_usable_replacement",
    "require_vector_index",
    "wait_for",
    "wished_definition",
]


def wished_definition(definition: IndexDefinition, facts: Facts) -> IndexDefinition:
    """Return the definition that is asked for, in its normal form where that is known."""
    return canonical(definition if facts.wished is None else facts.wished)


def require_same(
    operation: CreateVectorIndexOp | RebuildVectorIndexOp,
    found: FoundIndex,
    facts: Facts,
    *,
    automatic_lists: bool = False,
) -> None:
    """Refuse an index that has the name and another definition.

    Raises:
        IndexConflictError: with both definitions.
    """
    assert operation.definition is not None, "the caller has one to compare"
    assert found.definition is not None, "the caller has made sure that it is a vector index"
    wished = wished_definition(operation.definition, facts)
    if _comparable(found.definition, automatic_lists) == _comparable(wished, automatic_lists):
        return
    current, other = describe_definition(found.definition), describe_definition(wished)
    name = qualified(operation.schema, found.name)
    raise IndexConflictError(
        f"There is an index {name!r} already, and it is another one: {current}, where {other} is asked for. "
        "It is valid and may be in use, so that nothing was changed. "
        f"Give it the new definition without a gap by op.rebuild_vector_index({found.name!r}, ...), or drop it.",
        name=name,
        current=current,
        wished=other,
    )


def require_vector_index(
    operation: CreateVectorIndexOp | DropVectorIndexOp | RebuildVectorIndexOp | SwapVectorIndexOp,
    found: FoundIndex,
    facts: Facts,
) -> None:
    """Refuse to touch an index of another table or another kind.

    Raises:
        IndexConflictError: with the SQL of what has the name.
    """
    assert facts.table is not None, "an operation without a table is refused before"
    if found.table_oid == facts.table.oid and found.definition is not None:
        return
    name = qualified(operation.schema, found.name)
    raise IndexConflictError(
        f"The name {name!r} belongs to another index: {found.sql}. "
        f"The operation wants to {operation.describe()}, and touches no index of another table or method. "
        "Choose another name, or drop that index yourself when nothing needs it.",
        name=name,
        current=found.sql,
        wished=None,
    )


def require_usable_replacement(operation: SwapVectorIndexOp, beside: FoundIndex) -> None:
    """Refuse to put an index in the place of another that no query could use.

    Raises:
        IndexConflictError: the replacement is not valid.
    """
    if beside.usable:
        return
    name = qualified(operation.schema, beside.name)
    raise IndexConflictError(
        f"The index {name!r} is not valid and cannot take the place of {operation.name!r}. "
        "Its build was interrupted, so that no query would use it, and the old index would be gone. "
        f"Build it by op.create_vector_index({beside.name!r}, ...), which finishes it, and swap then.",
        name=name,
        current=beside.sql,
        wished=None,
    )


def missing_index(
    operation: RebuildVectorIndexOp | SwapVectorIndexOp, index_name: str, verb: str
) -> IndexConflictError:
    """Return the error for an index that an operation needs and the table has not."""
    name = qualified(operation.schema, index_name)
    return IndexConflictError(
        f"There is no index {name!r} to {verb}. "
        "It was dropped, or has another name or another schema. "
        "Correct the name, or create the index with op.create_vector_index().",
        name=name,
        current=None,
        wished=None,
    )


def missing_index_to_rename(operation: RenameVectorIndexOp) -> IndexConflictError:
    """Return the error for an index that has neither of two names."""
    name = qualified(operation.schema, operation.name)
    return IndexConflictError(
        f"There is no index {name!r} on the table {operation.table_name!r} to rename. "
        f"It was dropped, or has yet another name; none is called {operation.new_name!r} either. "
        "Correct the name, or create the index with op.create_vector_index().",
        name=name,
        current=None,
        wished=operation.new_name,
    )


def not_valid(name: str) -> BuildError:
    """Return the error for a build that ended without an error and without a valid index."""
    return BuildError(
        f"The build of the index {name!r} ended, and the index is not valid. "
        "The server gave it up, so that writes may pay for it and no query uses it. "
        "Run the upgrade again, which drops it and builds it anew.",
        name=name,
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


def wait_for(found: FoundIndex) -> WaitForBuild:
    """Return the step that waits for whoever is at work on an index."""
    assert found.builder is not None, "somebody builds it"
    return WaitForBuild(name=found.name, schema=found.schema, builder=found.builder)
