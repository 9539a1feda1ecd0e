"""The nearest rows to each of many vectors, in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Select, not_

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.building.checks import require_count, require_distance
from sqlalchemy_vecsearch.search.building.comparing import equal, is_within
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE
from sqlalchemy_vecsearch.search.building.index_predicates import with_literals
from sqlalchemy_vecsearch.search.building.laterals import found_for_each, key_rows, select_rows
from sqlalchemy_vecsearch.search.building.narrow_order import ASCENDING, Carried, InOrder, in_its_order, in_order
from sqlalchemy_vecsearch.search.building.request import Search, prepared
from sqlalchemy_vecsearch.search.building.row_keys import entity_key
from sqlalchemy_vecsearch.search.building.scan import checked_effort
from sqlalchemy_vecsearch.search.building.subselects import column_of
from sqlalchemy_vecsearch.search.building.typing import adds_keys
from sqlalchemy_vecsearch.selects import as_clause, prepended, selected_columns, stored_element

if TYPE_CHECKING:
    from sqlalchemy import FromClause
    from sqlalchemy.types import TypeEngine

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.candidates import Candidates
    from sqlalchemy_vecsearch.search.building.column import SearchedColumn
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["nearest_each"]


@adds_keys
def nearest_each(
    source: Any,  # Any: the decorator says which
    column: Any,
    queries: Any,
    *,
    k: int,
    metric: Metric | str | None = None,
    model: str | None = None,
    within: float | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
    max_scan_tuples: int | None = None,
    max_exact_rows: int | None = None,
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
            Select of two columns, key and vector. When the Select reads the searched column, or a cast of it, by its
            primary key, each row is left out of its own result.
        k: how many rows for each vector, 1 or more.
        metric: None takes the declared metric.
        model: of the question; None asks nothing. Another one than the column declares is refused.
        within: the largest distance to return; applied outside the index scans.
        exact: True compares every row that passes the filter with every query.
        ef_search: candidates of each HNSW scan, 1 to 1000. None takes as many as it needs.
        probes: lists of each IVFFlat scan, 1 to 32768.
        max_scan_tuples: rows an iterative HNSW scan visits at the most, for each query; as for :func:`nearest`.
        max_exact_rows: the largest table of which every row may be read; as for :func:`nearest`.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        ModelError: the question is of another model than the column's.
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
    statement, searched = prepared(source, column, metric, exact=exact, model=model)
    rows, exclude = _query_rows(queries, searched)
    search = Search(statement, searched, rows.c.vector, int(k))
    effort = checked_effort(ef_search, probes, max_scan_tuples, max_exact_rows)
    found = found_for_each(search, rows, effort, exclude=exclude, exact=exact)
    each = _in_order(search, found, {name: rows.c[name].type for name in _ORDERS if name in rows.c})
    outer = prepended(in_its_order(search, found.keys, each, "distance"), each.columns["key"])
    return outer if within is None else outer.where(is_within(each.columns["distance"], float(within)))


_ORDERS: Final = ("position", "key")


def _in_order(search: Search, found: Candidates, types: dict[str, TypeEngine[Any]]) -> InOrder:
    """Return the rows in the order of the queries, or of their keys, the distance, and the caller's ORDER BY."""
    own = {name: column_of(found.rows, name, type_) for name, type_ in {**types, "distance": DOUBLE}.items()}
    first = next(iter(types))
    columns = [Carried(name, one, ASCENDING if name in {first, "distance"} else None) for name, one in own.items()]
    return in_order(search, found.keys, found.rows, columns, of_rows=True)


def _query_rows(queries: Any, searched: SearchedColumn) -> tuple[FromClause, Any]:
    """Return the rows of the queries, and the condition that leaves a row out of its own result."""
    if isinstance(queries, Mapping):
        return key_rows(list(queries), list(queries.values()), searched), None
    if isinstance(queries, Select):
        # a condition of the source may be one of the queries too: its value is a literal in both or in none
        rows = select_rows(with_literals(queries, searched))
        return rows, _not_itself(queries, rows, searched)
    raise SearchError(
        f"The queries are {type(queries).__name__}, not vectors by key. "
        "Each row that is found comes back with the key of its query. "
        "Pass a dict such as {1: vector, 2: vector}, dict(enumerate(vectors)), or a Select of a key and a vector."
    )


def _not_itself(queries: Statement, rows: FromClause, searched: SearchedColumn) -> Any:
    key, _ = selected_columns(queries)
    stored = as_clause(stored_element(list(queries.selected_columns)[1]))
    primary = searched.column.table.primary_key.columns
    if searched.column not in getattr(stored, "base_columns", ()) or list(primary) != [key]:
        return None
    (own,) = entity_key(searched.element)
    return not_(equal(own, rows.c.key))
