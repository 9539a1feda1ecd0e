"""Chooses how to run a filtered search, from what the planner knows of the filter."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import inspect, literal_column, select, text

from sqlalchemy_vecsearch.measuring.connections import connection_of, in_sync, sync_connection
from sqlalchemy_vecsearch.measuring.explaining import explained
from sqlalchemy_vecsearch.search.building.checks import require_count
from sqlalchemy_vecsearch.search.strategy import Strategy
from sqlalchemy_vecsearch.selects import as_select, leaves, only_columns
from sqlalchemy_vecsearch.storages import dimensions_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, FromClause, Select
    from sqlalchemy.orm import Session

    from sqlalchemy_vecsearch.measuring.connections import AsyncMeasured, Measured

__all__ = ["achoose_strategy", "choose_strategy", "strategy_for"]

_READ: Final = 0.25
_COMPARED: Final = 1.2
_VISITED: Final = 44.0
"""Microseconds for a row that an exact search reads past, for one that it compares, and for one that an iterative scan
visits. Fitted to searches for 10 of 40,000 rows x 128, with filters that 0.5% to 99% of the rows pass, independent of
the vectors and correlated with them, with and without a btree. A correlated filter costs an iterative scan two to five
times as much as an independent one (22 microseconds a row), and the planner can not tell them apart: the double stands
between. Measured without a btree, exact against iterative: 1% correlated 20 against 80 ms, at recall 1.0 against 0.94;
3% independent 11 against 7 ms, correlated 22 against 36 ms (1.0 against 0.95); 7% correlated 38 against 24 ms."""

_FITTED_DIMENSIONS: Final = 128
_BY_DIMENSION: Final = 0.002
"""Microseconds more for each further dimension of a row that is compared: 1.6 for 384 dimensions on 60,000 rows."""

_FITTED_ROWS: Final = 100_000
_GROWTH: Final = 0.37
"""A larger graph lies less in the caches: a visited row cost 9 microseconds at 100,000 rows x 384 and 21 at a million.
A row that is read past cost 0.3 at both."""

_PLAIN_SHARE: Final = 0.9
"""From here on one scan finds as much as an iterative one (recall 0.996 each, correlated) in two thirds of the time."""

_TOTAL: Final = text(
    """
    SELECT CAST(greatest(
        (SELECT found.reltuples FROM pg_catalog.pg_class AS found
         WHERE found.oid OPERATOR(pg_catalog.=) CAST(given.relation AS oid)),
        (SELECT pg_catalog.sum(greatest(part.reltuples, CAST(0 AS real)))
         FROM pg_catalog.pg_partition_tree(given.relation) AS tree
         JOIN pg_catalog.pg_class AS part ON part.oid OPERATOR(pg_catalog.=) CAST(tree.relid AS oid)
         WHERE tree.isleaf)
    ) AS double precision)
    FROM (SELECT pg_catalog.to_regclass(CAST(:name AS text))) AS given(relation)
    """
)
"""How many rows a table has in all its partitions, whatever a policy shows of them; NULL or below 0 if not known."""


def choose_strategy(
    connection: Measured,
    statement: Any,  # Any: as for nearest
    *,
    k: int = 10,
) -> Strategy:
    """Return how to search the rows that pass a filter: exactly, iteratively, or by one plain scan.

    The planner estimates how many rows pass the filter, policies and views included, and whether an index finds them;
    the catalog says how many rows the table has in all. The faster way by these numbers is taken. It is EXPLAIN and
    runs nothing; ANALYZE keeps the estimates good. It costs a plan and a look into the catalog, some milliseconds:
    choose once for a kind of filter, not for each search.

    An estimate knows nothing of how a filter goes together with the question, and may be wrong. A search without a
    strategy looks at the rows near the question when it runs, and needs no choice; choose where the same filter is
    searched all day and the look itself is to be saved.

    Args:
        connection: a ``Connection`` or a ``Session``; :func:`achoose_strategy` takes the async ones.
        statement: what is to be searched, as for :func:`nearest`: a mapped class, a table, or a Select with its WHERE
            and joins, before the search is added.
        k: how many rows the search will ask for, 1 or more; an iterative scan visits more rows for more of them.

    Raises:
        SearchError: the statement can not be searched, k is out of range, or the connection is async.

    Example:
        ```text
        games = select(Document).where(Document.section == "games")
        strategy = choose_strategy(session, games)
        rows = session.execute(nearest(games, Document.embedding, vector, k=10, strategy=strategy)).all()
        ```
    """
    executor = sync_connection(connection, "choose_strategy")
    require_count("k", k, "how many rows the search will ask for")
    searched = as_select(statement)
    filtered = explained(executor, only_columns(searched, _first_column(searched))).root
    table = next(source for source, nullable in leaves(searched) if not nullable)
    by_index = all(node.kind != "Seq Scan" for node in filtered.walk())
    rows = _total(executor, table)
    return strategy_for(
        filtered.estimated_rows, rows, by_index=by_index, k=int(k), dimensions=_longest(table) or _FITTED_DIMENSIONS
    )


async def achoose_strategy(connection: AsyncMeasured, statement: Any, *, k: int = 10) -> Strategy:
    """Return what :func:`choose_strategy` returns, on an async connection or session."""
    chosen: Strategy = await in_sync(connection, choose_strategy, statement, k=k)
    return chosen


def strategy_for(passing: int, rows: int, *, by_index: bool, k: int, dimensions: int = _FITTED_DIMENSIONS) -> Strategy:
    """Return the strategy for a filter that ``passing`` of ``rows`` rows are expected to pass. Pure.

    ``by_index`` says that an index finds the rows that pass, so that the others are not read.
    """
    share = passing / max(rows, 1)
    if share >= _PLAIN_SHARE:
        return Strategy.PLAIN
    compared = _COMPARED + _BY_DIMENSION * max(0, dimensions - _FITTED_DIMENSIONS)
    visited = _VISITED * max(1.0, rows / _FITTED_ROWS) ** _GROWTH
    exact = _READ * (passing if by_index else rows) + compared * passing
    iterative = visited * k / share if share else inf
    return Strategy.EXACT if exact <= iterative else Strategy.ITERATIVE


def _total(executor: Connection | Session, table: FromClause) -> int:
    """Return how many rows a table has: by the catalog, and where that does not know, as the planner sees it."""
    bare: Any = table
    while hasattr(bare, "element"):
        bare = bare.element
    if hasattr(bare, "schema"):
        connection = connection_of(executor, bare)
        quote = connection.dialect.identifier_preparer.quote
        named = [name for name in (connection.schema_for_object(bare), bare.name) if name is not None]
        counted = connection.scalar(_TOTAL, {"name": ".".join(map(quote, named))})
        if counted is not None and counted > 0:
            return int(counted)
    return explained(executor, select(literal_column("1")).select_from(table)).root.estimated_rows


def _longest(table: FromClause) -> int | None:
    """Return the dimensions of the longest vectors of a table, None where no column declares any."""
    return max((found for column in table.c if (found := dimensions_of(column.type)) is not None), default=None)


def _first_column(statement: Select[Any]) -> Any:
    """Return a column of what is searched that brings neither eager loaders nor large values with it."""
    entity = statement.column_descriptions[0].get("entity")
    if entity is None:
        return next(iter(statement.selected_columns))
    mapper = inspect(entity).mapper
    return getattr(entity, mapper.get_property_by_column(mapper.primary_key[0]).key)
