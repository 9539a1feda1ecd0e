"""The column that a search goes through: its metric and the index that serves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import QueryableAttribute

from sqlalchemy_vecsearch.columns import declaration_of
from sqlalchemy_vecsearch.errors import DeclarationError, MetricError, SearchError
from sqlalchemy_vecsearch.expressions import dimensions_of, storage_of
from sqlalchemy_vecsearch.indexes import VectorIndex, describe_index, plain_column
from sqlalchemy_vecsearch.metrics import Metric, Storage, operator_class
from sqlalchemy_vecsearch.search.statements import Statement, reads

if TYPE_CHECKING:
    from sqlalchemy import Column
    from sqlalchemy.types import TypeEngine

    from sqlalchemy_vecsearch.expressions import Quantize

__all__ = ["SearchedColumn", "own_column", "searched_column"]


@dataclass(frozen=True, slots=True)
class SearchedColumn:
    """A vector column as a search sees it.

    ``element`` is what the caller passed and what stands in the SQL; ``column`` is the table's column behind it.
    ``index`` is None when no declared index serves the metric; the search then works with any index, or none.
    """

    element: Any  # Any: a mapped attribute or a column, which share their operators but no class
    column: Column[Any]
    storage: Storage
    dimensions: int | None
    metric: Metric
    index: VectorIndex | None

    @property
    def type(self) -> TypeEngine[Any]:
        """The type of the column, which is that of a query vector too."""
        return self.column.type

    @property
    def quantize(self) -> Quantize | None:
        """What the serving index holds instead of the whole vectors, None when it holds them or there is none."""
        return None if self.index is None else self.index.quantize

    @property
    def label(self) -> str:
        """The name of the column with its table, for messages."""
        return f"{self.column.table.name}.{self.column.name}" if self.column.table is not None else self.column.name


def searched_column(element: Any, metric: Metric | str | None = None, *, exact: bool = False) -> SearchedColumn:
    """Return what is known of a vector column, with the metric asked for or the one that is declared.

    Args:
        element: a mapped attribute, an attribute of an alias, or a column.
        metric: None takes the metric of the declaration, or the only one that the column's indexes serve.
        exact: True accepts a metric that no index serves.

    Raises:
        MetricError: no metric is declared, several are, or the column's index serves another than was asked for.
        SearchError: the element is no vector column.
    """
    column = _vector_column(element)
    storage = storage_of(column.type)
    if storage is None:
        raise SearchError(
            f"The column {column.name!r} of type {column.type!r} holds no vectors. "
            "A search compares the types vector, halfvec, sparsevec and bit. "
            "Pass the embedding column, such as Document.embedding."
        )
    declared = declaration_of(column)
    indexes = _vector_indexes(column)
    chosen = Metric.of(metric) if metric is not None else _declared_metric(column, declared, indexes)
    _require_operator(storage, chosen)
    serving = sorted(
        (
            index
            for index in indexes
            if _serves(index, chosen, None if declared is None else Metric.of(declared.metric))
        ),
        key=lambda index: (index.where is not None, index.quantize is not None),
    )
    found = SearchedColumn(
        element, column, storage, dimensions_of(column.type), chosen, serving[0] if serving else None
    )
    if found.index is None and not exact:
        _refuse_unserved(found, indexes, None if declared is None else Metric.of(declared.metric))
    return found


def refuse_foreign(statement: Statement, searched: SearchedColumn) -> None:
    """Check that the searched column belongs to what the statement reads.

    Otherwise SQLAlchemy would add its table to FROM, and PostgreSQL would compare every pair of rows.

    Raises:
        SearchError: it belongs to another entity or table.
    """
    element = searched.element
    owner = element.parent if isinstance(element, QueryableAttribute) else element.table
    if reads(statement, owner):
        return
    raise SearchError(
        f"The column {searched.label!r} is not of what is searched. "
        "Its table would be joined to the statement without a condition, and every pair of rows compared. "
        "Pass a column of the searched class, or join its class to the statement first."
    )


def own_column(statement: Statement, element: Any, argument: str) -> tuple[ColumnElement[Any], bool]:
    """Return a column that a search uses besides the vectors, and whether it can be NULL.

    Raises:
        SearchError: it is no column, or of another table than the statement reads.
    """
    found = element.__clause_element__() if isinstance(element, QueryableAttribute) else element
    if not isinstance(found, ColumnElement):
        raise SearchError(
            f"{argument}={element!r} is no column. "
            "A search reads it beside the vectors, from the same rows. "
            "Pass a column of the searched class, such as Chunk.document_id."
        )
    table = getattr(found, "table", None)
    owner = element.parent if isinstance(element, QueryableAttribute) else table
    if owner is not None and not reads(statement, owner):
        raise SearchError(
            f"The column {found!s} that {argument} names is not of what is searched. "
            "Its table would be joined to the statement without a condition, and every pair of rows compared. "
            "Pass a column of the searched class, or join its class to the statement first."
        )
    return found, bool(getattr(found, "nullable", True))


def _vector_column(element: Any) -> Column[Any]:
    if isinstance(element, QueryableAttribute | ColumnElement):
        try:
            return plain_column(element)
        except DeclarationError:
            pass
    raise SearchError(
        f"{element!r} is no column that can be searched. "
        "A search orders by the distance to a vector column of a mapped class or a table. "
        "Pass the column itself, such as Document.embedding."
    )


def _vector_indexes(column: Column[Any]) -> list[VectorIndex]:
    table = getattr(column, "table", None)
    described = (describe_index(index) for index in (table.indexes if table is not None else ()))
    return [found for found in described if found is not None and found.column is column]


def _declared_metric(column: Column[Any], declared: Any, indexes: list[VectorIndex]) -> Metric:
    if declared is not None:
        return Metric.of(declared.metric)
    served = sorted({index.metric for index in indexes if index.metric is not None})
    if len(served) == 1:
        return served[0]
    if served:
        raise MetricError(
            f"The column {column.name!r} has indexes for several metrics: {', '.join(served)}. "
            "Each of them orders rows in another way, and the search names none. "
            f"Say which you mean: metric={served[0].value!r}."
        )
    raise MetricError(
        f"The column {column.name!r} declares no metric. "
        "It was not made by embedding_column(), and none of its indexes in the metadata is a vector index with a known "
        "operator class. "
        'Declare it with embedding_column(384, metric="cosine"), add a vector_index(), or pass metric="cosine".'
    )


def _require_operator(storage: Storage, metric: Metric) -> None:
    try:
        operator_class(storage, metric)
    except DeclarationError as error:
        raise MetricError(str(error)) from None


def _serves(index: VectorIndex, metric: Metric, declared: Metric | None) -> bool:
    """Return whether an index finds candidates for a metric; bits do for whatever the column declares."""
    return index.metric is metric or (index.quantize == "binary" and declared in {None, metric})


def _refuse_unserved(found: SearchedColumn, indexes: list[VectorIndex], declared: Metric | None) -> None:
    served = sorted({index.metric.value for index in indexes if index.metric is not None})
    if not served and declared in {None, found.metric}:
        return
    known = " and ".join(repr(name) for name in served) if served else repr(str(declared))
    holder = "its index can serve" if served else "it is declared for"
    raise MetricError(
        f"The column {found.label!r} can not be searched by {found.metric.value!r}: {holder} {known}. "
        "PostgreSQL would read and sort every row without a word. "
        f"Search by {known}, add vector_index(..., metric={found.metric.value!r}), or accept the full scan: exact=True."
    )
