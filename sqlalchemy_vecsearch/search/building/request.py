"""What one search is for: what is read, through which column, and how much of it is wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy_vecsearch.expressions import distance_between
from sqlalchemy_vecsearch.search.building.checks import require_count
from sqlalchemy_vecsearch.search.building.column import SearchedColumn, refuse_foreign, searched_column
from sqlalchemy_vecsearch.search.building.index_predicates import with_literals
from sqlalchemy_vecsearch.search.building.query_vector import bound_query, exclusions
from sqlalchemy_vecsearch.search.building.refusals import refuse_offset
from sqlalchemy_vecsearch.selects import as_select, is_filtered, offset_of, stored_element

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.column import Declared
    from sqlalchemy_vecsearch.search.building.query_vector import Query
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["Search", "prepared", "restricted", "search_of", "search_of_parts"]


@dataclass(frozen=True, slots=True)
class Search:
    """One search: what is read, through which column, and how much of it is wanted."""

    statement: Statement
    searched: SearchedColumn
    vector: ColumnElement[Any]
    k: int
    within: float | None = None

    @property
    def wanted(self) -> int:
        """How many rows are to be ranked, those that OFFSET passes over included."""
        return self.k + offset_of(self.statement)

    @property
    def table(self) -> FromClause:
        """The table that holds the embeddings."""
        return self.searched.column.table

    @property
    def is_filtered(self) -> bool:
        """Whether the statement says that rows which the scan finds can be dropped before they count."""
        return is_filtered(self.statement) or (
            self.searched.index is not None and self.searched.index.where is not None
        )

    @property
    def distance(self) -> ColumnElement[float]:
        """The bare distance between the column and the query."""
        return distance_between(self.searched.element, self.vector, self.searched.metric)

    @property
    def has_embedding(self) -> tuple[ColumnElement[bool], ...]:
        """The condition that keeps NULL embeddings out, where there can be any."""
        return (self.searched.stored.is_not(None),) if self.searched.column.nullable else ()


def prepared(
    source: Any, column: Any, metric: Metric | str | None, *, exact: bool = False, model: str | None = None
) -> tuple[Statement, SearchedColumn]:  # Any: as for nearest
    """Return the statement and the column of a search, checked against each other.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        ModelError: the question is of another model than the column's.
        SearchError: the source can not be searched, or the column is not of it.
    """
    statement = as_select(source)
    refuse_offset(statement)
    searched = searched_column(column, metric, exact=exact, model=model)
    refuse_foreign(statement, searched)
    # some levels of a form scan the statement, others read it as it is: a value is a literal in all or in none
    return with_literals(statement, searched), searched


def search_of(
    source: Any,
    column: Any,
    query: Query,
    *,
    k: int,
    metric: Metric | str | None,
    exact: bool = False,
    model: str | None = None,
) -> Search:  # Any: as for nearest
    """Return the search for ``k`` rows, with everything checked that can be before SQL is sent.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        ModelError: the question is of another model than the column's.
        SearchError: the source can not be searched, or k is out of range.
        VectorValueError: the query is no vector of the column's length.
    """
    require_count("k", k, "how many rows to return")
    statement, searched = prepared(source, column, metric, exact=exact, model=model)
    vector = bound_query(query, searched)
    return Search(statement.where(*exclusions(query, vector, searched)), searched, vector, int(k))


def restricted(search: Search, *conditions: Any) -> Search:
    """Return the search with further conditions."""
    return replace(search, statement=search.statement.where(*conditions)) if conditions else search


def search_of_parts(declared: Declared, statement: Statement, element: Any, vector: Any) -> Search:
    """Return the search again whose parts a deferred sub-select holds; its ``k`` is a parameter there, and here 0."""
    return Search(statement, SearchedColumn(element, stored_element(element), declared), vector, 0)
