"""One page of the nearest rows, from a pool that is the same for every page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple, Unpack, overload

from sqlalchemy import select

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.candidates import by_distance, candidates_of, search_of
from sqlalchemy_vecsearch.search.checking import require_count
from sqlalchemy_vecsearch.search.effort import checked_effort
from sqlalchemy_vecsearch.search.typing import returns_like

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import FromClause, Select

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.options import PageOptions
    from sqlalchemy_vecsearch.search.queries import Query

__all__ = ["page"]

_Entity = TypeVar("_Entity")
_Result = TypeVar("_Result")
_Columns = TypeVarTuple("_Columns")

_POOL: Final = 200


@overload
def page(
    source: Select[tuple[*_Columns]], column: Any, query: Query, **options: Unpack[PageOptions]
) -> Select[tuple[*_Columns, float]]: ...
@overload
def page(
    source: Select[*_Columns], column: Any, query: Query, **options: Unpack[PageOptions]
) -> Select[*_Columns, float]: ...
@overload
def page(
    source: FromClause, column: Any, query: Query, **options: Unpack[PageOptions]
) -> Select[Any]: ...  # Any: the columns of a Core table have no static types
@overload
@returns_like(select)
def page(column: Any, query: Query, **options: Unpack[PageOptions]) -> Any: ...
@overload
def page(
    source: type[_Entity],
    column: Any,
    query: Query,
    *,
    _shape: Callable[[type[_Entity], type[float]], _Result] = select,  # type: ignore[assignment]  # for pyright alone
    **options: Unpack[PageOptions],
) -> _Result: ...
def page(  # type: ignore[misc]  # _shape is no real parameter: it lets pyright infer the row type
    source: Any,  # Any: the overloads say which
    column: Any,
    query: Query,
    *,
    number: int,
    size: int,
    pool: int = _POOL,
    metric: Metric | str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
) -> Any:
    """Return a Select of one page of the ``pool`` nearest rows, ascending, with their ``distance``.

    Every page takes the same pool from the index, so that pages fit together: a pool that grew with the page would be
    another set of candidates each time, and rows would repeat or be left out between pages. While the table and the
    pool stay the same, each row is on one page; a write in between can move rows, as with any paging that keeps
    nothing on the server. :func:`stream` has no such limits inside one transaction.

    The cost of a page is that of a search for ``pool`` rows.

    Args:
        source: a mapped class, an alias, a table, or a Select with its own WHERE, joins, options and columns. Its
            ORDER BY breaks ties after the distance; the primary key breaks those that are left.
        column: the embedding column of the source.
        query: a vector, ``embedding_of(...)``, or an SQL expression.
        number: which page, from 1.
        size: how many rows a page has. The last page of the pool, or of the table, may have fewer.
        pool: how many rows all pages together have. Keep it the same for all pages of a search.
        metric: None takes the declared metric.
        exact: True takes the pool from every row that passes the filter.
        ef_search: candidates of an HNSW scan, 1 to 1000; raised to the pool where that is more.
        probes: lists of an IVFFlat scan, 1 to 32768.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the source can not be searched, a number is out of range, or the page lies beyond the pool.
        SettingsError: a setting is out of its range.
        VectorValueError: the query is no vector of the column's length.

    Example:
        ```text
        rows = session.execute(page(Document, Document.embedding, vector, number=3, size=20)).all()
        ```
    """
    require_count("number", number, "which page to return, from 1")
    require_count("size", size, "how many rows a page has")
    require_count("pool", pool, "how many rows all pages together have")
    before = (int(number) - 1) * int(size)
    if before >= pool:
        raise SearchError(
            f"Page {number} of {size} rows lies beyond the pool of {pool}. "
            "All pages are cut from the same nearest rows, and there are no more of them than the pool. "
            f"Stop at page {-(-int(pool) // int(size))}, choose a larger pool for all pages, or use stream()."
        )
    search = search_of(source, column, query, k=pool, metric=metric, exact=exact)
    found = candidates_of(search, checked_effort(ef_search, probes), search.k, exact=exact, best=True)
    statement = by_distance(search, found.keys, found.rows)
    keys = (found.rows.c[name] for name in found.keys.names)
    return statement.order_by(*keys).limit(min(int(size), int(pool) - before)).offset(before)
