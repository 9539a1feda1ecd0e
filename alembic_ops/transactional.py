"""Takes the operations that run inside the migration's transaction: another name, another type."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alembic_ops.catalog import current_indexes
from alembic_ops.conversions import conversion
from alembic_ops.errors import IndexConflictError, VectorsInTheWayError
from alembic_ops.locking import policy_of, with_short_lock
from alembic_ops.offline import gate, literal
from alembic_ops.operations.definitions import describe_definition, qualified
from alembic_ops.problems import explained
from alembic_ops.quoting import DIALECT, PREPARER
from alembic_ops.sessions import inside_transaction, vectors_found
from alembic_ops.statements import create_index, qualified_name, verbatim
from alembic_ops.vector_types import vector_type_of
from sqlalchemy_vecsearch.metrics import metric_of_operator_class, operator_class

if TYPE_CHECKING:
    from alembic.operations import Operations
    from sqlalchemy import Connection, TextClause

    from alembic_ops.conversions import Conversion
    from alembic_ops.operations import AlterEmbeddingTypeOp, RenameVectorIndexOp
    from alembic_ops.state import IndexDefinition, IndexState

__all__ = ["perform_alter_embedding_type", "perform_rename_vector_index"]

_FIND_INDEX: Final = text("""
SELECT i.relname
  FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
 WHERE x.indrelid = pg_catalog.to_regclass(:table_name) AND i.relname IN (:name, :new_name)
""")


def perform_rename_vector_index(operations: Operations, operation: RenameVectorIndexOp) -> None:
    """Give an index its new name, unless it has it already."""
    context = operations.migration_context
    if not context.as_sql and not _needs_new_name(operations.get_bind(), operation):
        return
    old = qualified_name(PREPARER, operation.schema, operation.name)
    rename = verbatim(f"ALTER INDEX {old} RENAME TO {PREPARER.quote(operation.new_name)}")
    if context.as_sql:
        operations.execute(rename)
        return
    try:
        with inside_transaction(context):
            _locking(operations, operation.table_name, rename)
    except DBAPIError as error:
        raise explained(error, wish=operation.describe(), name=operation.name) from error


def _locking(operations: Operations, table_name: str, sql: TextClause) -> None:
    """Execute what takes a strong lock, asked for with a time limit and again until it is free."""
    with_short_lock(
        operations.get_bind(),
        partial(operations.execute, sql),
        table_name=table_name,
        policy=policy_of(operations.migration_context.opts),
        in_transaction=True,
    )


def _needs_new_name(connection: Connection, operation: RenameVectorIndexOp) -> bool:
    table = qualified_name(PREPARER, operation.schema, operation.table_name)
    names = {"table_name": table, "name": operation.name, "new_name": operation.new_name}
    found = set(connection.scalars(_FIND_INDEX, names))
    if operation.name in found:
        return True
    if operation.new_name in found:
        return False
    name = qualified(operation.schema, operation.name)
    raise IndexConflictError(
        f"There is no index {name!r} on the table {operation.table_name!r} to rename. "
        f"It was dropped, or has yet another name; none is called {operation.new_name!r} either. "
        "Correct the name, or create the index with op.create_vector_index().",
        name=name,
        current=None,
        wished=operation.new_name,
    )


def perform_alter_embedding_type(operations: Operations, operation: AlterEmbeddingTypeOp) -> None:
    """Give a column its new type with its vectors and its indexes, or refuse before anything has changed."""
    way = conversion(operation.existing_type, operation.type_, DIALECT)
    conditional = way.condition != "always" and operation.using is None and not operation.discard_vectors
    if operations.migration_context.as_sql:
        script = [_rows_gate(operation, way)] if conditional else []
        if _leaves_indexes_behind(operation):
            script.append(_indexes_gate(operation))
        for sql in [*script, _alter(operation, way)]:
            operations.execute(sql)
        return
    try:
        with inside_transaction(operations.migration_context) as connection, vectors_found(connection):
            if conditional:
                _refuse_rows_in_the_way(connection, operation, way)
            table = qualified_name(PREPARER, operation.schema, operation.table_name)
            _locking(operations, operation.table_name, verbatim(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
            if conditional:  # rows that came before the lock
                _refuse_rows_in_the_way(connection, operation, way)
            _alter_with_indexes(operations, connection, operation, way)
    except DBAPIError as error:
        raise explained(error, wish=operation.describe(), name=operation.column) from error


def _refuse_rows_in_the_way(connection: Connection, operation: AlterEmbeddingTypeOp, way: Conversion) -> None:
    if connection.scalar(verbatim(f"SELECT EXISTS ({_rows_in_the_way(operation, way)})")):
        raise VectorsInTheWayError(_refusal(operation), table_name=operation.table_name, column=operation.column)


def _alter_with_indexes(
    operations: Operations, connection: Connection, operation: AlterEmbeddingTypeOp, way: Conversion
) -> None:
    """Build anew, under their names, the indexes that PostgreSQL cannot carry over; it carries over the others."""
    followed = [
        (state, definition)
        for state in current_indexes(connection, {operation.schema})
        if state.table_name == operation.table_name and state.definition.column == operation.column
        if (definition := _followed(operation, state)) != state.definition
    ]
    for state, _ in followed:
        operations.execute(verbatim(f"DROP INDEX {qualified_name(PREPARER, state.schema, state.name)}"))
    operations.execute(_alter(operation, way))
    for state, definition in followed:
        operations.execute(create_index(PREPARER, state.name, state.table_name, state.schema, definition))


def _followed(operation: AlterEmbeddingTypeOp, state: IndexState) -> IndexDefinition:
    """Return what an index on the column becomes: the same metric on the other storage."""
    wished = vector_type_of(operation.type_, DIALECT)
    known = metric_of_operator_class(state.definition.operator_class)
    if wished is None or known is None or wished.dimensions is None or wished.array_dimensions is not None:
        raise IndexConflictError(
            f"The index {state.name!r} cannot follow the column {operation.column!r} to {operation.type_!r}. "
            "A vector index needs vectors of a known number of dimensions. "
            f"Put op.drop_vector_index({state.name!r}, ...) before, and create an index over a cast after.",
            name=state.name,
            current=describe_definition(state.definition),
            wished=None,
        )
    storage, metric = known
    if storage is wished.storage:
        return state.definition
    return replace(state.definition, operator_class=operator_class(wished.storage, metric).name)


def _alter(operation: AlterEmbeddingTypeOp, way: Conversion) -> TextClause:
    table = qualified_name(PREPARER, operation.schema, operation.table_name)
    column = PREPARER.quote(operation.column)
    value = operation.using or ("NULL" if operation.discard_vectors else column)
    if operation.using is None:
        value += "".join(f"::{name}" for name in way.casts if way.condition != "no_vectors")
    if operation.using is None and way.condition == "no_vectors":
        value = f"NULL::{way.casts[-1]}"
    return verbatim(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {way.casts[-1]} USING {value}")


def _rows_in_the_way(operation: AlterEmbeddingTypeOp, way: Conversion) -> str:
    table = qualified_name(PREPARER, operation.schema, operation.table_name)
    column = PREPARER.quote(operation.column)
    if way.of_elements:
        other = f"SELECT FROM unnest({column}) one WHERE vector_dims(one) <> {way.dimensions}"
        return f"SELECT FROM {table} WHERE EXISTS ({other})"
    if way.condition == "of_dimensions":
        return f"SELECT FROM {table} WHERE vector_dims({column}) <> {way.dimensions}"
    return f"SELECT FROM {table} WHERE {column} IS NOT NULL"


def _rows_gate(operation: AlterEmbeddingTypeOp, way: Conversion) -> TextClause:
    """Return the check of the rows that a script makes when it is run."""
    return verbatim(gate(f"EXISTS ({_rows_in_the_way(operation, way)})", _refusal(operation)))


def _leaves_indexes_behind(operation: AlterEmbeddingTypeOp) -> bool:
    """Say whether an index on the bare column would be refused, or kept although it could never be built again."""
    existing, wished = vector_type_of(operation.existing_type, DIALECT), vector_type_of(operation.type_, DIALECT)
    if existing is None:
        return False
    return wished is None or wished.dimensions is None or wished.storage is not existing.storage


def _indexes_gate(operation: AlterEmbeddingTypeOp) -> TextClause:
    """Return the check of the indexes that a script makes when it is run: it does not know their names."""
    table = qualified_name(PREPARER, operation.schema, operation.table_name)
    column = f"{qualified(operation.schema, operation.table_name)}.{operation.column}"
    return verbatim(
        gate(
            "EXISTS (SELECT FROM pg_catalog.pg_index x"
            " JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid JOIN pg_catalog.pg_am m ON m.oid = i.relam"
            " JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]"
            f" WHERE x.indrelid = to_regclass({literal(table)}) AND a.attname = {literal(operation.column)}"
            " AND m.amname IN ('hnsw', 'ivfflat'))",
            f"The column {column!r} has vector indexes that cannot follow it to {operation.type_!r}. "
            "A script does not know their names, and their operator class or their dimensions do not fit any more. "
            "Put op.drop_vector_index() before op.alter_embedding_type() and op.create_vector_index() after it, or run"
            " the upgrade online.",
        )
    )


def _refusal(operation: AlterEmbeddingTypeOp) -> str:
    column = f"{qualified(operation.schema, operation.table_name)}.{operation.column}"
    return (
        f"The column {column!r} holds vectors that cannot become {operation.type_!r}. "
        "Another number of dimensions is another embedding model, and nothing converts one into the other. "
        "Give op.alter_embedding_type() a using= expression, or discard_vectors=True to set them all to NULL and embed"
        " the rows again, or fill a column beside it and exchange their names: op.add_embedding_column(), and"
        " op.swap_embedding_columns() in a later revision."
    )
