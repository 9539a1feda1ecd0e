"""The limited level of a search: the rows nearest to a vector, with their keys, for an outer level to work on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy_vecsearch.search.checking import require_count
from sqlalchemy_vecsearch.search.counts import scan_count
from sqlalchemy_vecsearch.search.effort import Effort, carried_settings
from sqlalchemy_vecsearch.search.forms import Search, limited_select, scan_order, unindexed
from sqlalchemy_vecsearch.search.identity import row_keys
from sqlalchemy_vecsearch.search.queries import bound_query, exclusions
from sqlalchemy_vecsearch.search.refusals import refuse_offset
from sqlalchemy_vecsearch.search.searched import refuse_foreign, searched_column
from sqlalchemy_vecsearch.search.statements import as_select, only_columns, tie_breaks, without_filter
from sqlalchemy_vecsearch.search.subselects import materialized

if TYPE_CHECKING:
    from sqlalchemy import CTE, FromClause

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.identity import RowKeys
    from sqlalchemy_vecsearch.search.queries import Query
    from sqlalchemy_vecsearch.search.searched import SearchedColumn
    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = ["Candidates", "candidates_of", "limited_candidates", "prepared", "rows_found", "search_of"]


@dataclass(frozen=True, slots=True)
class Candidates:
    """A materialised sub-select of the nearest rows: ``key_0`` ..., whatever was asked for, and ``distance``.

    Its order is that of the scan, which an iterative scan in relaxed order does not keep exactly: sort it anew.
    """

    rows: CTE
    keys: RowKeys


def prepared(
    source: Any, column: Any, metric: Metric | str | None, *, exact: bool = False
) -> tuple[Statement, SearchedColumn]:  # Any: as for nearest
    """Return the statement and the column of a search, checked against each other.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the source can not be searched, or the column is not of it.
    """
    statement = as_select(source)
    refuse_offset(statement)
    searched = searched_column(column, metric, exact=exact)
    refuse_foreign(statement, searched)
    return statement, searched


def search_of(
    source: Any, column: Any, query: Query, *, k: int, metric: Metric | str | None, exact: bool = False
) -> Search:  # Any: as for nearest
    """Return the search for ``k`` rows, with everything checked that can be before SQL is sent.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the source can not be searched, or k is out of range.
        VectorValueError: the query is no vector of the column's length.
    """
    require_count("k", k, "how many rows to return")
    statement, searched = prepared(source, column, metric, exact=exact)
    vector = bound_query(query, searched)
    return Search(statement.where(*exclusions(query, vector, searched)), searched, vector, int(k))


def limited_candidates(
    search: Search,
    effort: Effort,
    count: int,
    *columns: Any,
    exact: bool = False,
    exclude: Any = None,
    outer: FromClause | None = None,
) -> tuple[Statement, RowKeys]:
    """Return the select of the ``count`` nearest rows, served by the index unless it is to be exact.

    A quantised index orders by what it holds; ``distance`` is that of the full vectors in any case.

    Args:
        search: the search; its ``k`` does not matter here.
        effort: how thoroughly to search.
        count: how many rows.
        columns: labelled columns to read besides the keys.
        exact: True reads every row.
        exclude: a condition that may name columns of ``outer``.
        outer: for a LATERAL sub-select, the rows whose columns it names.
    """
    distance = search.distance
    conditions = () if exclude is None else (exclude,)
    if exact:
        keys = row_keys(search.statement, search.searched)
        inner = only_columns(search.statement, *keys.labelled, *columns, distance.label("distance"))
        inner = inner.where(*search.has_embedding, *conditions).order_by(unindexed(distance)).limit(count)
        return (inner if outer is None else inner.correlate(outer)), keys
    filtered = exclude is not None or search.is_filtered
    settings = carried_settings(search.searched, effort, candidates=count, filtered=filtered)
    return limited_select(
        search,
        settings,
        scan_order(search),
        count,
        *columns,
        distance.label("distance"),
        conditions=conditions,
        outer=outer,
    )


def candidates_of(
    search: Search, effort: Effort, count: int, *columns: Any, exact: bool = False, best: bool = False
) -> Candidates:
    """Return ``count`` nearest rows as a materialised sub-select.

    Args:
        search: the search; its ``k`` does not matter here.
        effort: how thoroughly to search.
        count: how many rows.
        columns: labelled columns to read besides the keys.
        exact: True reads every row.
        best: True takes more candidates where the scan is not in order, and keeps the nearest of them.
    """
    scanned = scan_count(search, count) if best and not exact else count
    inner, keys = limited_candidates(search, effort, scanned, *columns, exact=exact)
    rows = materialized(inner, "candidates")
    if scanned > count:
        rows = materialized(rows.select().order_by(unindexed(rows.c.distance)).limit(count), "nearest")
    return Candidates(rows, keys)


def rows_found(search: Search, keys: RowKeys, rows: FromClause) -> Statement:
    """Return the caller's statement, without its filter, for the rows of a sub-select that have passed it."""
    return without_filter(search.statement).where(*keys.matching(rows))


def by_distance(search: Search, keys: RowKeys, rows: FromClause) -> Statement:
    """Return the caller's statement for the rows of a sub-select, with ``distance``, ascending, ties as it says."""
    statement = rows_found(search, keys, rows).add_columns(rows.c.distance.label("distance"))
    return statement.order_by(unindexed(rows.c.distance), *tie_breaks(search.statement))


def restricted(search: Search, *conditions: Any) -> Search:
    """Return the search with further conditions."""
    return replace(search, statement=search.statement.where(*conditions)) if conditions else search
