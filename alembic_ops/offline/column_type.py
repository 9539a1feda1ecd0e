"""The change of a column's type as SQL for later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_ops.offline.column_addition import has_type
from alembic_ops.offline.gates import published_gate
from alembic_ops.operations.arguments import qualified
from alembic_ops.planning.column_type import (
    alter_statement,
    depends_on_rows,
    leaves_indexes_behind,
    refusal,
    rows_in_the_way,
)
from sqlalchemy_vecsearch.quoting import DIALECT, dollar_quoted, literal, qualified_name

if TYPE_CHECKING:
    from alembic_ops.operations import AlterEmbeddingTypeOp

__all__ = ["column_type_script"]


def column_type_script(operation: AlterEmbeddingTypeOp) -> list[str]:
    """Return a block that changes the type, or stops at what is in the way; one that has the type is left alone.

    A second run must not discard the vectors that have come since the first one.
    """
    table = qualified_name(operation.schema, operation.table_name)
    wished = operation.type_.compile(dialect=DIALECT)
    checks = []
    if depends_on_rows(operation):
        checks.append((f"EXISTS ({rows_in_the_way(operation)})", refusal(operation)))
    if leaves_indexes_behind(operation):
        checks.append((_has_vector_indexes(operation, table), _left_behind(operation)))
    done = (
        "EXISTS (SELECT FROM pg_catalog.pg_attribute a"
        f" WHERE a.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({literal(table)})"
        f" AND a.attname OPERATOR(pg_catalog.=) {literal(operation.column)} AND {has_type(wished)})"
    )
    body = "\n    ".join(
        [
            f"BEGIN IF {done} THEN RETURN; END IF;",
            *(
                f"IF {condition} THEN RAISE EXCEPTION USING MESSAGE = {literal(text)}; END IF;"
                for condition, text in checks
            ),
            f"{alter_statement(operation)};",
        ]
    )
    return [*published_gate(operation, unless=done), f"DO {dollar_quoted(f'{body} END', tag='alter')}"]


def _has_vector_indexes(operation: AlterEmbeddingTypeOp, table: str) -> str:
    return (
        "EXISTS (SELECT FROM pg_catalog.pg_index x"
        " JOIN pg_catalog.pg_class i ON i.oid OPERATOR(pg_catalog.=) x.indexrelid"
        " JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) i.relam"
        " JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) x.indrelid"
        " AND a.attnum OPERATOR(pg_catalog.=) x.indkey[0]"
        f" WHERE x.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({literal(table)})"
        f" AND a.attname OPERATOR(pg_catalog.=) {literal(operation.column)}"
        " AND m.amname OPERATOR(pg_catalog.=) ANY (CAST('{hnsw,ivfflat}' AS pg_catalog.name[])))"
    )


def _left_behind(operation: AlterEmbeddingTypeOp) -> str:
    column = f"{qualified(operation.schema, operation.table_name)}.{operation.column}"
    return (
        f"The column {column!r} has vector indexes that cannot follow it to {operation.type_!r}. "
        "A script does not know their names, and their operator class or their dimensions do not fit any more. "
        "Put op.drop_vector_index() before op.alter_embedding_type() and op.create_vector_index() after it, or run"
        " the upgrade online."
    )
