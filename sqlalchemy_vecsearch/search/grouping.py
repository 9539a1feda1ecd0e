"""The nearest groups, such as the documents of the nearest chunks, with the best rows of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple, Unpack, overload

from sqlalchemy import Integer, func, literal_column, select, union_all

from sqlalchemy_vecsearch.search.candidates import by_distance, candidates_of, restricted, search_of
from sqlalchemy_vecsearch.search.checking import require_count
from sqlalchemy_vecsearch.search.counts import scan_count
from sqlalchemy_vecsearch.search.effort import checked_effort
from sqlalchemy_vecsearch.search.forms import unindexed
from sqlalchemy_vecsearch.search.identity import row_keys
from sqlalchemy_vecsearch.search.searched import own_column
from sqlalchemy_vecsearch.search.statements import only_columns
from sqlalchemy_vecsearch.search.subselects import inline, materialized, shared
from sqlalchemy_vecsearch.search.typing import returns_like

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import CTE, ColumnElement, FromClause, Select

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.candidates import Candidates
    from sqlalchemy_vecsearch.search.forms import Search
    from sqlalchemy_vecsearch.search.identity import RowKeys
    from sqlalchemy_vecsearch.search.options import GroupOptions
    from sqlalchemy_vecsearch.search.queries import Query
    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = ["nearest_per_group"]

_Entity = TypeVar("_Entity")
_Result = TypeVar("_Result")
_Columns = TypeVarTuple("_Columns")

_OVERSAMPLE: Final = 10
"""Rows looked at for each row wanted. The exact branch makes up for a query whose nearest rows share fewer groups."""


@overload
def nearest_per_group(
    source: Select[tuple[*_Columns]], column: Any, query: Query, **options: Unpack[GroupOptions]
) -> Select[tuple[*_Columns, float]]: ...
@overload
def nearest_per_group(
    source: Select[*_Columns], column: Any, query: Query, **options: Unpack[GroupOptions]
) -> Select[*_Columns, float]: ...
@overload
def nearest_per_group(
    source: FromClause, column: Any, query: Query, **options: Unpack[GroupOptions]
) -> Select[Any]: ...  # Any: the columns of a Core table have no static types
@overload
@returns_like(select)
def nearest_per_group(column: Any, query: Query, **options: Unpack[GroupOptions]) -> Any: ...
@overload
def nearest_per_group(
    source: type[_Entity],
    column: Any,
    query: Query,
    *,
    _shape: Callable[[type[_Entity], type[float]], _Result] = select,  # type: ignore[assignment]  # for pyright alone
    **options: Unpack[GroupOptions],
) -> _Result: ...
def nearest_per_group(  # type: ignore[misc]  # _shape is no real parameter: it lets pyright infer the row type
    source: Any,  # Any: the overloads say which
    column: Any,
    query: Query,
    *,
    by: Any,
    k: int,
    per_group: int = 1,
    metric: Metric | str | None = None,
    exact: bool = False,
    oversample: int | None = None,
    ef_search: int | None = None,
    probes: int | None = None,
) -> Any:
    """Return a Select of the best rows of the ``k`` nearest groups, ascending, with their ``distance``.

    The index serves ``k * per_group * oversample`` candidates, of which the nearest of each group are kept. There are
    ``k`` groups, and ``per_group`` rows of each, whenever the table has them: when the candidates are of fewer groups,
    the same statement compares every row that passes the filter, and when a group has too few of its rows among
    them, that group's own rows, which an index on ``by`` finds. Neither part runs when it is not needed.

    Rows of which ``by`` is NULL belong to no group and are left out.

    Args:
        source: a mapped class, an alias, a table, or a Select with its own WHERE, joins, options and columns. Its
            ORDER BY breaks ties after the distance.
        column: the embedding column of the source.
        query: a vector, ``embedding_of(...)``, or an SQL expression.
        by: the column that tells the groups, such as ``Chunk.document_id``. Index it.
        k: how many groups, 1 or more.
        per_group: how many rows of each group, 1 or more.
        metric: None takes the declared metric.
        exact: True compares every row that passes the filter.
        oversample: candidates for each row wanted; None takes 10. More of them make the exact part rarer where many
            near rows are of one group.
        ef_search: candidates of an HNSW scan, 1 to 1000. None takes as many as the statement needs.
        probes: lists of an IVFFlat scan, 1 to 32768.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the source can not be searched, ``by`` is not of it, or a number is out of range.
        SettingsError: a setting is out of its range.
        VectorValueError: the query is no vector of the column's length.

    Example:
        ```text
        rows = session.execute(nearest_per_group(Chunk, Chunk.embedding, vector, by=Chunk.document_id, k=10)).all()
        for chunk, distance in rows:
            print(chunk.document_id, distance)
        ```
    """
    require_count("per_group", per_group, "how many rows of each group to return")
    if oversample is not None:
        require_count("oversample", oversample, "how many candidates to look at for each row")
    search = search_of(source, column, query, k=k, metric=metric, exact=exact)
    group, nullable = own_column(search.statement, by, "by")
    search = restricted(search, group.is_not(None)) if nullable else search
    if exact:
        keys = row_keys(search.statement, search.searched)
        groups = materialized(_every_group(search, group).limit(search.k), "groups")
        return by_distance(search, keys, shared(_members(search, keys, group, groups, per_group), "best"))
    wanted = search.k * int(per_group)
    count = wanted * int(oversample) if oversample else max(_OVERSAMPLE * wanted, scan_count(search, wanted))
    found = candidates_of(search, checked_effort(ef_search, probes), count, group.label("of_group"))
    best = _best_row(search, found, group) if per_group == 1 else _best_rows(search, found, group, int(per_group))
    return by_distance(search, found.keys, best)


def _best_row(search: Search, found: Candidates, group: ColumnElement[Any]) -> CTE:
    """Return the best row of each group: from the candidates when they have ``k`` groups, or else from all rows.

    LIMIT stands above both parts, and the first fills it when the second is not to run: so the planner does not count
    the cost of reading every row, which would have it compile the statement (JIT) on large tables.
    """
    ranked = _ranked(found.rows, found.keys, "ranked_candidates")
    heads = materialized(ranked.select().where(ranked.c.place == 1), "heads")
    enough = select(func.count()).select_from(heads).scalar_subquery() >= search.k
    names = (*found.keys.names, "distance")
    near = select(*(heads.c[name] for name in names)).where(enough).order_by(unindexed(heads.c.distance))
    keys = row_keys(search.statement, search.searched)
    ranked = _ranked(_compared(search, keys, group, ~enough, "every_row"), keys, "ranked_rows")
    rest = select(*(ranked.c[name] for name in names)).where(ranked.c.place == 1).order_by(unindexed(ranked.c.distance))
    return _either(near.limit(search.k), rest, search.k, "best")


def _best_rows(search: Search, found: Candidates, group: ColumnElement[Any], per_group: int) -> CTE:
    """Return the best rows of each group: the candidates of groups with enough of them, or else all their rows."""
    group_of, nearest = found.rows.c.of_group, func.min(found.rows.c.distance).label("nearest")
    groups = materialized(select(group_of, nearest, func.count().label("members")).group_by(group_of), "groups")
    enough = select(func.count()).select_from(groups).scalar_subquery() >= search.k
    near = groups.select().where(enough).order_by(unindexed(groups.c.nearest)).limit(search.k)
    rest = _every_group(search, group, ~enough)
    chosen = _either(near, rest, search.k, "chosen")
    full = inline(chosen.select().where(chosen.c.members >= per_group), "full_groups")
    short = materialized(chosen.select().where(chosen.c.members < per_group), "short_groups")
    names = (*found.keys.names, "distance")
    ranked = _ranked(found.rows, found.keys, "ranked_candidates")
    taken = select(*(ranked.c[name] for name in names)).where(
        ranked.c.place <= per_group, ranked.c.of_group == full.c.of_group
    )
    members = _members(search, row_keys(search.statement, search.searched), group, short, per_group)
    return materialized(union_all(taken, members), "best")


def _every_group(search: Search, group: ColumnElement[Any], *conditions: Any) -> Statement:
    """Return every group with its nearest distance, and no members counted."""
    every = only_columns(search.statement, group.label("of_group"), search.distance.label("distance"))
    rows = inline(every.where(*search.has_embedding, *conditions), "every_row")
    nearest = func.min(rows.c.distance).label("nearest")
    return (
        select(rows.c.of_group, nearest, literal_column("0", Integer).label("members"))
        .group_by(rows.c.of_group)
        .order_by(unindexed(nearest))
    )


def _members(search: Search, keys: RowKeys, group: ColumnElement[Any], groups: FromClause, per_group: int) -> Statement:
    """Return the best rows of some groups, by comparing all rows of each of them."""
    members = _compared(search, keys, group, group == groups.c.of_group, "members")
    ranked = _ranked(members, keys, "ranked_members")
    return select(*(ranked.c[name] for name in (*keys.names, "distance"))).where(ranked.c.place <= per_group)


def _compared(search: Search, keys: RowKeys, group: ColumnElement[Any], condition: Any, name: str) -> FromClause:
    """Return the rows that meet a condition, with their keys, their group and their distance, in no order."""
    columns = (*keys.labelled, group.label("of_group"), search.distance.label("distance"))
    return inline(only_columns(search.statement, *columns).where(*search.has_embedding, condition), name)


def _ranked(rows: FromClause, keys: RowKeys, name: str) -> FromClause:
    """Return the rows with their place within their group; keys break ties."""
    order = (unindexed(rows.c.distance), *(rows.c[key] for key in keys.names))
    place = func.row_number().over(partition_by=rows.c.of_group, order_by=order).label("place")
    return inline(select(*rows.c, place), name)


def _either(near: Statement, rest: Statement, count: int, name: str) -> CTE:
    """Return the first ``count`` rows of both; what yields the second does not run when the first has as many."""
    together = inline(union_all(inline(near, "near").select(), inline(rest, "rest").select()), "either")
    return materialized(together.select().limit(count), name)
