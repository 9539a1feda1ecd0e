"""All rows, nearest first, page after page from a cursor on the server."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple, Unpack, overload

from sqlalchemy import func, select, true

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.methods import HNSW
from sqlalchemy_vecsearch.search.candidates import search_of
from sqlalchemy_vecsearch.search.checking import require_count
from sqlalchemy_vecsearch.search.effort import Effort, carried_settings, checked_effort
from sqlalchemy_vecsearch.search.forms import unindexed
from sqlalchemy_vecsearch.search.statements import tie_breaks
from sqlalchemy_vecsearch.search.typing import returns_like

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence

    from sqlalchemy import Connection, FromClause, Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.forms import Search
    from sqlalchemy_vecsearch.search.options import NearestFirstOptions
    from sqlalchemy_vecsearch.search.queries import Query
    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = ["nearest_first", "stream"]

_Entity = TypeVar("_Entity")
_Result = TypeVar("_Result")
_Columns = TypeVarTuple("_Columns")

_CANDIDATES: Final = 600
"""Candidates of each step of the scan. Strict order leaves out rows between the steps, so wide steps lose fewer: of the
500 nearest of 8,000 clustered rows x 16, the scan returned 0.88 with 40 candidates, 0.95 with 200 and 0.97 with 400; of
30,000 docstrings under a filter of 1%, the first ten had a recall of 0.94 with 400 and 0.96 with 600."""

_MARK: Final = "sqlalchemy_vecsearch_stream"
"""The execution option of a statement whose index scan goes on while other statements run between its pages."""


@overload
def nearest_first(
    source: Select[tuple[*_Columns]], column: Any, query: Query, **options: Unpack[NearestFirstOptions]
) -> Select[tuple[*_Columns, float]]: ...
@overload
def nearest_first(
    source: Select[*_Columns], column: Any, query: Query, **options: Unpack[NearestFirstOptions]
) -> Select[*_Columns, float]: ...
@overload
def nearest_first(
    source: FromClause, column: Any, query: Query, **options: Unpack[NearestFirstOptions]
) -> Select[Any]: ...  # Any: the columns of a Core table have no static types
@overload
@returns_like(select)
def nearest_first(column: Any, query: Query, **options: Unpack[NearestFirstOptions]) -> Any: ...
@overload
def nearest_first(
    source: type[_Entity],
    column: Any,
    query: Query,
    *,
    _shape: Callable[[type[_Entity], type[float]], _Result] = select,  # type: ignore[assignment]  # for pyright alone
    **options: Unpack[NearestFirstOptions],
) -> _Result: ...
def nearest_first(  # type: ignore[misc]  # _shape is no real parameter: it lets pyright infer the row type
    source: Any,  # Any: the overloads say which
    column: Any,
    query: Query,
    *,
    metric: Metric | str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
) -> Any:
    """Return a Select of all rows, nearest first, without a limit: for :func:`stream`.

    An HNSW index over the whole vectors serves it by an iterative scan in strict order, which goes as far as the pages
    that are read. Strict order leaves out a row that the graph reaches only after farther ones have been returned:
    1 to 3 in a hundred in a measured table, fewer with a larger ``ef_search``. ``exact=True`` leaves out none: it reads
    and sorts every row first. Columns with another kind of index, or none, are always read
    that way, since no other gives rows in order.

    Args:
        source: a mapped class, an alias, a table, or a Select with its own WHERE, joins, options and columns. With an
            ORDER BY, which breaks ties after the distance, every row is read and sorted.
        column: the embedding column of the source.
        query: a vector, ``embedding_of(...)``, or an SQL expression.
        metric: None takes the declared metric.
        exact: True reads every row that passes the filter, and leaves out none.
        ef_search: candidates of each step of the scan, 1 to 1000; None takes what the session has, and at least
            600.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the source can not be searched.
        SettingsError: ef_search is out of its range.
        VectorValueError: the query is no vector of the column's length.
    """
    search = search_of(source, column, query, k=_CANDIDATES, metric=metric, exact=exact)
    effort = checked_effort(ef_search, None)
    distance = search.distance
    statement = search.statement.where(*search.has_embedding).add_columns(distance.label("distance")).order_by(None)
    if exact or not _in_order(search):
        return statement.order_by(unindexed(distance), *tie_breaks(search.statement))
    strict = Effort(ef_search=effort.ef_search, strict=True)
    settings = carried_settings(search.searched, strict, candidates=1 if ef_search else _CANDIDATES, filtered=True)
    marked: Statement = statement.where(settings.clause()).order_by(distance).execution_options(**{_MARK: settings})
    return marked


def _in_order(search: Search) -> bool:
    """Return whether the index returns rows in the order of their distance, which the caller does not refine."""
    index = search.searched.index
    served = index is not None and isinstance(index.method, HNSW) and index.quantize is None
    return served and not tie_breaks(search.statement)


@overload
def stream(
    session: Session | Connection, statement: Select[*_Columns], page_size: int = ...
) -> Iterator[Sequence[Row[*_Columns]]]: ...
@overload
def stream(  # type: ignore[overload-cannot-match]  # the one for SQLAlchemy 2.0
    session: Session | Connection, statement: Select[tuple[*_Columns]], page_size: int = ...
) -> Iterator[Sequence[Row[tuple[*_Columns]]]]: ...
@overload
def stream(
    session: AsyncSession | AsyncConnection, statement: Select[*_Columns], page_size: int = ...
) -> AsyncIterator[Sequence[Row[*_Columns]]]: ...
@overload
def stream(  # type: ignore[overload-cannot-match]  # the one for SQLAlchemy 2.0
    session: AsyncSession | AsyncConnection, statement: Select[tuple[*_Columns]], page_size: int = ...
) -> AsyncIterator[Sequence[Row[tuple[*_Columns]]]]: ...
def stream(session: Any, statement: Any, page_size: int = 100) -> Any:  # Any: the overloads say which
    """Yield the rows of a search as lists, page after page, from a cursor on the server.

    Nothing is searched twice: rows do not repeat between pages, and none is left out between them. The rows are those
    of one snapshot, whatever is written meanwhile. The cursor, and the transaction, stay open until the last page or
    until the loop is left. Other statements, searches included, may run on the session between the pages.

    With :func:`nearest_first` the scan goes only as far as you read. ``nearest(..., k=...)`` works as well, and ends at
    ``k`` rows.

    Args:
        session: a ``Session`` or ``Connection``; with an async one, the pages come under ``async for``.
        statement: the search.
        page_size: how many rows a list has; the last may have fewer.

    Raises:
        SearchError: the page size is out of range, or the connection is in autocommit, where no cursor lasts.

    Example:
        ```text
        for rows in stream(session, nearest_first(Document, Document.embedding, vector), page_size=100):
            for document, distance in rows:
                ...
        ```
    """
    require_count("page_size", page_size, "how many rows a page has")
    read = _pages_async if hasattr(session, "run_sync") else _pages
    return read(session, statement, int(page_size))


def _pages(session: Session | Connection, statement: Statement, size: int) -> Generator[Sequence[Any]]:
    _refuse_autocommit(session)
    settings = statement.get_execution_options().get(_MARK)
    with _planned_in_order(session, wanted=settings is not None):
        result = session.execute(statement, execution_options={"stream_results": True, "yield_per": size})
        pages = iter(result.partitions(size))
        rows = next(pages, None)
    with closing(result):
        while rows is not None:
            yield rows
            if settings is not None:
                # another search may have set another order meanwhile, and the scan would go on in it
                session.execute(select(settings.clause()))
            rows = next(pages, None)


async def _pages_async(
    session: AsyncSession | AsyncConnection, statement: Statement, size: int
) -> AsyncGenerator[Sequence[Any]]:
    pages = await session.run_sync(lambda synchronous: _pages(synchronous, statement, size))
    try:
        while (rows := await session.run_sync(lambda _: next(pages, None))) is not None:
            yield rows
    finally:
        await session.run_sync(lambda _: pages.close())


@contextmanager
def _planned_in_order(session: Session | Connection, *, wanted: bool) -> Iterator[None]:
    """Let PostgreSQL plan a statement without a limit for its first rows.

    It does so by itself for DECLARE CURSOR, which all drivers use but asyncpg: that one opens a portal, for which all
    rows are planned to be read, and sorting them is the cheapest way to that.
    """
    bind = session.get_bind() if hasattr(session, "get_bind") else session
    if not wanted or bind.dialect.driver != "asyncpg":
        yield
        return
    before = session.execute(select(func.current_setting("enable_sort"))).scalar_one()
    session.execute(select(func.set_config("enable_sort", "off", true())))
    yield
    session.execute(select(func.set_config("enable_sort", before, true())))


def _refuse_autocommit(session: Session | Connection) -> None:
    begun = select(func.transaction_timestamp())
    if session.execute(begun).scalar_one() == session.execute(begun).scalar_one():
        return
    raise SearchError(
        "The connection to stream from is in autocommit. "
        "The cursor that holds the place between two pages lasts as long as its transaction, which ends with each "
        "statement there. "
        "Begin a transaction, with a Session or with engine.connect() without AUTOCOMMIT."
    )
