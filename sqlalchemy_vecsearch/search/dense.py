"""The leg of a hybrid search that finds the rows nearest to a vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy_vecsearch.search.building.arms import arms_of
from sqlalchemy_vecsearch.search.building.column import refuse_foreign, searched_column
from sqlalchemy_vecsearch.search.building.ordering import unindexed
from sqlalchemy_vecsearch.search.building.query_vector import bound_query, exclusions
from sqlalchemy_vecsearch.search.building.request import Search
from sqlalchemy_vecsearch.search.building.scan import Effort, checked_effort
from sqlalchemy_vecsearch.search.distance import similarity_of

if TYPE_CHECKING:
    from sqlalchemy import BindParameter, ColumnElement, FromClause

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.column import SearchedColumn
    from sqlalchemy_vecsearch.search.building.legs import Leg, LegForm
    from sqlalchemy_vecsearch.search.building.query_vector import Query
    from sqlalchemy_vecsearch.search.building.row_keys import RowKeys
    from sqlalchemy_vecsearch.search.building.subselects import Selected
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["DenseLeg", "dense"]


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

    @property
    def table(self) -> Any:
        """The table of that column."""
        return self.searched.column.table

    def shared_conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Leave a stored row that is the query out of all legs."""
        return exclusions(self.query, self.vector, self.searched)[:1]

    @property
    def form(self) -> LegForm:
        """How its rows are selected."""
        return _NEAREST

    def parts(self, statement: Statement, keys: RowKeys, count: int) -> tuple[Any, ...]:
        """Return the nearest rows, by the index."""
        refuse_foreign(statement, self.searched)
        own = statement.where(*exclusions(self.query, self.vector, self.searched)[1:])
        search = Search(own, self.searched, self.vector, count)
        score = similarity_of(search.distance, self.searched).label("score")
        return (arms_of(search, self.effort, count, score, exact=self.exact, keys=keys).rows,)


@dataclass(frozen=True, slots=True)
class _Nearest:
    """The nearest rows."""

    def limited(self, statement: Statement, keys: RowKeys, pool: BindParameter[int], rows: Selected) -> Selected:  # noqa: ARG002  # a search of its own
        """Return the select of them, which is there."""
        return rows

    def ranking(self, rows: FromClause) -> ColumnElement[Any]:
        """Rank by distance, sorted for real."""
        return unindexed(rows.c.distance)


_NEAREST: Final = _Nearest()


def dense(
    column: Any,  # Any: a mapped attribute or a column
    query: Query,
    *,
    metric: Metric | str | None = None,
    model: str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
    max_scan_tuples: int | None = None,
    max_exact_rows: int | None = None,
    name: str = "dense",
) -> Leg:
    """Return the leg of the rows nearest to a vector, for :func:`hybrid`.

    Its score is the similarity, as ``similarity()`` defines it.

    Args:
        column: the embedding column.
        query: a vector, ``embedding_of(...)``, or an SQL expression.
        metric: None takes the declared metric.
        model: of the question; None asks nothing. Another one than the column declares is refused.
        exact: True compares every row that passes the filter.
        ef_search: candidates of an HNSW scan, 1 to 1000; raised to what the leg contributes.
        probes: lists of an IVFFlat scan, 1 to 32768.
        max_scan_tuples: rows an iterative HNSW scan visits at the most; as for :func:`nearest`.
        max_exact_rows: the largest table of which every row may be read; as for :func:`nearest`.
        name: what its columns and its weight are called; give two dense legs two names.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        ModelError: the question is of another model than the column's.
        SearchError: the column holds no vectors.
        SettingsError: a setting is out of its range.
        VectorValueError: the query is no vector of the column's length.
    """
    searched = searched_column(column, metric, exact=exact, model=model)
    effort = checked_effort(ef_search, probes, max_scan_tuples, max_exact_rows)
    return DenseLeg(name, searched, query, bound_query(query, searched), effort, exact)
