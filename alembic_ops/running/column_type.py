"""Runs the change of a column's type, inside the migration's transaction."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from alembic_ops.catalog.columns import find_columns, find_table
from alembic_ops.catalog.indexes import current_indexes
from alembic_ops.catalog.publications import find_publications
from alembic_ops.errors import VectorsInTheWayError
from alembic_ops.offline.column_type import column_type_script
from alembic_ops.planning.column_type import (
    alter_statement,
    depends_on_rows,
    followed_definition,
    is_done,
    refusal,
    rows_in_the_way,
)
from alembic_ops.planning.publications import published_columns, refuse_published
from alembic_ops.running.advisory_lock import advisory_lock
from alembic_ops.running.session import Session, print_script, session
from alembic_ops.sql.statements import create_index, verbatim
from sqlalchemy_vecsearch.quoting import qualified_name

if TYPE_CHECKING:
    from alembic.operations import Operations

    from alembic_ops.operations import AlterEmbeddingTypeOp

__all__ = ["perform_alter_embedding_type"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


def perform_alter_embedding_type(operations: Operations, operation: AlterEmbeddingTypeOp) -> None:
    """Give a column its new type with its vectors and its indexes, or refuse before anything has changed."""
    if operations.migration_context.as_sql:
        print_script(operations, column_type_script(operation), in_transaction=True)
        return
    with session(operations, operation, in_transaction=True) as running:
        _alter(running, operation)


def _alter(running: Session, operation: AlterEmbeddingTypeOp) -> None:
    table = qualified_name(operation.schema, operation.table_name)
    found = find_table(running.connection, table)
    with advisory_lock(running, None if found is None else found[0], subject=f"the table {operation.table_name!r}"):
        column = find_columns(running.connection, table, [operation.column]).get(operation.column)
        if column is not None and is_done(operation, column.type):
            _LOG.info("%s: the column has the type already", operation.describe())
            return
        refuse_published(operation, find_publications(running.connection, table, published_columns(operation)))
        _refuse_rows_in_the_way(running, operation)  # before anybody has to wait for it
        running.shortly(
            lambda: running.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
            table_name=operation.table_name,
            schema=operation.schema,
        )
        _refuse_rows_in_the_way(running, operation)  # rows that came before the lock
        _alter_with_indexes(running, operation)
        _LOG.info("%s: done", operation.describe())


def _refuse_rows_in_the_way(running: Session, operation: AlterEmbeddingTypeOp) -> None:
    if not depends_on_rows(operation):
        return
    if running.connection.scalar(verbatim(f"SELECT EXISTS ({rows_in_the_way(operation)})")):
        raise VectorsInTheWayError(refusal(operation), table_name=operation.table_name, column=operation.column)


def _alter_with_indexes(running: Session, operation: AlterEmbeddingTypeOp) -> None:
    """Build anew, under their names, the indexes that PostgreSQL cannot carry over; it carries over the others."""
    followed = [
        (state, definition)
        for state in current_indexes(running.connection, {operation.schema})
        if state.table_name == operation.table_name and state.definition.column == operation.column
        if (definition := followed_definition(operation, state)) != state.definition
    ]
    for sql in (
        *(verbatim(f"DROP INDEX {qualified_name(state.schema, state.name)}") for state, _ in followed),
        verbatim(alter_statement(operation)),
        *(create_index(state.name, state.table_name, state.schema, definition) for state, definition in followed),
    ):
        _LOG.info("%s", sql)
        running.connection.execute(sql)
