"""The rules of what may stand beside a search at its own level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, ColumnClause

from sqlalchemy_vecsearch.measuring.distances import distances_in
from sqlalchemy_vecsearch.measuring.findings import Finding
from sqlalchemy_vecsearch.measuring.index_rules import indexes_of
from sqlalchemy_vecsearch.methods import IVFFlat
from sqlalchemy_vecsearch.selects import parts
from sqlalchemy_vecsearch.settings import SERVER_EF_SEARCH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy_vecsearch.measuring.distances import Distance
    from sqlalchemy_vecsearch.measuring.levels import Level, OrderTerm

__all__ = ["beside_findings", "row_findings", "unordered_findings"]

_ITERATIVE: Final = {"hnsw.iterative_scan", "ivfflat.iterative_scan"}


def beside_findings(level: Level) -> Iterator[Finding]:
    """Yield what stands beside the ORDER BY of a search and takes the index from it. Pure."""
    term = level.terms[0]
    name = f"{term.distance.stored.column.name!r}"
    if level.is_distinct:
        yield Finding(
            "distinct",
            f"DISTINCT stands at the level of the search by the column {name}. "
            "It has to see all rows before the LIMIT counts, so every row is read.",
            "Search in a sub-select with its own LIMIT, and apply DISTINCT around it, or use nearest_per_group().",
        )
    if level.is_grouped:
        yield Finding(
            "group_by",
            f"GROUP BY stands at the level of the search by the column {name}. "
            "It has to see all rows before the LIMIT counts, so every row is read.",
            "Use nearest_per_group(), or group the rows of a limited sub-select.",
        )
    if level.windows and not _ranked_by(level):
        yield Finding(
            "window",
            f"A window function stands at the level of the search by the column {name}. "
            "It has to see all rows before the LIMIT counts: every row is read, or count() OVER () counts what the "
            "index happened to return.",
            "Put the window around a limited sub-select, or count with count_within().",
        )
    if _joined_query(level, term):
        yield Finding(
            "joined_query",
            f"The column {name} is compared with a column of another table of the same FROM. "
            "An index scan needs one vector that is known before it starts, so every pair of rows is compared.",
            "Read the vector by a scalar sub-select, as embedding_of() does, or use nearest_each() for many of them.",
        )
    if not level.is_limited and not level.settings & _ITERATIVE:
        yield Finding(
            "missing_limit",
            f"The search by the column {name} has no LIMIT. "
            "Without one every row is asked for, so every row is read and sorted.",
            "Add .limit(k) at the level of ORDER BY.",
        )
    if any(_holds_distance(criterion) for criterion in level.criteria):
        yield Finding(
            "threshold_in_where",
            f"WHERE compares the distance of the column {name} beside ORDER BY. "
            "An iterative scan goes on through the whole index when too few rows are near enough.",
            "Pass nearest(..., within=0.3), or compare the distance around a limited sub-select.",
        )


def row_findings(level: Level) -> Iterator[Finding]:
    """Yield what makes a search that an index serves return fewer rows than asked. Pure."""
    term = level.terms[0]
    name = f"{term.distance.stored.column.name!r}"
    if level.settings or any(isinstance(index.method, IVFFlat) for index in indexes_of(term.distance.stored)):
        return
    if level.limit is not None and level.limit > SERVER_EF_SEARCH:
        yield Finding(
            "k_above_ef_search",
            f"The search by the column {name} asks for {level.limit} rows and states no hnsw.ef_search. "
            f"An HNSW scan returns at most that many rows, {SERVER_EF_SEARCH} unless the session has raised it.",
            "Use nearest(), which states what it needs, or run it inside search_settings(session, ef_search=...).",
        )
    if level.has_offset:
        yield Finding(
            "offset",
            f"The search by the column {name} passes over rows with OFFSET. "
            "They count against hnsw.ef_search, so that later pages come back short or empty.",
            "Use nearest(select(...).offset(n), ...), which counts them.",
        )
    if _drops_rows(level, term):
        yield Finding(
            "filter_loses_rows",
            f"The search by the column {name} has a filter or a join and no iterative scan. "
            "The index returns its candidates first, and those that do not pass are lost without others in their "
            "place.",
            "Use nearest(select(...).where(...), ...), which goes on until enough rows have passed.",
        )


def unordered_findings(level: Level) -> Iterator[Finding]:
    """Yield the misuse of distances at a level that does not order by one. Pure."""
    for ranked in _ranked_by(level):
        name = f"{ranked.stored.column.name!r}"
        yield Finding(
            "flat_window",
            f"A window function ranks by the distance of the column {name} where the rows are searched. "
            "Without ORDER BY and LIMIT of its own the level ranks every row, and on Citus all of them are fetched.",
            "Rank the rows of a limited sub-select.",
        )
    if level.terms:
        return
    for criterion in level.criteria:
        for found in distances_in(criterion):
            yield Finding(
                "threshold_without_order",
                f"WHERE compares the distance of the column {found.stored.column.name!r}, and nothing orders by it. "
                "A vector index serves ORDER BY only, so every row is read.",
                "Use nearest(..., within=0.3), or count_within() to count.",
            )
            return


def _ranked_by(level: Level) -> list[Distance]:
    """Return the distances by which window functions rank."""
    orders = (window.order_by for window in level.windows if window.order_by is not None)
    ranked = (next(distances_in(order), None) for order in orders)
    return [found for found in ranked if found is not None]


def _joined_query(level: Level, term: OrderTerm) -> bool:
    own = {source for source, _ in level.sources}
    columns = (part for part in parts(term.distance.query) if isinstance(part, ColumnClause))
    return any(column.table is not None and column.table in own for column in columns)


def _holds_distance(criterion: Any) -> bool:
    return next(distances_in(criterion), None) is not None


def _drops_rows(level: Level, term: OrderTerm) -> bool:
    required = [source for source, nullable in level.sources if not nullable]
    return (
        level.has_loader_criteria
        or len(required) > 1
        or any(not _keeps_all(criterion, term) for criterion in level.criteria)
    )


def _keeps_all(criterion: Any, term: OrderTerm) -> bool:
    """Return whether every row of the index passes: the embedding is not NULL, or the predicate of a partial index."""
    if isinstance(criterion, BinaryExpression) and criterion.operator is operators.is_not:
        column = term.distance.stored.column
        return any(base is column for base in getattr(criterion.left, "base_columns", ()))
    return any(index.where is not None and criterion.compare(index.where) for index in indexes_of(term.distance.stored))
