"""Operations in the schema that the ``schema_translate_map`` of the connection puts in the place of theirs."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from alembic.operations import Operations

__all__ = ["in_translated_schema"]


def in_translated_schema(perform: Callable[[Operations, Any], None]) -> Callable[[Operations, Any], None]:
    """Return what performs an operation where SQLAlchemy would look for its table.

    Alembic's operations become statements of SQLAlchemy, which translates their schemas. Ours are written as SQL. The
    extension is in no table's schema.
    """

    @wraps(perform)
    def performed(operations: Operations, operation: Any) -> None:  # Any: each of our operations
        if not operations.migration_context.as_sql and _is_about_a_table(operation):
            schemas = operations.get_bind().get_execution_options().get("schema_translate_map") or {}
            operation = replace(operation, schema=schemas.get(operation.schema, operation.schema))
        perform(operations, operation)

    return performed


def _is_about_a_table(operation: Any) -> bool:  # Any: each of our operations
    return hasattr(operation, "table_name") or hasattr(operation, "job")
