"""The nearest rows to a vector, as a Select."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack, overload

from sqlalchemy import select

from sqlalchemy_vecsearch.search.checking import require_count, require_distance
from sqlalchemy_vecsearch.search.effort import Effort
from sqlalchemy_vecsearch.search.forms import Search, exact_form, plain_form, sorted_form
from sqlalchemy_vecsearch.search.queries import StoredEmbedding, bound_query, exclusions
from sqlalchemy_vecsearch.search.searched import refuse_foreign, searched_column
from sqlalchemy_vecsearch.search.stages import require_stages, reranked_form
from sqlalchemy_vecsearch.search.statements import as_select
from sqlalchemy_vecsearch.search.strategy import Strategy
from sqlalchemy_vecsearch.search.typing import returns_like
from sqlalchemy_vecsearch.settings import require_setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import FromClause, Select

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.options import NearestOptions
    from sqlalchemy_vecsearch.search.queries import Query
    from sqlalchemy_vecsearch.search.stages import Stages

__all__ = ["nearest"]

_Entity = TypeVar("_Entity")
_Result = TypeVar("_Result")
_Columns = TypeVarTuple("_Columns")


@overload
def nearest(
    source: Select[tuple[*_Columns]], column: Any, query: Query, **options: Unpack[NearestOptions]
) -> Select[tuple[*_Columns, float]]: ...
@overload
def nearest(
    source: Select[*_Columns], column: Any, query: Query, **options: Unpack[NearestOptions]
) -> Select[*_Columns, float]: ...
@overload
def nearest(
    source: FromClause, column: Any, query: Query, **options: Unpack[NearestOptions]
) -> Select[Any]: ...  # Any: the columns of a Core table have no static types
@overload
@returns_like(select)
def nearest(column: Any, query: Query, **options: Unpack[NearestOptions]) -> Any: ...
@overload
def nearest(
    source: type[_Entity],
    column: Any,
    query: Query,
    *,
    _shape: Callable[[type[_Entity], type[float]], _Result] = select,  # type: ignore[assignment]  # for pyright alone
    **options: Unpack[NearestOptions],
) -> _Result: ...
def nearest(  # type: ignore[misc]  # _shape is no real parameter: it lets pyright infer the row type
    source: Any,  # Any: the overloads say which
    column: Any,
    query: Query,
    *,
    k: int,
    metric: Metric | str | None = None,
    within: float | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
    max_scan_tuples: int | None = None,
    strict: bool = False,
    oversample: int | None = None,
    stages: Stages = (),
    strategy: Strategy | None = None,
) -> Any:
    """Return a Select of the ``k`` rows nearest to a vector, ascending, with their ``distance`` as the last column.

    An HNSW or IVFFlat index serves it: the distance operator stands bare in ORDER BY, beside LIMIT. The statement
    carries the settings it needs for itself alone, so that it returns ``k`` rows whenever the table has them:

    - without a filter, ``hnsw.ef_search`` is raised to ``k`` (and the offset); more than 1,000 makes the scan
      iterative;
    - with any WHERE, join or loader criteria the index is scanned iteratively in relaxed order until ``k`` rows have
      passed, in a sub-select, and the rows are sorted for real outside of it (pgvector 0.8);
    - a quantised column is searched by its quantised index for ``k * oversample`` candidates, which are re-ranked by
      the full vectors.

    Rows whose embedding is NULL are left out. A zero vector has no direction, which cosine compares: as a query it is
    an error, and rows that hold one are in no index; where every row is read, they come last, with the distance NaN.

    Args:
        source: a mapped class, an alias, a table, or a Select with its own WHERE, joins, options and columns. Its
            ORDER BY breaks ties after the distance; its OFFSET counts from the nearest row.
        column: the embedding column of the source, such as ``Document.embedding``.
        query: a vector (list, tuple, array or pgvector's classes), :func:`embedding_of` a stored row, or an SQL
            expression such as a scalar sub-select.
        k: how many rows, 1 or more.
        metric: None takes the declared metric.
        within: the largest distance to return; applied outside the index scan, so that it never prolongs it.
        exact: True reads every row that passes the filter and misses none; plain indexes on the filter still serve.
        ef_search: candidates of an HNSW scan, 1 to 1000. None takes what the session has, and at least 100 and ``k``.
        probes: lists of an IVFFlat scan, 1 to 32768. None takes what the session has, and at least
            six tenths of them, eight with a filter.
        max_scan_tuples: rows an iterative HNSW scan visits at the most. None visits as many as it takes, within 64
            times work_mem.
        strict: True keeps iterative scans in strict order: cheaper for partitioned tables and cursors, at a lower
            recall, since rows that come out of order are dropped.
        oversample: candidates for each of the ``k`` rows of a quantised column. None takes 2 for halfvec, 20 for
            Subvector, and 20 but at least 800 in all for binary (measured on texts: recall@10 0.96 to 0.98).
        stages: forms of the vectors between a quantised index and the full vectors, each with how many rows it keeps:
            ``[(Subvector(1, 128), 100)]`` ranks the candidates of a binary index by their first 128 dimensions, and
            the best 100 of these by all.
        strategy: how to reach the rows, as ``choose_strategy`` picks it; None takes the iterative scan for a filtered
            search and the plain one for another.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the source can not be searched, the query is a zero vector to be compared by cosine, k or within is
            out of range, or the stages do not lead from a quantised index to the rows.
        SettingsError: a setting is out of its range.
        VectorValueError: the query is no vector of the column's length.

    Example:
        ```text
        rows = session.execute(nearest(Document, Document.embedding, vector, k=10)).all()
        for document, distance in rows:
            print(distance, document.title)
        ```
    """
    statement = as_select(source)
    _validate(k, within, oversample)
    for name, value in (("ef_search", ef_search), ("probes", probes), ("max_scan_tuples", max_scan_tuples)):
        require_setting(name, value)
    searched = searched_column(column, metric, exact=exact)
    refuse_foreign(statement, searched)
    vector = bound_query(query, searched)
    statement = (
        statement.where(*exclusions(query, vector, searched)) if isinstance(query, StoredEmbedding) else statement
    )
    # numbers of one type each: an int would be another parameter, and another compiled statement
    search = Search(statement, searched, vector, int(k), None if within is None else float(within))
    exact = exact or strategy is Strategy.EXACT
    if stages:
        require_stages(search, stages, exact=exact)
    if exact:
        return exact_form(search)
    effort = Effort(ef_search=ef_search, probes=probes, max_scan_tuples=max_scan_tuples, strict=strict)
    if searched.quantize is not None:
        return reranked_form(search, effort, oversample, stages)
    if search.is_plain or (strategy is Strategy.PLAIN and search.can_be_plain):
        return plain_form(search, effort)
    return sorted_form(search, effort)


def _validate(k: object, within: float | None, oversample: int | None) -> None:
    require_count("k", k, "how many rows to return")
    if oversample is not None:
        require_count("oversample", oversample, "how many candidates to look at for each row")
    require_distance(within)
