"""The addition of a column as SQL for later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_ops.offline.gates import gate, published_gate
from alembic_ops.sql.columns import column_sql, column_type
from sqlalchemy_vecsearch.quoting import literal, qualified_name

if TYPE_CHECKING:
    from alembic_ops.operations import AddEmbeddingColumnOp

__all__ = ["addition_script", "has_type"]


def addition_script(operation: AddEmbeddingColumnOp) -> list[str]:
    """Return the statements that add a column, which pass over one that is there as it is asked for."""
    table = qualified_name(operation.schema, operation.table_name)
    column = operation.column
    wished = column_type(column)
    there = (
        "EXISTS (SELECT FROM pg_catalog.pg_attribute a"
        f" WHERE a.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({literal(table)})"
        f" AND a.attname OPERATOR(pg_catalog.=) {literal(column.name)} AND NOT a.attisdropped"
    )
    nullable = "" if column.nullable else " OR NOT a.attnotnull"
    return [
        gate(
            f"{there} AND (NOT {has_type(wished)}{nullable}))",
            f"The table {operation.table_name!r} has a column {column.name!r} already, and it is another one. "
            f"The revision asks for {wished.lower()}{'' if column.nullable else ' NOT NULL'}, and a script changes no "
            "column. Run the revision online, use op.alter_embedding_type(), or choose another name.",
        ),
        *published_gate(operation, unless=f"{there})"),
        f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column_sql(column)}",
    ]


def has_type(wished: str) -> str:
    """Return the condition that the attribute ``a`` is of a type; where the type is not known, it does not hold."""
    modifiers = literal("".join(wished.partition("(")[1:]))
    written = "pg_catalog.format_type(a.atttypid, a.atttypmod)"
    return (
        f"COALESCE(a.atttypid OPERATOR(pg_catalog.=) CAST(pg_catalog.to_regtype({literal(wished)}) AS pg_catalog.oid)"
        f" AND pg_catalog.substring({written}, pg_catalog.strpos(pg_catalog.concat({written}, '('), '('))"
        f" OPERATOR(pg_catalog.=) {modifiers}, false)"
    )
