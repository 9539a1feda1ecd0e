"""The query side of a distance: a vector, an expression, or the embedding of a stored row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Float,
    and_,
    bindparam,
    func,
    inspect,
    literal_column,
    not_,
    select,
    type_coerce,
)
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql import operators
from sqlalchemy.sql.selectable import FromClause
from sqlalchemy.types import NullType

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.metrics import Metric, Storage
from sqlalchemy_vecsearch.search.building.column import SearchedColumn
from sqlalchemy_vecsearch.search.building.comparing import equal
from sqlalchemy_vecsearch.search.building.deferred import Deferred
from sqlalchemy_vecsearch.search.building.row_keys import entity_key
from sqlalchemy_vecsearch.selects import as_clause, shown, stored_element
from sqlalchemy_vecsearch.storages import plain_value
from sqlalchemy_vecsearch.types import VECTOR
from sqlalchemy_vecsearch.types.validation import checked_vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import InstrumentedAttribute

    from sqlalchemy_vecsearch.search.building.column import Declared
    from sqlalchemy_vecsearch.search.building.subselects import Selected

__all__ = ["StoredEmbedding", "embedding_of"]

Query: TypeAlias = (
    "Sequence[float] | np.ndarray[Any, Any] | ColumnElement[Any] | InstrumentedAttribute[Any] | StoredEmbedding | Any"
)
"""Whatever :func:`nearest` compares with. Any: pgvector's value classes and sparse arrays have no common type."""


@dataclass(frozen=True, slots=True)
class StoredEmbedding:
    """The embedding of one stored row, as :func:`embedding_of` names it."""

    entity: Any  # Any: a mapped class or a table
    identity: tuple[Any, ...]


def embedding_of(entity: Any, identity: Any) -> StoredEmbedding:
    """Return the embedding of the row with this primary key, for ``nearest``: "more like this row".

    The vector stays on the server: it is read by a scalar sub-select, which an index serves, and never by a join,
    which none does. ``nearest`` leaves the row itself out. A row that does not exist, or whose embedding is NULL, has
    no nearest rows; ``session.get(Document, 42).embedding`` tells which of the two it is. So has, for cosine, one whose
    embedding is zero.

    Args:
        entity: the mapped class, or the table, that is searched.
        identity: the primary key; a tuple, in the order of the key's columns, when there are several.

    Raises:
        SearchError: the entity has no primary key, or one of another length.

    Example:
        ```text
        nearest(Document, Document.embedding, embedding_of(Document, 42), k=10)
        ```
    """
    values = tuple(map(plain_key, identity if isinstance(identity, tuple | list) else (identity,)))
    columns = _key_columns(entity)
    if len(columns) != len(values):
        raise SearchError(
            f"The key {identity!r} has {len(values)} parts, and the primary key of {_name(entity)} has {len(columns)}. "
            "A stored row is found by its whole key. "
            f"Pass a value for each of {', '.join(column.name for column in columns) or 'its columns'}."
        )
    return StoredEmbedding(entity, values)


def plain_key(value: Any) -> Any:  # Any: a value of any key column
    """Return a value of a key as drivers can send it: a scalar of numpy as the Python value that it is."""
    return value.item() if isinstance(value, np.generic) else value


def bound_query(query: Query, searched: SearchedColumn) -> ColumnElement[Any]:
    """Return the query as an SQL expression of the column's type.

    Raises:
        SearchError: it is a zero vector, to be compared by cosine.
        VectorValueError: the value is no vector that can be compared with the column.
    """
    if isinstance(query, StoredEmbedding):
        return _stored(query, searched)
    if isinstance(query, BindParameter) and isinstance(query.type, NullType):
        typed: ColumnElement[Any] = type_coerce(query, searched.type).typed_expression
        return typed
    if isinstance(query, ColumnElement):
        return query
    if isinstance(query, QueryableAttribute):
        element: ColumnElement[Any] = query.__clause_element__()
        return element
    sent = plain_value(as_clause(searched.element).type, query)
    value = checked_vector(sent, searched.storage, dimensions=searched.dimensions, column=searched.label)
    if searched.metric is Metric.COSINE and _is_zero(value):
        raise SearchError(
            f"The query for {searched.label!r} is a zero vector. "
            "Cosine compares directions and a zero vector has none, so every distance would be NaN and the rows those "
            "that come first. "
            "Pass the embedding of something, or search by another metric."
        )
    return bindparam(None, value, searched.type, unique=True)


def bound_queries(queries: Sequence[Query], searched: SearchedColumn) -> list[ColumnElement[Any]]:
    """Return several queries as :func:`bound_query` does: where all are arrays of the type, they are checked as one.

    Raises:
        SearchError: one is a zero vector, to be compared by cosine.
        VectorValueError: one is no vector that can be compared with the column.
    """
    type_ = searched.type
    if type(type_) is VECTOR and _are_checked(queries, searched):
        return [bindparam(None, query, type_, unique=True) for query in queries]
    return [bound_query(query, searched) for query in queries]


def _are_checked(queries: Sequence[Any], searched: SearchedColumn) -> bool:
    """Return whether all queries are arrays that can be compared with the column; what is wrong is not said."""
    if not all(type(query) is np.ndarray and query.dtype == np.float32 for query in queries):
        return False
    if {query.shape for query in queries} != {(searched.dimensions,)}:
        return False
    vectors = np.stack(queries)
    return bool(np.isfinite(vectors).all() and (searched.metric is not Metric.COSINE or vectors.any(axis=1).all()))


def can_be_compared(vector: ColumnElement[Any], searched: SearchedColumn) -> ColumnElement[bool]:
    """Return the condition that a vector of the server's is not NULL and, for cosine, not zero.

    pgvector orders by an arbitrary vector when the query is NULL, and by nothing when every distance is NaN.
    """
    if searched.metric is not Metric.COSINE:
        return vector.is_not(None)
    length = func.vector_norm if searched.storage is Storage.VECTOR else func.l2_norm
    return length(vector, type_=Float(53)) > literal_column("CAST(0 AS DOUBLE PRECISION)")


def _is_zero(value: Any) -> bool:  # Any: whatever checked_vector accepts
    if isinstance(value, np.ndarray):
        return not value.any()
    if isinstance(value, list | tuple):
        return not any(value)
    if hasattr(value, "count_nonzero"):  # a sparse array of scipy
        return not value.count_nonzero()
    return not np.any(value.to_numpy() if hasattr(value, "to_numpy") else value)


def exclusions(query: Query, vector: ColumnElement[Any], searched: SearchedColumn) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a query brings: a stored row is left out, and its embedding can be compared.

    The second is evaluated once.
    """
    if not isinstance(query, StoredEmbedding):
        return ()
    same = [equal(column, value) for column, value in zip(entity_key(searched.element), query.identity, strict=True)]
    return not_(and_(*same)), can_be_compared(vector, searched)


def _stored(query: StoredEmbedding, searched: SearchedColumn) -> ColumnElement[Any]:
    """Return the sub-select that reads a stored embedding."""
    if not _same_table(query.entity, searched):
        raise SearchError(
            f"embedding_of({_name(query.entity)}, ...) names a row of another table than {searched.label}. "
            "The stored embedding is read from the column that is searched. "
            "Pass the class that is searched, or the other vector as select(...).scalar_subquery()."
        )
    element = as_clause(searched.element)
    sent = (sent_key(as_clause(key), value) for key, value in zip(entity_key(element), query.identity, strict=True))
    row = Deferred(_StoredRow(searched.declared), [element, *sent], [("embedding", element.type)])
    return row.scalar_subquery()


@dataclass(frozen=True, slots=True)
class _StoredRow:
    """How a stored embedding is read, from an alias so that it can not correlate."""

    declared: Declared

    def __call__(self, element: Any, *identity: Any) -> Selected:
        """Return the SELECT of it."""
        stored, embedding = SearchedColumn(element, stored_element(element), self.declared).of_another_row()
        return select(embedding).where(*map(equal, entity_key(stored), identity))


def sent_key(key: Any, value: Any) -> ColumnElement[Any]:  # Any: a column, and whatever it holds
    """Return a value of a key as the parameter that it is in a comparison."""
    if isinstance(value, ColumnElement):
        return value
    return bindparam(key.key, value, key.type.coerce_compared_value(operators.eq, value), unique=True)


def _same_table(entity: Any, searched: SearchedColumn) -> bool:
    if isinstance(entity, FromClause):
        return _root(entity) is searched.column.table
    return searched.column.table in inspect(entity).mapper.tables


def _root(source: FromClause) -> FromClause:
    while hasattr(source, "element"):
        source = source.element
    return source


def _key_columns(entity: Any) -> tuple[ColumnElement[Any], ...]:
    if isinstance(entity, FromClause):
        return tuple(entity.primary_key)
    try:
        found = inspect(entity)
    except NoInspectionAvailable:
        found = None
    if hasattr(found, "mapper"):
        return tuple(found.mapper.primary_key)
    raise SearchError(
        f"{shown(entity)} is neither a mapped class nor a table. "
        "A stored embedding belongs to a row of one of them. "
        "Pass the class that is searched, such as Document."
    )


def _name(entity: Any) -> str:
    return repr(getattr(entity, "__name__", None) or getattr(entity, "name", None) or entity)
