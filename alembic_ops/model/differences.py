"""Differences in the words that autogenerate and ``alembic check`` print. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic_ops.model.index_state import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic_ops.model.index_state import IndexDefinition

__all__ = [
    "added_column",
    "added_index",
    "changed_index",
    "changed_type",
    "dotted",
    "removed_index",
    "renamed_column",
    "renamed_index",
]


def dotted(schema: str | None, name: str) -> str:
    """Return a name with its schema, for people."""
    return name if schema is None else f"{schema}.{name}"


def added_index(schema: str | None, table_name: str, name: str) -> str:
    """Say that an index is declared that the database does not have."""
    return f"added vector index {name!r} on {dotted(schema, table_name)!r}"


def removed_index(schema: str | None, table_name: str, name: str) -> str:
    """Say that the database has an index that is not declared any more."""
    return f"removed vector index {name!r} on {dotted(schema, table_name)!r}"


def renamed_index(schema: str | None, table_name: str, name: str, new_name: str) -> str:
    """Say that an index is declared under another name."""
    return f"renamed vector index {name!r} to {new_name!r} on {dotted(schema, table_name)!r}"


def changed_index(
    schema: str | None, table_name: str, name: str, current: IndexDefinition | None, wished: IndexDefinition | None
) -> str:
    """Say what of an index changes: ``changed vector index 'ix' on 'document': m 16 -> 24``.

    Args:
        schema: the schema of the table, None for the default one.
        table_name: the table.
        name: the name of the index.
        current: what the index is, None where that is not known.
        wished: what it becomes, None where it stays what it is and is only INVALID.
    """
    subject = f"vector index {name!r} on {dotted(schema, table_name)!r}"
    if wished is None:
        return f"INVALID {subject}"
    if current is None:
        return f"changed {subject}"
    return f"changed {subject}: {', '.join(_differing(canonical(current), canonical(wished)))}"


def added_column(schema: str | None, table_name: str, column: str) -> str:
    """Say that a column of vectors is declared that the database does not have."""
    return f"added column {f'{dotted(schema, table_name)}.{column}'!r}"


def changed_type(schema: str | None, table_name: str, column: str, current: Any, wished: Any) -> str:
    """Say that a column of vectors gets another type."""  # Any: types of any library
    return f"type change from {current!r} to {wished!r} on {f'{dotted(schema, table_name)}.{column}'!r}"


def renamed_column(schema: str | None, table_name: str, column: str, new_name: str) -> str:
    """Say that a column is taken to have another name."""
    return f"renamed column {f'{dotted(schema, table_name)}.{column}'!r} to {new_name!r}"


def _differing(current: IndexDefinition, wished: IndexDefinition) -> Iterator[str]:
    if current.method != wished.method:
        yield f"method {current.method} -> {wished.method}"
    if _element(current) != _element(wished):
        yield f"{_element(current)} -> {_element(wished)}"
    if current.operator_class != wished.operator_class:
        yield f"operator class {current.operator_class} -> {wished.operator_class}"
    former = dict(current.parameters)
    for name, value in wished.parameters:
        if name in former and former[name] != value:
            yield f"{name} {former[name]} -> {value}"
        elif name not in former:
            yield f"{name} {value}"
    if current.predicate != wished.predicate:
        yield f"where {current.predicate or 'all rows'} -> {wished.predicate or 'all rows'}"


def _element(definition: IndexDefinition) -> str:
    return f"column {definition.column}" if definition.expression is None else f"expression {definition.expression}"
