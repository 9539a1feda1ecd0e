"""What a change of a column's type does to its rows and its indexes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from alembic_ops.errors import IndexConflictError
from alembic_ops.model.conversions import conversion
from alembic_ops.model.vector_types import vector_type_of
from alembic_ops.operations.arguments import describe_definition, qualified
from sqlalchemy_vecsearch.metrics import metric_of_operator_class, operator_class
from sqlalchemy_vecsearch.quoting import DIALECT, PREPARER, qualified_name

if TYPE_CHECKING:
    from alembic_ops.model.index_state import IndexDefinition, IndexState
    from alembic_ops.operations import AlterEmbeddingTypeOp

__all__ = [
    "alter_statement",
    "depends_on_rows",
    "followed_definition",
    "is_done",
    "leaves_indexes_behind",
    "refusal",
    "rows_in_the_way",
]


def is_done(operation: AlterEmbeddingTypeOp, found: str) -> bool:
    """Say whether a column that was to become another type is of it: a second time would discard what has come since.

    Args:
        operation: the change.
        found: the type of the column as the server writes it, with a schema where that is not on the search path. One
            that the server and SQLAlchemy write by different names is not recognised.
    """
    existing, wished = (type_.compile(dialect=DIALECT).lower() for type_ in (operation.existing_type, operation.type_))
    return found.rpartition(".")[2].lower() == wished.rpartition(".")[2] != existing.rpartition(".")[2]


def depends_on_rows(operation: AlterEmbeddingTypeOp) -> bool:
    """Say whether rows can stand in the way: vectors that do not convert, of which nothing says what they become."""
    way = conversion(operation.existing_type, operation.type_)
    return way.condition != "always" and operation.using is None and not operation.discard_vectors


def rows_in_the_way(operation: AlterEmbeddingTypeOp) -> str:
    """Return a query of the rows whose vectors cannot follow.

    The elements of an array of real are counted rather than the dimensions of a vector: the schema of pgvector's own
    functions is not known to a script.
    """
    way = conversion(operation.existing_type, operation.type_)
    table = qualified_name(operation.schema, operation.table_name)
    column = PREPARER.quote(operation.column)
    elements = "pg_catalog.cardinality(CAST({} AS pg_catalog.float4[]))"
    others = f"{elements} OPERATOR(pg_catalog.<>) {way.dimensions}"
    if way.of_elements:
        one = f"SELECT FROM pg_catalog.unnest({column}) AS one WHERE {others.format('one')}"
        return f"SELECT FROM {table} WHERE EXISTS ({one})"
    if way.condition == "of_dimensions":
        return f"SELECT FROM {table} WHERE {others.format(column)}"
    return f"SELECT FROM {table} WHERE {column} IS NOT NULL"


def alter_statement(operation: AlterEmbeddingTypeOp) -> str:
    """Return the statement that gives the column its new type, with what becomes of each value."""
    way = conversion(operation.existing_type, operation.type_)
    table = qualified_name(operation.schema, operation.table_name)
    column = PREPARER.quote(operation.column)
    value = operation.using or ("NULL" if operation.discard_vectors else column)
    if operation.using is None:
        value += "".join(f"::{name}" for name in way.casts if way.condition != "no_vectors")
    if operation.using is None and way.condition == "no_vectors":
        value = f"NULL::{way.casts[-1]}"
    return f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {way.casts[-1]} USING {value}"


def followed_definition(operation: AlterEmbeddingTypeOp, state: IndexState) -> IndexDefinition:
    """Return what an index on the column becomes: the same metric on the other storage.

    Raises:
        IndexConflictError: the new type cannot have such an index.
    """
    wished = vector_type_of(operation.type_)
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


def leaves_indexes_behind(operation: AlterEmbeddingTypeOp) -> bool:
    """Say whether an index on the bare column would be refused, or kept although it could never be built again."""
    existing, wished = vector_type_of(operation.existing_type), vector_type_of(operation.type_)
    if existing is None:
        return False
    return wished is None or wished.dimensions is None or wished.storage is not existing.storage


def refusal(operation: AlterEmbeddingTypeOp) -> str:
    """Return what is said of rows in the way."""
    column = f"{qualified(operation.schema, operation.table_name)}.{operation.column}"
    return (
        f"The column {column!r} holds vectors that cannot become {operation.type_!r}. "
        "Another number of dimensions is another embedding model, and nothing converts one into the other. "
        "Give op.alter_embedding_type() a using= expression, or discard_vectors=True to set them all to NULL and embed"
        " the rows again, or fill a column beside it and exchange their names: op.add_embedding_column(), and"
        " op.swap_embedding_columns() in a later revision."
    )
