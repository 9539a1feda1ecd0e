"""The legs of a hybrid search that find rows by vectors, and what every leg can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.search.candidates import limited_candidates
from sqlalchemy_vecsearch.search.counts import scan_count
from sqlalchemy_vecsearch.search.distances import similarity_of
from sqlalchemy_vecsearch.search.effort import Effort, checked_effort
from sqlalchemy_vecsearch.search.forms import Search, unindexed
from sqlalchemy_vecsearch.search.queries import bound_query, exclusions
from sqlalchemy_vecsearch.search.searched import refuse_foreign, searched_column
from sqlalchemy_vecsearch.search.subselects import inline

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.identity import RowKeys
    from sqlalchemy_vecsearch.search.queries import Query
    from sqlalchemy_vecsearch.search.searched import SearchedColumn
    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = ["DenseLeg", "Leg", "dense", "sparse"]


class Leg(Protocol):
    """One way to find rows: what :func:`dense`, :func:`sparse`, :func:`fulltext` and :func:`trigram` return."""

    @property
    def name(self) -> str:
        """What its rank and score columns, and its weight, are called by."""

    @property
    def element(self) -> Any:  # Any: a mapped attribute or a column
        """The column that it searches."""

    @property
    def label(self) -> str:
        """The column's name, for messages."""

    def shared_conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions that it brings for all legs."""

    def limited(self, statement: Statement, keys: RowKeys, count: int) -> Statement:
        """Return the select of its best rows: their keys and their ``score``, larger being better."""

    def ranking(self, rows: FromClause) -> ColumnElement[Any]:
        """Return what its rows are ranked by, ascending."""


@dataclass(frozen=True, slots=True)
class DenseLeg:
    """The rows nearest to a vector."""

    name: str
    searched: SearchedColumn
    query: Query
    vector: ColumnElement[Any]
    effort: Effort
    exact: bool = False

    @property
    def element(self) -> Any:
        """The embedding column."""
        return self.searched.element

    @property
    def label(self) -> str:
        """The column's name with its table."""
        return self.searched.label

    def shared_conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Leave a stored row that is the query out of all legs."""
        return exclusions(self.query, self.vector, self.searched)[:1]

    def limited(self, statement: Statement, keys: RowKeys, count: int) -> Statement:  # noqa: ARG002  # finds its own
        """Return the nearest rows, by the index."""
        refuse_foreign(statement, self.searched)
        own = statement.where(*exclusions(self.query, self.vector, self.searched)[1:])
        search = Search(own, self.searched, self.vector, count)
        score = similarity_of(search.distance, self.searched).label("score")
        scanned = count if self.exact else scan_count(search, count)
        found, _ = limited_candidates(search, self.effort, scanned, score, exact=self.exact)
        if scanned == count:
            return found
        rows = inline(found, f"{self.name}_candidates")
        return rows.select().order_by(unindexed(rows.c.distance)).limit(count)

    def ranking(self, rows: FromClause) -> ColumnElement[Any]:
        """Rank by distance, sorted for real."""
        return unindexed(rows.c.distance)


def dense(
    column: Any,  # Any: a mapped attribute or a column
    query: Query,
    *,
    metric: Metric | str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
    name: str = "dense",
) -> DenseLeg:
    """Return the leg of the rows nearest to a vector, for :func:`hybrid`.

    Its score is the similarity, as ``similarity()`` defines it.

    Args:
        column: the embedding column.
        query: a vector, ``embedding_of(...)``, or an SQL expression.
        metric: None takes the declared metric.
        exact: True compares every row that passes the filter.
        ef_search: candidates of an HNSW scan, 1 to 1000; raised to what the leg contributes.
        probes: lists of an IVFFlat scan, 1 to 32768.
        name: what its columns and its weight are called; give two dense legs two names.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the column holds no vectors.
        SettingsError: a setting is out of its range.
        VectorValueError: the query is no vector of the column's length.
    """
    searched = searched_column(column, metric, exact=exact)
    return DenseLeg(name, searched, query, bound_query(query, searched), checked_effort(ef_search, probes), exact)


def sparse(
    column: Any,  # Any: a mapped attribute or a column
    query: Query,
    *,
    metric: Metric | str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    name: str = "sparse",
) -> DenseLeg:
    """Return the leg of the rows nearest to a sparse vector, such as a SPLADE expansion, for :func:`hybrid`.

    Args:
        column: a column of the storage "sparsevec".
        query: a sparse vector, ``embedding_of(...)``, or an SQL expression.
        metric: None takes the declared metric.
        exact: True compares every row that passes the filter.
        ef_search: candidates of an HNSW scan, 1 to 1000; raised to what the leg contributes.
        name: what its columns and its weight are called.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the column holds no sparse vectors.
        SettingsError: a setting is out of its range.
        VectorValueError: the query is no vector of the column's length.
    """
    leg = dense(column, query, metric=metric, exact=exact, ef_search=ef_search, name=name)
    if leg.searched.storage is Storage.SPARSEVEC:
        return leg
    raise SearchError(
        f"The column {leg.label!r} holds {leg.searched.storage.value} values, and a sparse leg searches sparsevec. "
        "The two compare different kinds of embeddings, and a leg is named for its kind. "
        "Write dense(...) for this column, or pass the sparse one."
    )
