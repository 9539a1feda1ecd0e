"""The nearest rows to each of many vectors, in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack, overload

from sqlalchemy import Select, select

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.candidates import prepared, rows_found
from sqlalchemy_vecsearch.search.checking import require_count, require_distance
from sqlalchemy_vecsearch.search.effort import checked_effort
from sqlalchemy_vecsearch.search.forms import Search, unindexed
from sqlalchemy_vecsearch.search.identity import entity_key
from sqlalchemy_vecsearch.search.laterals import found_for_each, key_rows, select_rows
from sqlalchemy_vecsearch.search.statements import prepended, selected_columns, tie_breaks
from sqlalchemy_vecsearch.search.typing import returns_keyed_like

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import FromClause

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.options import BatchOptions
    from sqlalchemy_vecsearch.search.queries import Query
    from sqlalchemy_vecsearch.search.searched import SearchedColumn
    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = ["nearest_each"]

_Key = TypeVar("_Key")
_Entity = TypeVar("_Entity")
_Result = TypeVar("_Result")
_Columns = TypeVarTuple("_Columns")


@overload
def nearest_each(
    source: Select[tuple[*_Columns]],
    column: Any,
    queries: Mapping[_Key, Query],
    **options: Unpack[BatchOptions],
) -> Select[tuple[_Key, *_Columns, float]]: ...
@overload
def nearest_each(
    source: Select[*_Columns],
    column: Any,
    queries: Mapping[_Key, Query],
    **options: Unpack[BatchOptions],
) -> Select[_Key, *_Columns, float]: ...
@overload
@returns_keyed_like(select)
def nearest_each(**options: Unpack[BatchOptions]) -> Any: ...
@overload
def nearest_each(
    source: type[_Entity],
    column: Any,
    queries: Mapping[_Key, Query],
    *,
    _shape: Callable[[type[_Key], type[_Entity], type[float]], _Result] = select,  # type: ignore[assignment]  # for pyright alone
    **options: Unpack[BatchOptions],
) -> _Result: ...
@overload
def nearest_each(
    source: type[_Entity], column: Any, queries: Select[tuple[_Key, Any]], **options: Unpack[BatchOptions]
) -> Select[tuple[_Key, _Entity, float]]: ...
@overload
def nearest_each(
    source: type[_Entity], column: Any, queries: Select[_Key, Any], **options: Unpack[BatchOptions]
) -> Select[_Key, _Entity, float]: ...
@overload
def nearest_each(
    source: FromClause | Select[*tuple[Any, ...]],
    column: Any,
    queries: Mapping[Any, Query] | Select[*tuple[Any, ...]],
    **options: Unpack[BatchOptions],
) -> Select[Any]: ...  # Any: the types of a table's columns, or of a Select's key, are not known
def nearest_each(  # type: ignore[misc]  # _shape is no real parameter: it lets pyright infer the row type
    source: Any,  # Any: the overloads say which
    column: Any,
    queries: Any,
    *,
    k: int,
    metric: Metric | str | None = None,
    within: float | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
) -> Any:
    """Return a Select of the ``k`` rows nearest to each of many vectors: rows of key, your columns, ``distance``.

    One statement scans the index once for each vector. Rows come in the order of the queries (of the keys, when a
    Select gives them), and ascending by distance within each. No queries give no rows; a query that is NULL, because
    a Select read an empty embedding, gives none either, and for cosine one that is zero.

    Args:
        source: a mapped class, an alias, a table, or a Select with its own WHERE, joins, options and columns. Its
            ORDER BY breaks ties after the distance.
        column: the embedding column of the source.
        queries: vectors by key, the keys being all int, all str, or of another type with a PostgreSQL type; or a
            Select of two columns, key and vector. When the Select reads the searched column by its primary key, each
            row is left out of its own result.
        k: how many rows for each vector, 1 or more.
        metric: None takes the declared metric.
        within: the largest distance to return; applied outside the index scans.
        exact: True compares every row that passes the filter with every query.
        ef_search: candidates of each HNSW scan, 1 to 1000. None takes as many as it needs.
        probes: lists of each IVFFlat scan, 1 to 32768.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the source or the queries can not be searched, or a number is out of range.
        SettingsError: a setting is out of its range.
        VectorValueError: a query is no vector of the column's length.

    Example:
        ```text
        vectors = {question.id: question.embedding for question in questions}
        for key, document, distance in session.execute(nearest_each(Document, Document.embedding, vectors, k=5)):
            print(key, document.title, distance)
        ```
    """
    require_count("k", k, "how many rows to return")
    require_distance(within)
    statement, searched = prepared(source, column, metric, exact=exact)
    rows, exclude = _query_rows(queries, searched)
    search = Search(statement, searched, rows.c.vector, int(k))
    found = found_for_each(search, rows, checked_effort(ef_search, probes), exclude=exclude, exact=exact)
    each = found.rows.c
    outer = prepended(rows_found(search, found.keys, found.rows), each.key).add_columns(each.distance.label("distance"))
    if within is not None:
        outer = outer.where(each.distance <= float(within))
    order = each.position if isinstance(queries, Mapping) else each.key
    return outer.order_by(order, unindexed(each.distance), *tie_breaks(statement))


def _query_rows(queries: Any, searched: SearchedColumn) -> tuple[FromClause, Any]:
    """Return the rows of the queries, and the condition that leaves a row out of its own result."""
    if isinstance(queries, Mapping):
        return key_rows(list(queries), list(queries.values()), searched), None
    if isinstance(queries, Select):
        rows = select_rows(queries)
        return rows, _not_itself(queries, rows, searched)
    raise SearchError(
        f"The queries are {type(queries).__name__}, not vectors by key. "
        "Each row that is found comes back with the key of its query. "
        "Pass a dict such as {1: vector, 2: vector}, dict(enumerate(vectors)), or a Select of a key and a vector."
    )


def _not_itself(queries: Statement, rows: FromClause, searched: SearchedColumn) -> Any:
    key, vector = selected_columns(queries)
    primary = searched.column.table.primary_key.columns
    if vector is not searched.column or list(primary) != [key]:
        return None
    (own,) = entity_key(searched.element)
    return own != rows.c.key
