"""Chooses how to run a filtered search, from what the planner knows of the filter."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import inspect, literal_column, select

from sqlalchemy_vecsearch.measuring.explaining import explained
from sqlalchemy_vecsearch.search.checking import require_count
from sqlalchemy_vecsearch.search.statements import as_select, is_filtered, leaves, only_columns
from sqlalchemy_vecsearch.search.strategy import Strategy

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select
    from sqlalchemy.orm import Session

__all__ = ["choose_strategy", "strategy_for"]

_READ: Final = 0.25
_COMPARED: Final = 1.2
_VISITED: Final = 44.0
"""Microseconds for a row that an exact search reads past, for one that it compares, and for one that an iterative scan
visits. Fitted to searches for 10 of 40,000 rows x 128, with filters that 0.5% to 99% of the rows pass, independent of
the vectors and correlated with them, with and without a btree. A correlated filter costs an iterative scan two to five
times as much as an independent one (22 microseconds a row), and the planner can not tell them apart: the double stands
between. Measured without a btree, exact against iterative: 1% correlated 20 against 80 ms, at recall 1.0 against 0.94;
3% independent 11 against 7 ms, correlated 22 against 36 ms (1.0 against 0.95); 7% correlated 38 against 24 ms."""

_PLAIN_SHARE: Final = 0.9
"""From here on one scan finds as much as an iterative one (recall 0.996 each, correlated) in two thirds of the time."""


def choose_strategy(
    connection: Connection | Session,
    statement: Any,  # Any: as for nearest
    *,
    k: int = 10,
) -> Strategy:
    """Return how to search the rows that pass a filter: exactly, iteratively, or by one plain scan.

    The planner estimates how many rows pass the filter, how many there are, and whether an index finds those that
    pass; the faster way by these numbers is taken. It is EXPLAIN and runs nothing; ANALYZE keeps the estimates good.
    It costs two plans, some milliseconds: choose once for a kind of filter, not for each search.

    Few rows are read and compared exactly, which misses none: measured on 60,069 texts x 384, a filter of 1.8% that
    goes with the meaning of the texts took 12 ms at recall 1.0, and 33 ms at recall 0.85 by the iterative scan, which
    wins from some 7% on.

    Args:
        connection: a ``Connection`` or a ``Session``.
        statement: what is to be searched, as for :func:`nearest`: a mapped class, a table, or a Select with its WHERE
            and joins, before the search is added.
        k: how many rows the search will ask for, 1 or more; an iterative scan visits more rows for more of them.

    Raises:
        SearchError: the statement can not be searched, or k is out of range.

    Example:
        ```text
        games = select(Document).where(Document.section == "games")
        strategy = choose_strategy(session, games)
        rows = session.execute(nearest(games, Document.embedding, vector, k=10, strategy=strategy)).all()
        ```
    """
    require_count("k", k, "how many rows the search will ask for")
    searched = as_select(statement)
    if not is_filtered(searched):
        return Strategy.PLAIN
    filtered = explained(connection, only_columns(searched, _first_column(searched))).root
    table = next(source for source, nullable in leaves(searched) if not nullable)
    rows = explained(connection, select(literal_column("1")).select_from(table)).root.estimated_rows
    by_index = all(node.kind != "Seq Scan" for node in filtered.walk())
    return strategy_for(filtered.estimated_rows, rows, by_index=by_index, k=int(k))


def strategy_for(passing: int, rows: int, *, by_index: bool, k: int) -> Strategy:
    """Return the strategy for a filter that ``passing`` of ``rows`` rows are expected to pass. Pure.

    ``by_index`` says that an index finds the rows that pass, so that the others are not read.
    """
    share = passing / max(rows, 1)
    if share >= _PLAIN_SHARE:
        return Strategy.PLAIN
    exact = _READ * (passing if by_index else rows) + _COMPARED * passing
    iterative = _VISITED * k / share if share else inf
    return Strategy.EXACT if exact <= iterative else Strategy.ITERATIVE


def _first_column(statement: Select[Any]) -> Any:
    """Return a column of what is searched that brings neither eager loaders nor large values with it."""
    entity = statement.column_descriptions[0].get("entity")
    if entity is None:
        return next(iter(statement.selected_columns))
    mapper = inspect(entity).mapper
    return getattr(entity, mapper.get_property_by_column(mapper.primary_key[0]).key)
