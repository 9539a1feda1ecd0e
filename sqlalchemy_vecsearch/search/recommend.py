"""The rows that are like some examples and unlike others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, TypeVarTuple, Unpack, overload

from sqlalchemy import case, func, select, true

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.expressions import distance_between
from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.search.candidates import by_distance, candidates_of, prepared, rows_found
from sqlalchemy_vecsearch.search.checking import require_count
from sqlalchemy_vecsearch.search.effort import checked_effort
from sqlalchemy_vecsearch.search.examples import among, examples_of
from sqlalchemy_vecsearch.search.forms import Search, unindexed
from sqlalchemy_vecsearch.search.identity import entity_key, row_keys
from sqlalchemy_vecsearch.search.laterals import found_for_each
from sqlalchemy_vecsearch.search.queries import can_be_compared
from sqlalchemy_vecsearch.search.statements import only_columns, tie_breaks
from sqlalchemy_vecsearch.search.subselects import inline, materialized, shared
from sqlalchemy_vecsearch.search.typing import returns_like

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import CTE, ColumnElement, FromClause, Select

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.effort import Effort
    from sqlalchemy_vecsearch.search.examples import Examples
    from sqlalchemy_vecsearch.search.options import RecommendOptions
    from sqlalchemy_vecsearch.search.searched import SearchedColumn
    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = ["recommend"]

_Entity = TypeVar("_Entity")
_Result = TypeVar("_Result")
_Columns = TypeVarTuple("_Columns")


@overload
def recommend(
    source: Select[tuple[*_Columns]], column: Any, **options: Unpack[RecommendOptions]
) -> Select[tuple[*_Columns, float]]: ...
@overload
def recommend(
    source: Select[*_Columns], column: Any, **options: Unpack[RecommendOptions]
) -> Select[*_Columns, float]: ...
@overload
def recommend(
    source: FromClause, column: Any, **options: Unpack[RecommendOptions]
) -> Select[Any]: ...  # Any: the columns of a Core table have no static types
@overload
@returns_like(select)
def recommend(column: Any, **options: Unpack[RecommendOptions]) -> Any: ...
@overload
def recommend(
    source: type[_Entity],
    column: Any,
    *,
    _shape: Callable[[type[_Entity], type[float]], _Result] = select,  # type: ignore[assignment]  # for pyright alone
    **options: Unpack[RecommendOptions],
) -> _Result: ...
def recommend(  # type: ignore[misc]  # _shape is no real parameter: it lets pyright infer the row type
    source: Any,  # Any: the overloads say which
    column: Any,
    *,
    positive: Sequence[Any],
    negative: Sequence[Any] = (),
    k: int,
    strategy: Literal["average", "best_score"] = "average",
    metric: Metric | str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
) -> Any:
    """Return a Select of the ``k`` rows most like the positive examples and unlike the negative ones.

    Examples are primary keys of stored rows, whose vectors stay on the server, or vectors. The rows that are examples
    are left out. Keys of rows that do not exist, or have no embedding, do not count; when no positive example is left,
    there are no rows. For cosine a zero embedding counts as none.

    - ``"average"`` searches for ``average(positive) + (average(positive) - average(negative))`` with one index scan;
      ``distance`` is that to this point. It fits examples of one kind.
    - ``"best_score"`` scans the index once for each positive example and compares what it finds with all examples;
      ``distance`` is that to the nearest positive one. It fits examples of several kinds. Rows that are nearer to a
      negative example than to any positive one come last, the farthest from it first.

    Both are those of Qdrant's recommendation API.

    Args:
        source: a mapped class, an alias, a table, or a Select with its own WHERE, joins, options and columns.
        column: the embedding column of the source.
        positive: at least one example: a primary key (a tuple, when it has several columns), a vector as a list or an
            array, or an SQL expression.
        negative: examples to keep away from.
        k: how many rows, 1 or more.
        strategy: "average" or "best_score".
        metric: None takes the declared metric.
        exact: True compares every row that passes the filter.
        ef_search: candidates of an HNSW scan, 1 to 1000. None takes as many as the statement needs.
        probes: lists of an IVFFlat scan, 1 to 32768.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: there is no positive example, the strategy is unknown or cannot average the column's storage, or
            the source can not be searched.
        SettingsError: a setting is out of its range.
        VectorValueError: an example is no vector of the column's length.

    Example:
        ```text
        statement = recommend(Document, Document.embedding, positive=[1, 2], negative=[7], k=10)
        for document, distance in session.execute(statement):
            print(document.title, distance)
        ```
    """
    require_count("k", k, "how many rows to return")
    statement, searched = prepared(source, column, metric, exact=exact)
    liked, disliked = examples_of(positive, searched), examples_of(negative, searched)
    _validate(liked, strategy, searched)
    identities = (*liked.identities, *disliked.identities)
    if identities:
        statement = statement.where(~among(entity_key(searched.element), identities))
    effort = checked_effort(ef_search, probes)
    if strategy == "best_score":
        return _best_score(statement, searched, liked, disliked, int(k), effort, exact=exact)
    centre = _centre(searched, liked, disliked)
    vector = select(centre.c.vector).scalar_subquery()
    search = Search(statement.where(can_be_compared(vector, searched)), searched, vector, int(k))
    found = candidates_of(search, effort, search.k, exact=exact, best=True)
    return by_distance(search, found.keys, found.rows)


def _centre(searched: SearchedColumn, liked: Examples, disliked: Examples) -> CTE:
    """Return the one row, with the one column ``vector``, that the average strategy searches for."""
    towards = _average(liked, searched, "liked")
    if not disliked:
        return shared(towards.select(), "centre")
    away = _average(disliked, searched, "disliked")
    difference = towards.c.vector.op("-")(away.c.vector)
    moved = func.coalesce(towards.c.vector.op("+")(difference), towards.c.vector, type_=searched.type)
    return shared(select(moved.label("vector")).select_from(towards.join(away, true())), "centre")


def _average(examples: Examples, searched: SearchedColumn, name: str) -> FromClause:
    rows = examples.rows(searched, name)
    return inline(select(func.avg(rows.c.vector, type_=searched.type).label("vector")), f"average_{name}")


def _best_score(
    statement: Statement,
    searched: SearchedColumn,
    liked: Examples,
    disliked: Examples,
    k: int,
    effort: Effort,
    *,
    exact: bool,
) -> Statement:
    towards = liked.rows(searched, "liked")
    search = Search(statement, searched, towards.c.vector, k)
    found = found_for_each(search, towards, effort, exact=exact)
    keys = row_keys(statement, searched)
    candidates = inline(select(*(found.rows.c[name] for name in keys.names)).distinct(), "every_candidate")
    near = _nearest(searched, towards).label("distance")
    far = _nearest(searched, disliked.rows(searched, "disliked")).label("away") if disliked else None
    columns = [near] if far is None else [near, far]
    compared = materialized(only_columns(rows_found(search, keys, candidates), *keys.labelled, *columns), "compared")
    distance = compared.c.distance
    order: list[ColumnElement[Any]] = [unindexed(distance)]
    if far is not None:
        disliked_more = compared.c.away < distance
        order = [disliked_more, case((disliked_more, -compared.c.away), else_=distance)]
    best = materialized(compared.select().order_by(*order).limit(k), "best")
    outer = rows_found(search, keys, best).add_columns(best.c.distance.label("distance"))
    if far is None:
        return outer.order_by(unindexed(best.c.distance), *tie_breaks(statement))
    disliked_more = best.c.away < best.c.distance
    last = case((disliked_more, -best.c.away), else_=best.c.distance)
    return outer.order_by(disliked_more, last, *tie_breaks(statement))


def _nearest(searched: SearchedColumn, examples: FromClause) -> ColumnElement[Any]:
    distance = distance_between(searched.element, examples.c.vector, searched.metric)
    nearest: ColumnElement[Any] = select(func.min(distance)).select_from(examples).scalar_subquery()
    return nearest


def _validate(liked: Examples, strategy: str, searched: SearchedColumn) -> None:
    if strategy not in {"average", "best_score"}:
        raise SearchError(
            f"There is no strategy {strategy!r}. "
            "A recommendation searches round the average of its examples, or by the best score among them. "
            'Write strategy="average" or strategy="best_score".'
        )
    if not liked:
        raise SearchError(
            "The recommendation has no positive examples. "
            "Negative ones say what to keep away from, and not where to search. "
            "Pass at least one key or vector: positive=[42]."
        )
    if strategy == "average" and searched.storage not in {Storage.VECTOR, Storage.HALFVEC}:
        raise SearchError(
            f"The column {searched.label!r} holds {searched.storage.value} values, which have no average. "
            "pgvector averages vector and halfvec only. "
            'Write strategy="best_score", which compares with each example.'
        )
