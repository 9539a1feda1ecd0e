"""The next step towards a column of vectors that is there, of the right type, and NOT NULL where it has to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_ops.errors import MigrationError
from alembic_ops.planning.column_settings import not_null_check
from alembic_ops.planning.publications import refuse_published
from alembic_ops.sql.columns import column_sql, column_type
from alembic_ops.sql.steps import AlterTable, Finished, Step, ValidateCheck
from sqlalchemy_vecsearch.quoting import PREPARER, qualified_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.catalog.columns import ColumnFacts, FoundColumn
    from alembic_ops.operations import AddEmbeddingColumnOp

__all__ = ["addition_step", "no_table", "not_null_step", "proof_step"]


def addition_step(operation: AddEmbeddingColumnOp, facts: ColumnFacts, done: Sequence[Step] = ()) -> Step:
    """Return what to do next about a column, given what the catalog says now and which steps this run has taken.

    Raises:
        PublishedTableError: subscribers may lack the column.
        MigrationError: there is no such table, it has rows that the column would leave without a vector, or a column of
            this name and another type.
    """
    if facts.oid is None:
        raise no_table(operation.table_name)
    alter = f"ALTER TABLE {qualified_name(operation.schema, operation.table_name)}"
    required = not operation.column.nullable
    if facts.column is None:
        if required and operation.column.server_default is None and facts.has_rows:
            raise _rows_without_a_vector(operation)
        refuse_published(operation, facts.publications)
        return AlterTable(
            sql=f"{alter} ADD COLUMN {column_sql(operation.column)}",
            table_name=operation.table_name,
            schema=operation.schema,
        )
    _require_type(operation, facts.column)
    step = not_null_step(operation.table_name, operation.schema, operation.column.name, facts) if required else None
    return step or Finished(remark=None if done else f"the column {operation.column.name!r} is there already")


def not_null_step(table_name: str, schema: str | None, column: str, facts: ColumnFacts) -> Step | None:
    """Return the next step towards a column that is NOT NULL, which blocks nobody, None once it is."""
    assert facts.column is not None, "the caller has made sure"
    alter = f"ALTER TABLE {qualified_name(schema, table_name)}"
    if not facts.column.required:
        sql = f"{alter} ALTER COLUMN {PREPARER.quote(column)} SET NOT NULL"
        return proof_step(table_name, schema, column, facts) or AlterTable(
            sql=sql, table_name=table_name, schema=schema
        )
    if facts.proven is not None:  # by this run, or by one that was interrupted
        check = PREPARER.quote(not_null_check(table_name, column))
        return AlterTable(sql=f"{alter} DROP CONSTRAINT {check}", table_name=table_name, schema=schema)
    return None


def proof_step(table_name: str, schema: str | None, column: str, facts: ColumnFacts) -> Step | None:
    """Return the next step towards the constraint that proves a column to have no NULL, None once it does."""
    check = not_null_check(table_name, column)
    if facts.proven is None:
        table = qualified_name(schema, table_name)
        return AlterTable(
            sql=f"ALTER TABLE {table} ADD CONSTRAINT {PREPARER.quote(check)} "
            f"CHECK ({PREPARER.quote(column)} IS NOT NULL) NOT VALID",
            table_name=table_name,
            schema=schema,
        )
    if not facts.proven:
        return ValidateCheck(table_name=table_name, schema=schema, column=column, check=check)
    return None


def no_table(table_name: str) -> MigrationError:
    """Return the error for a table that is not there."""
    return MigrationError(
        f"There is no table {table_name!r}. "
        "It has another name or another schema, or an earlier revision should have created it. "
        "Correct the name, or create the table first."
    )


def _rows_without_a_vector(operation: AddEmbeddingColumnOp) -> MigrationError:
    return MigrationError(
        f"The column {operation.column.name!r} cannot be added as NOT NULL: {operation.table_name!r} has rows. "
        "They have no vector yet, and PostgreSQL would refuse them. "
        "Add the column with nullable=True, fill it, and then use op.add_embedding_column() with nullable=False "
        "in a later revision, or give it a server_default."
    )


def _require_type(operation: AddEmbeddingColumnOp, found: FoundColumn) -> None:
    wished = column_type(operation.column).lower()
    if found.type.rpartition(".")[2].lower() == wished.rpartition(".")[2]:
        return
    raise MigrationError(
        f"The table {operation.table_name!r} has a column {operation.column.name!r} already, of type {found.type}. "
        f"The revision asks for {wished}, and adding a column never changes one that is there. "
        "Use op.alter_embedding_type(), or choose another name."
    )
