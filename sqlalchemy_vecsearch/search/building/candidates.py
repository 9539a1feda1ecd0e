"""The rows nearest to a vector, with their keys, for an outer level to work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy_vecsearch.search.building.arms import arms_of
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE, number
from sqlalchemy_vecsearch.search.building.narrow_order import Carried, InOrder, in_its_order, in_order
from sqlalchemy_vecsearch.search.building.ordering import unindexed
from sqlalchemy_vecsearch.search.building.subselects import column_of, shared
from sqlalchemy_vecsearch.selects import tie_breaks

if TYPE_CHECKING:
    from sqlalchemy import CTE, ColumnElement, FromClause

    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.search.building.row_keys import RowKeys
    from sqlalchemy_vecsearch.search.building.scan import Effort
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["Candidates", "by_distance", "candidates_of"]


@dataclass(frozen=True, slots=True)
class Candidates:
    """A sub-select of the nearest rows: ``key_0`` ..., whatever was asked for, and ``distance``."""

    rows: CTE
    keys: RowKeys


def candidates_of(
    search: Search, effort: Effort, count: int, *, exact: bool = False, keys: RowKeys | None = None
) -> Candidates:
    """Return the ``count`` nearest rows as a sub-select, nearest first, to be read once.

    Args:
        search: the search; its ``k`` does not matter here.
        effort: how thoroughly to search.
        count: how many rows.
        exact: True reads every row.
        keys: what tells the rows of the statement apart, where that is known already.
    """
    arms = arms_of(search, effort, count, exact=exact, keys=keys)
    return Candidates(shared(arms.rows, "nearest"), arms.keys)


def by_distance(
    search: Search,
    keys: RowKeys,
    rows: FromClause,
    *,
    limit: ColumnElement[int] | None = None,
    is_sorted: bool = False,
) -> Statement:
    """Return the caller's statement for the rows of a sub-select, with ``distance``, ascending, ties as it says.

    Args:
        search: the search.
        keys: what finds the rows again.
        rows: the sub-select.
        limit: how many rows to return, None for all.
        is_sorted: True for a sub-select that PostgreSQL has sorted by its ``distance``.
    """
    distance = column_of(rows, "distance", DOUBLE)
    if is_sorted and not tie_breaks(search.statement):
        found = InOrder(rows, {"distance": distance}, (distance,))
    else:
        wanted = None if limit is None else number(search.wanted)
        columns = [Carried("distance", unindexed(distance))]
        found = in_order(search, keys, rows, columns, limit=wanted, of_rows=True)
    return in_its_order(search, keys, found, "distance", limit=limit)
