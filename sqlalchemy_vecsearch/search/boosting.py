"""Nearest rows, ranked by similarity together with another quality, such as how recent they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple, Unpack, overload

from sqlalchemy import Float, extract, func, literal, select

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.candidates import candidates_of, rows_found, search_of
from sqlalchemy_vecsearch.search.checking import require_count
from sqlalchemy_vecsearch.search.distances import similarity_of
from sqlalchemy_vecsearch.search.effort import checked_effort
from sqlalchemy_vecsearch.search.statements import tie_breaks
from sqlalchemy_vecsearch.search.typing import returns_scores_like

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from sqlalchemy import ColumnElement, FromClause, Select

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.options import BoostOptions
    from sqlalchemy_vecsearch.search.queries import Query

__all__ = ["boosted", "recency"]

_Entity = TypeVar("_Entity")
_Result = TypeVar("_Result")
_Columns = TypeVarTuple("_Columns")

_POOL: Final = 10
_SMALLEST_POOL: Final = 100

_MOST_HALVES: Final = 100.0
"""What is left of a weight after so many half-lives changes no score; after 1,075 PostgreSQL reports an underflow."""


@overload
def boosted(
    source: Select[tuple[*_Columns]], column: Any, query: Query, **options: Unpack[BoostOptions]
) -> Select[tuple[*_Columns, float, float]]: ...
@overload
def boosted(
    source: Select[*_Columns], column: Any, query: Query, **options: Unpack[BoostOptions]
) -> Select[*_Columns, float, float]: ...
@overload
def boosted(
    source: FromClause, column: Any, query: Query, **options: Unpack[BoostOptions]
) -> Select[Any]: ...  # Any: the columns of a Core table have no static types
@overload
@returns_scores_like(select)
def boosted(column: Any, query: Query, **options: Unpack[BoostOptions]) -> Any: ...
@overload
def boosted(
    source: type[_Entity],
    column: Any,
    query: Query,
    *,
    _shape: Callable[[type[_Entity], type[float], type[float]], _Result] = select,  # type: ignore[assignment]  # for pyright alone
    **options: Unpack[BoostOptions],
) -> _Result: ...
def boosted(  # type: ignore[misc]  # _shape is no real parameter: it lets pyright infer the row type
    source: Any,  # Any: the overloads say which
    column: Any,
    query: Query,
    *,
    boost: ColumnElement[Any] | Any,
    k: int,
    pool: int | None = None,
    metric: Metric | str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
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
        exact: True takes the pool from every row that passes the filter.
        ef_search: candidates of an HNSW scan, 1 to 1000; raised to the pool where that is more.
        probes: lists of an IVFFlat scan, 1 to 32768.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the source can not be searched, or a number is out of range.
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
    search = search_of(source, column, query, k=k, metric=metric, exact=exact)
    count = max(_POOL * search.k, _SMALLEST_POOL)
    if pool is not None:
        require_count("pool", pool, "how many of the nearest rows to rank")
        count = max(int(pool), search.k)
    found = candidates_of(search, checked_effort(ef_search, probes), count, exact=exact, best=True)
    distance = found.rows.c.distance
    added = func.coalesce(boost, literal(0.0, Float(53)), type_=Float(53))
    score = (similarity_of(distance, search.searched) + added).label("score")
    outer = rows_found(search, found.keys, found.rows).add_columns(distance.label("distance"), score)
    order = (score.desc(), *tie_breaks(search.statement), *(found.rows.c[name] for name in found.keys.names))
    return outer.order_by(*order).limit(search.k)


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
        SearchError: the half-life is not positive.
    """
    seconds = half_life.total_seconds()
    if seconds <= 0:
        raise SearchError(
            f"half_life={half_life!r} is not possible. "
            "The boost of a row halves each time that this span goes by. "
            "Pass a positive one: timedelta(days=30)."
        )
    today = func.now() if now is None else literal(now)
    age = func.greatest(extract("epoch", today - column), 0, type_=Float(53))
    halves = func.least(age / literal(seconds, Float(53)), literal(_MOST_HALVES, Float(53)), type_=Float(53))
    fresh: ColumnElement[float] = literal(float(weight), Float(53)) * func.power(
        literal(0.5, Float(53)), halves, type_=Float(53)
    )
    return fresh
