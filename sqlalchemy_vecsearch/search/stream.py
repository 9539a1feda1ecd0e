"""The rows of a search, page after page from a cursor on the server."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVarTuple, overload

from sqlalchemy import Text, cast, func, select, true
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.building.checks import require_count
from sqlalchemy_vecsearch.search.building.ordering import unindexed
from sqlalchemy_vecsearch.search.building.shapes import found_form
from sqlalchemy_vecsearch.search.building.table_statistics import may_be_read_whole
from sqlalchemy_vecsearch.search.nearest_first import CANDIDATES, MARK
from sqlalchemy_vecsearch.selects import is_cut, is_locking, where_criteria, with_criteria

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence

    from sqlalchemy import Connection, Result, Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session

    from sqlalchemy_vecsearch.search.nearest_first import IndexScan
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["stream"]

_Columns = TypeVarTuple("_Columns")


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
def stream(session: Any, statement: Any, page_size: int = 100) -> Any:  # Any: the decorator says which
    """Yield the rows of a search as lists, page after page, from a cursor on the server.

    Rows do not repeat between pages, and none is left out between them. The cursor, and the transaction, stay open
    until the last page or until the loop is left. Other statements, searches included, may run on the session between
    the pages. What others write meanwhile is not seen where one statement yields all rows (``nearest(..., k=...)``,
    ``exact=True``), or where the transaction is REPEATABLE READ; else a row of theirs can be among the last.

    With :func:`nearest_first` the scan goes only as far as you read; read to the end, it yields every row that passes,
    those last that the index did not lead to. For that it keeps the keys of the rows that have come in memory.
    ``nearest(..., k=...)`` works as well, and ends at ``k`` rows.

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
    scan: IndexScan | None = statement.get_execution_options().get(MARK)
    if scan is not None and scan.keys and not is_cut(statement):
        yield from _pages_of_all(session, statement, size, scan)
        return
    with _planned_in_order(session, wanted=scan is not None):
        result = _opened(session, statement, size)
        pages = iter(result.partitions(size))
        rows = next(pages, None)
    with closing(result):
        while rows is not None:
            yield rows
            if scan is not None:
                # another search may have set another order meanwhile, and the scan would go on in it
                session.execute(select(scan.settings.clause()))
            rows = next(pages, None)


def _pages_of_all(
    session: Session | Connection, statement: Statement, size: int, scan: IndexScan
) -> Generator[Sequence[Any]]:
    """Yield the nearest rows, then the others that the index yields, and then the rest, read by their distance.

    A scan in strict order leaves out rows that it reaches late, and a graph does not lead from many copies of one
    vector to the rows beyond. The keys of the rows that have come are kept until the end.
    """
    width, seen = len(scan.keys), set[tuple[Any, ...]]()
    page: list[Any] = []
    for names, found in _found(session, statement, size, scan):
        as_row = SimpleResultMetaData(names[:-width])
        new = [row for row in found if row[-width:] not in seen]
        seen.update(row[-width:] for row in new)
        page += IteratorResult(as_row, iter([row[:-width] for row in new])).all()
        while len(page) >= size:
            rows, page = page[:size], page[size:]
            yield rows
    if page:
        yield page


def _found(
    session: Session | Connection, statement: Statement, size: int, scan: IndexScan
) -> Generator[tuple[Sequence[str], Sequence[tuple[Any, ...]]]]:
    """Yield lists of rows with their names and keys: of the nearest, of the scan in strict order, and of every row."""
    in_order = select(scan.settings.clause())
    session.execute(in_order)  # a server without iterative scans says so before the first page
    keys = [key.label(f"key_{number}") for number, key in enumerate(scan.keys)]
    block = _nearest_block(statement, scan)
    if block is not None:
        count = 0
        for names, found in _lists(_opened(session, block.add_columns(*keys), size), size):
            count += len(found)
            extra = len(names) - len(keys) - 1  # the distance, which the statement has already
            yield [*names[:extra], *names[extra + 1 :]], [(*row[:extra], *row[extra + 1 :]) for row in found]
        if count < CANDIDATES and scan.effort.max_exact_rows is None:
            return
    with _planned_in_order(session, wanted=True):
        by_index = _opened(session, statement.add_columns(*keys), size)
    # another search may have set another order meanwhile, and the scan would go on in it
    yield from _lists(by_index, size, before_each=lambda: session.execute(in_order))
    yield from _lists(_opened(session, _every_row(statement, scan).add_columns(*keys), size), size)


def _lists(
    result: Result[Any], size: int, before_each: Callable[[], object] = lambda: None
) -> Generator[tuple[Sequence[str], Sequence[tuple[Any, ...]]]]:
    names = list(result.keys())
    with closing(result):
        before_each()
        while found := result.fetchmany(size):
            yield names, [tuple(row) for row in found]
            before_each()


def _nearest_block(statement: Statement, scan: IndexScan) -> Statement | None:
    """Return the search for the nearest rows of a statement, None where it would lock what is not read."""
    if is_locking(statement):
        return None
    source = with_criteria(
        statement, tuple(one for one in where_criteria(statement) if one is not scan.carried)
    ).order_by(None)
    return found_form(replace(scan.search, statement=source), scan.effort)


def _every_row(statement: Statement, scan: IndexScan) -> Statement:
    whole = may_be_read_whole(scan.search.table, scan.effort.max_exact_rows)
    return statement.where(*whole).order_by(None).order_by(unindexed(scan.search.distance))


def _opened(session: Session | Connection, statement: Statement, size: int) -> Result[Any]:
    return session.execute(statement, execution_options={"stream_results": True, "yield_per": size})


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
    before = session.execute(select(func.pg_catalog.current_setting("enable_sort"))).scalar_one()
    session.execute(select(func.pg_catalog.set_config("enable_sort", "off", true())))
    yield
    session.execute(select(func.pg_catalog.set_config("enable_sort", before, true())))


def _refuse_autocommit(session: Session | Connection) -> None:
    begun = select(cast(func.pg_catalog.transaction_timestamp(), Text))  # drivers read it in the ISO DateStyle only
    if session.execute(begun).scalar_one() == session.execute(begun).scalar_one():
        return
    raise SearchError(
        "The connection to stream from is in autocommit. "
        "The cursor that holds the place between two pages lasts as long as its transaction, which ends with each "
        "statement there. "
        "Begin a transaction, with a Session or with engine.connect() without AUTOCOMMIT."
    )
