"""The nearest rows to a vector, as a Select."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.building.checks import require_count, require_distance
from sqlalchemy_vecsearch.search.building.column import refuse_foreign, searched_column
from sqlalchemy_vecsearch.search.building.query_vector import StoredEmbedding, bound_query, exclusions
from sqlalchemy_vecsearch.search.building.request import Search
from sqlalchemy_vecsearch.search.building.scan import checked_effort
from sqlalchemy_vecsearch.search.building.shapes import exact_form, found_form
from sqlalchemy_vecsearch.search.building.stages import require_stages
from sqlalchemy_vecsearch.search.building.typing import adds_distance
from sqlalchemy_vecsearch.search.strategy import Strategy
from sqlalchemy_vecsearch.selects import as_select

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.query_vector import Query
    from sqlalchemy_vecsearch.search.building.stages import Stages

__all__ = ["nearest"]


@adds_distance
def nearest(
    source: Any,  # Any: the decorator says which
    column: Any,
    query: Query,
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
    strict: bool = False,
    oversample: int | None = None,
    stages: Stages = (),
    strategy: Strategy | Literal["exact", "iterative", "plain"] | None = None,
) -> Any:
    """Return a Select of the ``k`` rows nearest to a vector, ascending, with their ``distance`` as the last column.

    An HNSW or IVFFlat index serves it: the distance operator stands bare in ORDER BY, beside LIMIT, in a sub-select
    with the settings that it needs. It returns ``k`` rows whenever the table has them, whatever hides others: the
    statement looks at the nearest rows first, counts how many of them pass (the filter, a policy, a view, criteria of
    the session), and then, in the same round trip, is content with them, goes on by an iterative scan (pgvector 0.8),
    or reads every row that passes. What it did stands in the plan, and :func:`explain` says it.

    A quantised column is searched by its quantised index for ``k * oversample`` candidates, which are re-ranked by the
    full vectors. A condition that you add to the result can only drop some of the ``k`` rows: add it to the source.

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
        model: of the question; None asks nothing. Another one than the column declares is refused.
        within: the largest distance to return; applied outside the index scan, so that it never prolongs it.
        exact: True reads every row that passes the filter and misses none; plain indexes on the filter still serve.
        ef_search: candidates of an HNSW scan, 1 to 1000. None takes what the session has, and at least ``k``, and
            100, or 200 under a filter; more for a larger ``k``, and up to 400 in a large table.
        probes: lists of an IVFFlat scan, 1 to 32768. None takes what the session has, and at least
            six tenths of them, eight with a filter.
        max_scan_tuples: rows an iterative HNSW scan visits at the most. None visits what the share that passed makes
            likely, and a thirtieth of the table at the most, before every row is read; and as many as it takes, within
            64 times work_mem, where ``max_exact_rows`` does not allow that, or with ``strategy=ITERATIVE``.
        max_exact_rows: the largest table, by ``pg_class.reltuples``, of which every row may be read where the index
            yields too few. On a larger one there are then fewer rows than ``k``, or worse ones. None reads any table.
        strict: True keeps iterative scans in strict order: cheaper for partitioned tables and cursors, at a lower
            recall, since rows that come out of order are dropped.
        oversample: candidates for each of the ``k`` rows of a quantised column. None takes 2 for halfvec, 20 for
            Subvector, and 20 but at least 800 in all for binary (measured on texts: recall@10 0.96 to 0.98).
        stages: forms of the vectors between a quantised index and the full vectors, each with how many rows it keeps:
            ``[(Subvector(1, 128), 100)]`` ranks the candidates of a binary index by their first 128 dimensions, and
            the best 100 of these by all.
        strategy: the way to the rows: ``PLAIN`` looks once, ``ITERATIVE`` scans on, and both read every row where
            that yields too few, not where it yields enough of which some are not the nearest; ``EXACT`` does so at
            once. Their values as text do as well. None lets the statement decide when it runs.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        ModelError: the question is of another model than the column's.
        SearchError: the source can not be searched, the query is a zero vector to be compared by cosine, k, within or
            the source's OFFSET is out of range, the strategy is unknown or contradicts ``exact``, or the stages do not
            lead from a quantised index to the rows.
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
    effort = checked_effort(ef_search, probes, max_scan_tuples, max_exact_rows, strict=strict, strategy=strategy)
    searched = searched_column(column, metric, exact=exact, model=model)
    refuse_foreign(statement, searched)
    vector = bound_query(query, searched)
    statement = (
        statement.where(*exclusions(query, vector, searched)) if isinstance(query, StoredEmbedding) else statement
    )
    # numbers of one type each: an int would be another parameter, and another compiled statement
    search = Search(statement, searched, vector, int(k), None if within is None else float(within))
    exact = _reads_every_row(effort.strategy, exact=exact)
    if stages:
        require_stages(search, stages, exact=exact)
    if exact:
        return exact_form(search)
    return found_form(search, effort, oversample, stages)


def _reads_every_row(strategy: Strategy | None, *, exact: bool) -> bool:
    if exact and strategy not in {None, Strategy.EXACT}:
        raise SearchError(
            f"exact=True and strategy={str(strategy)!r} contradict each other. "
            "The first reads every row that passes, the second scans the index. "
            "Pass one of the two."
        )
    return exact or strategy is Strategy.EXACT


def _validate(k: object, within: float | None, oversample: int | None) -> None:
    require_count("k", k, "how many rows to return")
    if oversample is not None:
        require_count("oversample", oversample, "how many candidates to look at for each row")
    require_distance(within)
