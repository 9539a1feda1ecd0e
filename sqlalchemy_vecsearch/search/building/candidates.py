"""The rows nearest to a vector, with their keys, for an outer level to work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy_vecsearch.search.building.arms import arms_of
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE
from sqlalchemy_vecsearch.search.building.index_predicates import with_literals
from sqlalchemy_vecsearch.search.building.ordering import unindexed
from sqlalchemy_vecsearch.search.building.partition_keys import conditions_on_partition_keys
from sqlalchemy_vecsearch.search.building.subselects import column_of, materialized, shared
from sqlalchemy_vecsearch.selects import tie_breaks, without_filter

if TYPE_CHECKING:
    from sqlalchemy import CTE, ColumnElement, FromClause

    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.search.building.row_keys import RowKeys
    from sqlalchemy_vecsearch.search.building.scan import Effort
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["Candidates", "by_distance", "candidates_of", "rows_found"]


@dataclass(frozen=True, slots=True)
class Candidates:
    """A sub-select of the nearest rows: ``key_0`` ..., whatever was asked for, and ``distance``."""

    rows: CTE
    keys: RowKeys


def candidates_of(
    search: Search,
    effort: Effort,
    count: int,
    *columns: Any,
    exact: bool = False,
    oversample: int | None = None,
    best: bool = True,
) -> Candidates:
    """Return the ``count`` nearest rows as a sub-select, nearest first, to be read once.

    Args:
        search: the search; its ``k`` does not matter here.
        effort: how thoroughly to search.
        count: how many rows.
        columns: labelled columns to read besides the keys.
        exact: True reads every row.
        oversample: candidates for each row of a quantised index; None takes what is usual.
        best: False leaves in whatever more was looked at, in any order, materialised.
    """
    arms = arms_of(search, effort, count, *columns, exact=exact, oversample=oversample, best=best)
    return Candidates(shared(arms.rows, "nearest") if best else materialized(arms.rows, "candidates"), arms.keys)


def rows_found(search: Search, keys: RowKeys, rows: FromClause) -> Statement:
    """Return the caller's statement for the rows of a sub-select, which have passed its filter.

    Of the filter only what tells the partitions is left.
    """
    return without_filter(search.statement, _found_again(search, keys, rows))


def by_distance(
    search: Search,
    keys: RowKeys,
    rows: FromClause,
    *,
    limit: ColumnElement[int] | None = None,
    in_order: bool = False,
) -> Statement:
    """Return the caller's statement for the rows of a sub-select, with ``distance``, ascending, ties as it says.

    Args:
        search: the search.
        keys: what finds the rows again.
        rows: the sub-select.
        limit: how many rows to return, None for all.
        in_order: True for a sub-select that PostgreSQL has sorted by its ``distance``.
    """
    distance = column_of(rows, "distance", DOUBLE)
    order = (distance if in_order else unindexed(distance), *tie_breaks(search.statement))
    found = _found_again(search, keys, rows)
    return without_filter(search.statement, found, distance.label("distance"), order=order, limit=limit)


def _found_again(search: Search, keys: RowKeys, rows: FromClause) -> list[ColumnElement[bool]]:
    pruned = conditions_on_partition_keys(with_literals(search.statement, search.searched), search.table)
    return [*pruned, *keys.matching(rows)]
