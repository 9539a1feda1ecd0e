"""The column that a search goes through: its metric and the index that serves it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Cast, ColumnElement, cast
from sqlalchemy.orm import QueryableAttribute, aliased

from sqlalchemy_vecsearch.columns import declaration_of
from sqlalchemy_vecsearch.errors import DeclarationError, MetricError, ModelError, SearchError
from sqlalchemy_vecsearch.expressions import stored_form
from sqlalchemy_vecsearch.indexes import VectorIndex, describe_index, plain_column
from sqlalchemy_vecsearch.metrics import Metric, Storage, operator_class
from sqlalchemy_vecsearch.selects import Statement, as_clause, reads, shown, stored_element
from sqlalchemy_vecsearch.storages import is_vector_type, storage_type, vector_form

if TYPE_CHECKING:
    from sqlalchemy import Column, Index
    from sqlalchemy.types import TypeEngine

    from sqlalchemy_vecsearch.expressions import Quantize
    from sqlalchemy_vecsearch.storages import VectorForm

__all__ = ["Declared", "SearchedColumn", "own_column", "searched_column"]


@dataclass(frozen=True, slots=True, eq=False)
class Declared:
    """What the metadata say of a vector column that is searched by one metric.

    There is one for each column and metric, which is equal to itself alone: so it can stand in the cache key of a
    statement. ``column`` is the table's column. ``index`` is None when no declared index serves the metric; the search
    then works with any index, or none. ``predicates`` are those of its partial vector indexes.
    """

    column: Column[Any]
    storage: Storage
    dimensions: int | None
    metric: Metric
    index: VectorIndex | None
    predicates: tuple[ColumnElement[bool], ...]

    @property
    def label(self) -> str:
        """The name of the column with its table, for messages."""
        return f"{self.column.table.name}.{self.column.name}" if self.column.table is not None else self.column.name


@dataclass(frozen=True, slots=True)
class SearchedColumn:
    """A vector column as a search sees it.

    ``element`` is what the caller passed and what stands in the SQL: ``stored``, or a cast of it to a vector type.
    ``stored`` is a mapped attribute or a column.
    """

    element: Any  # Any: a mapped attribute or an expression, which share their operators but no class
    stored: Any  # Any: as above
    declared: Declared

    @property
    def column(self) -> Column[Any]:
        """The table's column behind the element."""
        return self.declared.column

    @property
    def storage(self) -> Storage:
        """How the vectors are stored, or what the cast makes of them."""
        return self.declared.storage

    @property
    def dimensions(self) -> int | None:
        """How many numbers a vector has, None when it is not declared."""
        return self.declared.dimensions

    @property
    def metric(self) -> Metric:
        """What the search compares by."""
        return self.declared.metric

    @property
    def index(self) -> VectorIndex | None:
        """The declared index that serves the metric."""
        return self.declared.index

    @property
    def quantize(self) -> Quantize | None:
        """What the serving index holds instead of the whole vectors, None when it holds them or there is none."""
        return None if self.index is None else self.index.quantize

    @property
    def label(self) -> str:
        """The name of the column with its table, for messages."""
        return self.declared.label

    @property
    def type(self) -> TypeEngine[Any]:
        """The type of query vectors: that of what is searched, or pgvector's where that is an application's own."""
        own: TypeEngine[Any] = as_clause(self.element).type
        return own if is_vector_type(own) else storage_type(self.storage, self.dimensions)

    @property
    def owner(self) -> Any:
        """The mapper, or the alias of one, or the table that it is read from."""
        return self.stored.parent if isinstance(self.stored, QueryableAttribute) else self.stored.table

    def of_another_row(self) -> tuple[Any, Any]:
        """Return an alias of the searched class or table, and what is searched in it, which cannot correlate."""
        if isinstance(self.stored, QueryableAttribute):
            stored: Any = getattr(aliased(self.stored.parent.mapper.class_), self.stored.key)
        else:
            stored = self.column.table.alias().c[self.column.key]
        return stored, (cast(stored, self.element.type) if isinstance(self.element, Cast) else stored)


def searched_column(
    element: Any, metric: Metric | str | None = None, *, exact: bool = False, model: str | None = None
) -> SearchedColumn:
    """Return what is known of a vector column, with the metric asked for or the one that is declared.

    Args:
        element: a mapped attribute, an attribute of an alias, or a column.
        metric: None takes the metric of the declaration, or the only one that the column's indexes serve.
        exact: True accepts a metric that no index serves.
        model: of the question, None where nobody says it.

    Raises:
        ModelError: the column declares another model than the question's, or none.
        MetricError: no metric is declared, several are, or the column's index serves another than was asked for.
        SearchError: the element is no vector column.
    """
    stored, column = _vector_column(element)
    form = vector_form(_type_of(element))
    if form is None:
        raise SearchError(
            f"The column {column.name!r} of type {column.type!r} holds no vectors. "
            "A search compares the types vector, halfvec, sparsevec and bit. "
            "Pass the embedding column, such as Document.embedding."
        )
    if model is not None:
        declared = declaration_of(column)
        _require_model(column, None if declared is None else declared.model, model)
    searched = None if element is stored else stored_form(getattr(element, "expression", element))
    cast_to = None if searched is None else searched.cast
    quantize = None if searched is None else searched.quantize
    table = getattr(column, "table", None)
    indexes = frozenset() if table is None or (searched is None and element is not stored) else frozenset(table.indexes)
    return SearchedColumn(element, stored, _declared(column, form, cast_to, quantize, metric, indexes, exact=exact))


@lru_cache(maxsize=1024)
def _declared(
    column: Column[Any],
    form: VectorForm,
    cast_to: VectorForm | None,
    quantize: Quantize | None,
    metric: Metric | str | None,
    indexes: frozenset[Index],
    *,
    exact: bool,
) -> Declared:
    """Return what is declared; ``cast_to`` and ``quantize`` say what the caller has made of the column."""
    declared = declaration_of(column)
    declared_metric = None if declared is None else Metric.of(declared.metric)
    described = _described(column, indexes)
    found = _of_form(described, cast_to, quantize)
    chosen = Metric.of(metric) if metric is not None else _declared_metric(column, declared, found)
    _require_operator(form.storage, chosen)
    serving = sorted(
        (index for index in found if _serves(index, chosen, declared_metric)),
        key=lambda index: (index.where is not None, index.quantize is not None),
    )
    predicates = tuple(index.where for index in described if index.where is not None)
    result = Declared(column, *form, chosen, serving[0] if serving else None, predicates)
    if result.index is None and not exact:
        _refuse_unserved(result, found, declared_metric)
    return result


def refuse_foreign(statement: Statement, searched: SearchedColumn) -> None:
    """Check that the searched column belongs to what the statement reads.

    Otherwise SQLAlchemy would add its table to FROM, and PostgreSQL would compare every pair of rows.

    Raises:
        SearchError: it belongs to another entity or table.
    """
    if reads(statement, searched.owner):
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
            f"{argument}={shown(element)} is no column. "
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


def _vector_column(element: Any) -> tuple[Any, Column[Any]]:
    """Return the attribute or column that an element is, or is a cast of, and the table's column behind it."""
    stored = stored_element(element)
    if isinstance(stored, QueryableAttribute | ColumnElement):
        try:
            return stored, plain_column(stored)
        except DeclarationError:
            pass
    raise SearchError(
        f"{shown(element)} is no column that can be searched. "
        "A search orders by the distance to a vector column of a mapped class or a table, or to a cast of one to a "
        "vector type. "
        "Pass the column itself, such as Document.embedding."
    )


def _type_of(element: Any) -> TypeEngine[Any]:
    type_: TypeEngine[Any] = as_clause(element).type
    return type_


def _described(column: Column[Any], indexes: frozenset[Index]) -> list[VectorIndex]:
    """Return the vector indexes on a column."""
    described = (describe_index(index) for index in indexes)
    return [one for one in described if one is not None and one.column is column]


def _of_form(described: list[VectorIndex], cast_to: VectorForm | None, quantize: Quantize | None) -> list[VectorIndex]:
    """Return the indexes that hold a column in the form that is searched: itself, or the cast of it."""
    found = [one for one in described if one.cast == cast_to]
    if quantize is None:
        return found
    return [replace(one, quantize=None) for one in found if one.quantize == quantize]


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


def _require_model(column: Column[Any], declared: str | None, asked: str) -> None:
    if declared == asked:
        return
    label = f"{column.table.name}.{column.name}" if column.table is not None else column.name
    says = "declares no model" if declared is None else f"holds vectors of the model {declared!r}"
    wish = f"model={asked!r}" if declared is None else f"the model {declared!r}, as embed_query() does by itself"
    raise ModelError(
        f"The column {label!r} {says}, and the question is of the model {asked!r}. "
        "Vectors of two models may have the same length and say nothing beside each other: the rows would be found by "
        "chance. "
        + (f"Declare it by embedding_column(..., {wish})." if declared is None else f"Embed the question by {wish}.")
    )


def _require_operator(storage: Storage, metric: Metric) -> None:
    try:
        operator_class(storage, metric)
    except DeclarationError as error:
        raise MetricError(str(error)) from None


def _serves(index: VectorIndex, metric: Metric, declared: Metric | None) -> bool:
    """Return whether an index finds candidates for a metric; bits do for whatever the column declares."""
    return index.metric is metric or (index.quantize == "binary" and declared in {None, metric})


def _refuse_unserved(found: Declared, indexes: list[VectorIndex], declared: Metric | None) -> None:
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
