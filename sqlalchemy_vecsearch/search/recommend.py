"""The rows that are like some examples and unlike others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import Boolean, Float, case, func, literal_column, select, true

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.expressions import distance_between
from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.search.building.arithmetic import minus
from sqlalchemy_vecsearch.search.building.arms import arms_of
from sqlalchemy_vecsearch.search.building.candidates import by_distance, candidates_of
from sqlalchemy_vecsearch.search.building.checks import require_count
from sqlalchemy_vecsearch.search.building.column import SearchedColumn
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE, Deferred, number
from sqlalchemy_vecsearch.search.building.examples import among, examples_of
from sqlalchemy_vecsearch.search.building.laterals import rows_for_each
from sqlalchemy_vecsearch.search.building.narrow_order import Carried, in_its_order, in_order
from sqlalchemy_vecsearch.search.building.ordering import unindexed
from sqlalchemy_vecsearch.search.building.query_vector import can_be_compared
from sqlalchemy_vecsearch.search.building.request import Search, prepared, search_of_parts
from sqlalchemy_vecsearch.search.building.row_keys import entity_key, row_keys
from sqlalchemy_vecsearch.search.building.rows_found import rows_found
from sqlalchemy_vecsearch.search.building.scan import checked_effort
from sqlalchemy_vecsearch.search.building.subselects import column_of, inline, materialized, shared
from sqlalchemy_vecsearch.search.building.typing import adds_distance
from sqlalchemy_vecsearch.selects import as_clause, only_columns, stored_element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import CTE, ColumnElement, FromClause, Subquery
    from sqlalchemy.types import TypeEngine

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.column import Declared
    from sqlalchemy_vecsearch.search.building.examples import Examples
    from sqlalchemy_vecsearch.search.building.scan import Effort
    from sqlalchemy_vecsearch.search.building.subselects import Selected
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["recommend"]


@adds_distance
def recommend(
    source: Any,  # Any: the decorator says which
    column: Any,
    *,
    positive: Sequence[Any],
    negative: Sequence[Any] = (),
    k: int,
    strategy: Literal["average", "best_score"] = "average",
    metric: Metric | str | None = None,
    model: str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
    max_scan_tuples: int | None = None,
    max_exact_rows: int | None = None,
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
        model: of the vectors among the examples; None asks nothing. Another one than the column declares is refused.
        exact: True compares every row that passes the filter.
        ef_search: candidates of an HNSW scan, 1 to 1000. None takes as many as the statement needs.
        probes: lists of an IVFFlat scan, 1 to 32768.
        max_scan_tuples: rows an iterative HNSW scan visits at the most, for each query; as for :func:`nearest`.
        max_exact_rows: the largest table of which every row may be read; as for :func:`nearest`.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        ModelError: the examples are of another model than the column's.
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
    statement, searched = prepared(source, column, metric, exact=exact, model=model)
    liked, disliked = examples_of(positive, searched), examples_of(negative, searched)
    _validate(liked, strategy, searched)
    identities = (*liked.identities, *disliked.identities)
    if identities:
        statement = statement.where(~among(entity_key(searched.element), identities))
    effort = checked_effort(ef_search, probes, max_scan_tuples, max_exact_rows)
    if strategy == "best_score":
        return _best_score(statement, searched, liked, disliked, int(k), effort, exact=exact)
    centre = _centre(searched, liked, disliked)
    vector = select(centre.c.vector).scalar_subquery()
    keys = row_keys(statement, searched)  # without the condition, in which the ORM would compile the centre
    search = Search(statement.where(can_be_compared(vector, searched)), searched, vector, int(k))
    found = candidates_of(search, effort, search.k, exact=exact, keys=keys)
    return by_distance(search, found.keys, found.rows, is_sorted=True)


def _centre(searched: SearchedColumn, liked: Examples, disliked: Examples) -> CTE:
    """Return the one row, with the one column ``vector``, that the average strategy searches for."""
    parts = [as_clause(searched.element), liked.rows(searched, "liked")]
    if disliked:
        parts.append(disliked.rows(searched, "disliked"))
    return shared(Deferred(_Centre(searched.declared), parts, [("vector", searched.type)]), "centre")


@dataclass(frozen=True, slots=True)
class _Centre:
    """How the point between the examples is worked out."""

    declared: Declared

    def __call__(self, element: Any, liked: Any, disliked: Any = None) -> Selected:
        """Return the SELECT of it."""
        type_ = SearchedColumn(element, stored_element(element), self.declared).type
        towards = _average(liked, type_, "liked")
        if disliked is None:
            return towards.select()
        away = _average(disliked, type_, "disliked")
        difference = towards.c.vector.op("-")(away.c.vector)
        moved = func.coalesce(towards.c.vector.op("+")(difference), towards.c.vector, type_=type_)
        return select(moved.label("vector")).select_from(towards.join(away, true()))


def _average(rows: FromClause, type_: TypeEngine[Any], name: str) -> Subquery:
    return inline(select(func.avg(rows.c.vector, type_=type_).label("vector")), f"average_{name}")


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
    keys = row_keys(statement, searched)
    arms = arms_of(search, effort, k, exact=exact, outer=towards, keys=keys)
    parts = [statement, as_clause(searched.element), towards, arms.rows]
    order: list[tuple[str, TypeEngine[Any]]] = [("score", DOUBLE)]
    if disliked:
        parts.append(disliked.rows(searched, "disliked"))
        order = [("disliked_more", _BOOLEAN), *order]
    named = [*keys.typed, ("distance", DOUBLE), *order]
    scored = shared(Deferred(_Scores(searched.declared), parts, named), "scored")
    columns = [Carried("distance", column_of(scored, "distance", DOUBLE), None)]
    columns += [Carried(name, column_of(scored, name, type_)) for name, type_ in order]
    best = in_order(search, keys, scored, columns, limit=number(k), of_rows=True)
    return in_its_order(search, keys, best, "distance", limit=number(k))


@dataclass(frozen=True, slots=True)
class _Scores:
    """How the candidates of all positive examples are compared with all examples."""

    declared: Declared

    def __call__(self, statement: Any, element: Any, liked: Any, found: Any, disliked: Any = None) -> Selected:
        """Return the SELECT of their keys with their distances."""
        search = search_of_parts(self.declared, statement, element, liked.c.vector)
        searched, keys = search.searched, row_keys(statement, search.searched)
        rows = materialized(rows_for_each(liked, found, searched), "found")
        candidates = inline(select(*(rows.c[name] for name in keys.names)).distinct(), "every_candidate")
        columns = [_nearest(searched, liked).label("distance")]
        if disliked is not None:
            columns.append(_nearest(searched, disliked).label("away"))
        again = rows_found(search, keys, candidates)
        compared = materialized(only_columns(again, *keys.labelled, *columns), "compared")
        order = _best_first(compared.c.distance, None if disliked is None else compared.c.away)
        return select(*(compared.c[name] for name in (*keys.names, "distance")), *order)


def _best_first(distance: ColumnElement[float], away: ColumnElement[float] | None) -> list[ColumnElement[Any]]:
    """Return the order of the best rows: those that are nearer to a negative example last, the farthest first."""
    if away is None:
        return [unindexed(distance).label("score")]
    disliked_more = away < distance
    score = case((disliked_more, minus(_NOTHING, away)), else_=distance)
    return [disliked_more.label("disliked_more"), score.label("score")]


_BOOLEAN: Final = Boolean()


_NOTHING: Final[ColumnElement[float]] = literal_column("CAST(0 AS DOUBLE PRECISION)", Float(53))


def _nearest(searched: SearchedColumn, examples: FromClause) -> ColumnElement[Any]:
    distance = distance_between(searched.element, examples.c.vector, searched.metric)
    nearest: ColumnElement[Any] = (
        select(func.pg_catalog.min(distance, type_=Float(53))).select_from(examples).scalar_subquery()
    )
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
