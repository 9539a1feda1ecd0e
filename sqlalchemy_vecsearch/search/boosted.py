"""Nearest rows, ranked by similarity together with another quality, such as how recent they are."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ClauseElement, DateTime, Float, Interval, cast, extract, func, literal

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.building.arithmetic import divided, plus, times
from sqlalchemy_vecsearch.search.building.candidates import candidates_of
from sqlalchemy_vecsearch.search.building.checks import is_finite, require_count
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE, number
from sqlalchemy_vecsearch.search.building.narrow_order import DESCENDING, Carried, in_its_order, in_order
from sqlalchemy_vecsearch.search.building.request import search_of
from sqlalchemy_vecsearch.search.building.scan import checked_effort
from sqlalchemy_vecsearch.search.building.subselects import column_of
from sqlalchemy_vecsearch.search.building.typing import adds_scores
from sqlalchemy_vecsearch.search.distance import similarity_of
from sqlalchemy_vecsearch.selects import shown

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.query_vector import Query

__all__ = ["boosted", "recency"]


_POOL: Final = 10
_SMALLEST_POOL: Final = 100

_MOST_HALVES: Final = 100.0
"""What is left of a weight after so many half-lives changes no score; after 1,075 PostgreSQL reports an underflow."""


@adds_scores
def boosted(
    source: Any,  # Any: the decorator says which
    column: Any,
    query: Query,
    *,
    boost: ColumnElement[Any] | Any,
    k: int,
    pool: int | None = None,
    metric: Metric | str | None = None,
    model: str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
    max_scan_tuples: int | None = None,
    max_exact_rows: int | None = None,
) -> Any:
    """Return a Select of the ``k`` best of the ``pool`` nearest rows by ``similarity + boost``, best first.

    The index serves the ``pool`` nearest rows by the bare distance; the boost is added outside of the scan, since an
    order by anything but the distance would read every row. So a row that is not among the ``pool`` nearest is not
    found, however large its boost. After your columns come ``distance`` and ``score``.

    Args:
        source: a mapped class, an alias, a table, or a Select with its own WHERE, joins, options and columns. Its
            ORDER BY breaks ties after the score.
        column: the embedding column of the source.
        query: a vector, ``embedding_of(...)``, or an SQL expression.
        boost: an SQL expression over the source that is added to the similarity, such as
            ``recency(Document.published, half_life=timedelta(days=30), weight=0.2)`` or ``Document.stars * 0.01``;
            NULL adds nothing. Similarities are those of ``similarity()``, from -1 to 1 for cosine.
        k: how many rows, 1 or more.
        pool: how many of the nearest rows to rank; None takes ``10 * k``, and at least 100.
        metric: None takes the declared metric.
        model: of the question; None asks nothing. Another one than the column declares is refused.
        exact: True takes the pool from every row that passes the filter.
        ef_search: candidates of an HNSW scan, 1 to 1000; raised to the pool where that is more.
        probes: lists of an IVFFlat scan, 1 to 32768.
        max_scan_tuples: rows an iterative HNSW scan visits at the most; as for :func:`nearest`.
        max_exact_rows: the largest table of which every row may be read; as for :func:`nearest`.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        ModelError: the question is of another model than the column's.
        SearchError: the source can not be searched, the boost is neither an expression nor a number, or a number is out
            of range.
        SettingsError: a setting is out of its range.
        VectorValueError: the query is no vector of the column's length.

    Example:
        ```text
        fresh = recency(Document.published, half_life=timedelta(days=30), weight=0.2)
        for document, distance, score in session.execute(
            boosted(Document, Document.embedding, vector, boost=fresh, k=10)
        ):
            print(document.title, score)
        ```
    """
    _require_boost(boost)
    search = search_of(source, column, query, k=k, metric=metric, exact=exact, model=model)
    count = max(_POOL * search.k, _SMALLEST_POOL)
    if pool is not None:
        require_count("pool", pool, "how many of the nearest rows to rank")
        count = max(int(pool), search.k)
    effort = checked_effort(ef_search, probes, max_scan_tuples, max_exact_rows)
    found = candidates_of(search, effort, count, exact=exact)
    distance = column_of(found.rows, "distance", DOUBLE)
    added = cast(func.coalesce(boost, literal(0.0, Float(53)), type_=Float(53)), Float(53))
    score = plus(similarity_of(distance, search.searched), added)
    columns = [Carried("score", score, DESCENDING), Carried("distance", distance, None)]
    best = in_order(search, found.keys, found.rows, columns, limit=number(search.k), by_keys=True)
    return in_its_order(search, found.keys, best, "distance", "score", limit=number(search.k))


def _require_boost(boost: Any) -> None:  # Any: whatever the caller passed
    if boost is None or is_finite(boost) or isinstance(boost, ClauseElement) or hasattr(boost, "__clause_element__"):
        return
    raise SearchError(
        f"boost={shown(boost)} can not be added to a similarity. "
        "It is an SQL expression over the source, or a finite number. "
        "Pass such a one, case((Document.pinned, 0.2), else_=0.0) for example."
    )


def recency(
    column: Any,  # Any: a mapped attribute or a column
    *,
    half_life: timedelta,
    weight: float = 1.0,
    now: datetime | None = None,
) -> ColumnElement[float]:
    """Return how recent a row is, from ``weight`` for now down to half of it after each ``half_life``.

    Meant for the ``boost`` of :func:`boosted`. Times in the future count as now; NULL gives NULL.

    Args:
        column: a column of timestamps or dates.
        half_life: after how long half of the weight is left.
        weight: what a row of now is given.
        now: the time to count from; None takes the server's, at the start of the transaction.

    Raises:
        SearchError: the half-life is no positive span, or the weight no finite number.
    """
    seconds = half_life.total_seconds() if isinstance(half_life, timedelta) else 0
    if seconds <= 0:
        raise SearchError(
            f"half_life={shown(half_life)} is not possible. "
            "The boost of a row halves each time that this span goes by. "
            "Pass a positive one: timedelta(days=30)."
        )
    if not is_finite(weight):
        raise SearchError(
            f"weight={shown(weight)} can not be added to a similarity. "
            "It is what a row of now is given, a finite number; a negative one takes away. "
            "Choose such a number, weight=0.2 for example."
        )
    today = func.pg_catalog.now(type_=DateTime(timezone=True)) if now is None else literal(now)
    passed = today.op("OPERATOR(pg_catalog.-)", return_type=Interval())(column)
    age = func.greatest(cast(extract("epoch", passed), Float(53)), _number(0), type_=Float(53))
    halves = func.least(divided(age, _number(seconds)), _number(_MOST_HALVES), type_=Float(53))
    return times(_number(weight), func.pg_catalog.power(_number(0.5), halves, type_=Float(53)))


def _number(value: float) -> ColumnElement[float]:
    return cast(literal(float(value), Float(53)), Float(53))
