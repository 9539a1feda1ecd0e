"""How many rows lie within a distance, counted up to a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from sqlalchemy_vecsearch.search.building.candidates import candidates_of
from sqlalchemy_vecsearch.search.building.checks import require_count, require_distance
from sqlalchemy_vecsearch.search.building.comparing import is_within
from sqlalchemy_vecsearch.search.building.refusals import refuse_lock
from sqlalchemy_vecsearch.search.building.request import search_of
from sqlalchemy_vecsearch.search.building.scan import checked_effort
from sqlalchemy_vecsearch.search.building.subselects import count_rows
from sqlalchemy_vecsearch.search.building.typing import gives_number

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.query_vector import Query

__all__ = ["count_within"]


@gives_number
def count_within(
    source: Any,  # Any: as for nearest
    column: Any,
    query: Query,
    *,
    within: float,
    at_most: int = 1_000,
    metric: Metric | str | None = None,
    model: str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
    max_scan_tuples: int | None = None,
    max_exact_rows: int | None = None,
) -> Any:
    """Return a Select of one number: how many rows lie within a distance, counted up to ``at_most``.

    A result of ``at_most`` means "that many or more": write "1,000+". The index serves the ``at_most`` nearest rows,
    and the distance is compared outside the scan, so the cost is that of a search for ``at_most`` rows whatever the
    answer is. Counting all of them needs every row of the table: ``exact=True`` with a bound as large as the table.

    Args:
        source: a mapped class, an alias, a table, or a Select with its own WHERE and joins.
        column: the embedding column of the source.
        query: a vector, ``embedding_of(...)``, or an SQL expression.
        within: the largest distance that counts.
        at_most: where counting stops, 1 or more.
        metric: None takes the declared metric.
        model: of the question; None asks nothing. Another one than the column declares is refused.
        exact: True reads every row that passes the filter and misses none.
        ef_search: candidates of an HNSW scan, 1 to 1000; raised to ``at_most`` where that is more.
        probes: lists of an IVFFlat scan, 1 to 32768.
        max_scan_tuples: rows an iterative HNSW scan visits at the most; as for :func:`nearest`.
        max_exact_rows: the largest table of which every row may be read; as for :func:`nearest`.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        ModelError: the question is of another model than the column's.
        SearchError: the source can not be searched or locks rows, or within or at_most is out of range.
        SettingsError: a setting is out of its range.
        VectorValueError: the query is no vector of the column's length.

    Example:
        ```text
        found = session.scalar(count_within(Document, Document.embedding, vector, within=0.3, at_most=500))
        print("500+" if found == 500 else found)
        ```
    """
    require_distance(within, optional=False)
    require_count("at_most", at_most, "where counting stops")
    search = search_of(source, column, query, k=at_most, metric=metric, exact=exact, model=model)
    refuse_lock(
        search.statement,
        "A count returns a number, and no row that a lock could be for.",
        "Leave .with_for_update() out.",
    )
    effort = checked_effort(ef_search, probes, max_scan_tuples, max_exact_rows)
    nearest = candidates_of(search, effort, search.k, exact=exact).rows
    return select(count_rows()).select_from(nearest).where(is_within(nearest.c.distance, float(within)))
