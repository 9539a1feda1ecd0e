"""The nearest groups, such as the documents of the nearest chunks, with the best rows of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Float, Integer, func, literal_column, select, union_all

from sqlalchemy_vecsearch.search.building.arms import arms_of
from sqlalchemy_vecsearch.search.building.candidates import Candidates, by_distance
from sqlalchemy_vecsearch.search.building.checks import MOST_ROWS, require_count
from sqlalchemy_vecsearch.search.building.column import own_column
from sqlalchemy_vecsearch.search.building.comparing import equal
from sqlalchemy_vecsearch.search.building.counts import compared
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE, Deferred, Numbers
from sqlalchemy_vecsearch.search.building.ordering import unindexed
from sqlalchemy_vecsearch.search.building.request import restricted, search_of, search_of_parts
from sqlalchemy_vecsearch.search.building.row_keys import row_keys
from sqlalchemy_vecsearch.search.building.scan import checked_effort
from sqlalchemy_vecsearch.search.building.subselects import count_rows, inline, materialized, narrow, shared
from sqlalchemy_vecsearch.search.building.table_statistics import either_or, rows_of
from sqlalchemy_vecsearch.search.building.typing import adds_distance
from sqlalchemy_vecsearch.selects import as_clause, only_columns

if TYPE_CHECKING:
    from sqlalchemy import BindParameter, ColumnElement, FromClause

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.column import Declared
    from sqlalchemy_vecsearch.search.building.query_vector import Query
    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.search.building.row_keys import RowKeys
    from sqlalchemy_vecsearch.search.building.subselects import Selected
    from sqlalchemy_vecsearch.search.building.table_statistics import Conditions
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["nearest_per_group"]


_OVERSAMPLE: Final = 10
"""Rows looked at for each row wanted. The exact branch makes up for a query whose nearest rows share fewer groups."""


@adds_distance
def nearest_per_group(
    source: Any,  # Any: the decorator says which
    column: Any,
    query: Query,
    *,
    by: Any,
    k: int,
    per_group: int = 1,
    metric: Metric | str | None = None,
    model: str | None = None,
    exact: bool = False,
    oversample: int | None = None,
    ef_search: int | None = None,
    probes: int | None = None,
    max_scan_tuples: int | None = None,
    max_exact_rows: int | None = None,
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
        model: of the question; None asks nothing. Another one than the column declares is refused.
        exact: True compares every row that passes the filter.
        oversample: candidates for each row wanted; None takes 10. More of them make the exact part rarer where many
            near rows are of one group.
        ef_search: candidates of an HNSW scan, 1 to 1000. None takes as many as the statement needs.
        probes: lists of an IVFFlat scan, 1 to 32768.
        max_scan_tuples: rows an iterative HNSW scan visits at the most; as for :func:`nearest`.
        max_exact_rows: the largest table of which every row may be read; as for :func:`nearest`.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        ModelError: the question is of another model than the column's.
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
    search = search_of(source, column, query, k=k, metric=metric, exact=exact, model=model)
    group, nullable = own_column(search.statement, by, "by")
    search = restricted(search, group.is_not(None)) if nullable else search
    keys = row_keys(search.statement, search.searched)
    effort = checked_effort(ef_search, probes, max_scan_tuples, max_exact_rows)
    numbers = {"k": search.k, "per_group": int(per_group), "max_exact_rows": effort.max_exact_rows or 0}
    numbers["rows"] = min(search.k * numbers["per_group"], MOST_ROWS)
    bounded = effort.max_exact_rows is not None
    form = _Best(search.searched.declared, exact=exact, one_each=numbers["per_group"] == 1, bounded=bounded)
    element = as_clause(search.searched.element)
    parts = [Numbers.parameter(numbers), search.statement, element, search.vector, as_clause(group)]
    if not exact:
        count = _candidates(search, numbers["per_group"], oversample)
        arms = arms_of(search, effort, count, group.label("of_group"), oversample=1, best=False, keys=keys)
        parts.append(arms.rows)
    best = Deferred(form, parts, [*keys.typed, ("distance", DOUBLE)])
    return by_distance(search, keys, shared(best, "best"), is_sorted=True)


def _candidates(search: Search, per_group: int, oversample: int | None) -> int:
    """Return how many candidates are looked at."""
    wanted = search.k * per_group
    count = wanted * int(oversample or _OVERSAMPLE)
    if oversample is None:
        count = max(count, compared(search.searched, wanted, filtered=search.is_filtered))
    return min(count, MOST_ROWS)  # a product of three numbers is beyond a bigint


@dataclass(frozen=True, slots=True)
class _Best:
    """How the keys and the distances of the best rows of the nearest groups are found."""

    declared: Declared
    exact: bool
    one_each: bool
    bounded: bool

    def __call__(self, given: Any, statement: Any, element: Any, vector: Any, group: Any, *candidates: Any) -> Selected:
        """Return the SELECT of them, nearest first: what is sorted outside would carry whole rows."""
        rows = inline(self._rows(given, statement, element, vector, group, *candidates), "found")
        *keys, distance = rows.c
        nearest = unindexed(distance).label("distance")
        # there are no more; the planner would else count on many, and find them again in an order that it has to sort
        return select(*keys, nearest).order_by(nearest).limit(Numbers(given)["rows"])

    def _rows(self, given: Any, statement: Any, element: Any, vector: Any, group: Any, *candidates: Any) -> Selected:
        search = search_of_parts(self.declared, statement, element, vector)
        keys, numbers = row_keys(statement, search.searched), Numbers(given)
        wanted = _Wanted(numbers.bound("k"), numbers.bound("per_group"))
        if self.exact:
            groups = materialized(_every_group(search, group).limit(wanted.groups), "groups")
            return _members(search, keys, group, groups, wanted)
        found = Candidates(materialized(candidates[0], "candidates"), keys)
        whole = (rows_of(search.table) <= numbers.double("max_exact_rows"),) if self.bounded else ()
        form = _best_row if self.one_each else _best_rows
        return form(search, found, group, wanted, whole)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How many groups are wanted, and how many rows of each: parameters."""

    groups: BindParameter[int]
    of_each: BindParameter[int]


def _best_row(
    search: Search, found: Candidates, group: ColumnElement[Any], wanted: _Wanted, whole: Conditions
) -> Selected:
    """Return the best row of each group: from the candidates when they have ``k`` groups, or else from all rows.

    LIMIT stands above both parts, and the first fills it when the second is not to run: so the planner does not count
    the cost of reading every row, which would have it compile the statement (JIT) on large tables.
    """
    ranked = _ranked(found.rows, found.keys, "ranked_candidates")
    heads = materialized(ranked.select().where(ranked.c.place == 1), "heads")
    enough = select(count_rows()).select_from(heads).scalar_subquery() >= wanted.groups
    names = (*found.keys.names, "distance")
    near = (
        select(*(heads.c[name] for name in names)).where(either_or(enough, whole)).order_by(unindexed(heads.c.distance))
    )
    ranked = _ranked(_compared(search, found.keys, group, "every_row", ~enough, *whole), found.keys, "ranked_rows")
    rest = select(*(ranked.c[name] for name in names)).where(ranked.c.place == 1).order_by(unindexed(ranked.c.distance))
    return _either(near.limit(wanted.groups), rest, wanted)


def _best_rows(
    search: Search, found: Candidates, group: ColumnElement[Any], wanted: _Wanted, whole: Conditions
) -> Selected:
    """Return the best rows of each group: the candidates of groups with enough of them, or else all their rows."""
    group_of, nearest = (
        found.rows.c.of_group,
        func.pg_catalog.min(found.rows.c.distance, type_=Float(53)).label("nearest"),
    )
    groups = materialized(select(group_of, nearest, count_rows().label("members")).group_by(group_of), "groups")
    enough = select(count_rows()).select_from(groups).scalar_subquery() >= wanted.groups
    near = groups.select().where(either_or(enough, whole)).order_by(unindexed(groups.c.nearest)).limit(wanted.groups)
    rest = _every_group(search, group, ~enough, *whole)
    chosen = materialized(_either(near, rest, wanted), "chosen")
    full = inline(chosen.select().where(chosen.c.members >= wanted.of_each), "full_groups")
    short = materialized(chosen.select().where(chosen.c.members < wanted.of_each), "short_groups")
    names = (*found.keys.names, "distance")
    ranked = _ranked(found.rows, found.keys, "ranked_candidates")
    taken = select(*(ranked.c[name] for name in names)).where(
        ranked.c.place <= wanted.of_each, equal(ranked.c.of_group, full.c.of_group)
    )
    members = _members(search, found.keys, group, short, wanted)
    return union_all(taken, members)


def _every_group(search: Search, group: ColumnElement[Any], *conditions: Any) -> Statement:
    """Return every group with its nearest distance, and no members counted."""
    every = only_columns(search.statement, group.label("of_group"), search.distance.label("distance"))
    rows = narrow(every.where(*search.has_embedding, *conditions), "every_row")
    nearest = func.pg_catalog.min(rows.c.distance, type_=Float(53)).label("nearest")
    return (
        select(rows.c.of_group, nearest, literal_column("0", Integer).label("members"))
        .group_by(rows.c.of_group)
        .order_by(unindexed(nearest))
    )


def _members(
    search: Search, keys: RowKeys, group: ColumnElement[Any], groups: FromClause, wanted: _Wanted
) -> Statement:
    """Return the best rows of some groups, by comparing all rows of each of them."""
    members = _compared(search, keys, group, "members", equal(group, groups.c.of_group))
    ranked = _ranked(members, keys, "ranked_members")
    return select(*(ranked.c[name] for name in (*keys.names, "distance"))).where(ranked.c.place <= wanted.of_each)


def _compared(search: Search, keys: RowKeys, group: ColumnElement[Any], name: str, *conditions: Any) -> FromClause:
    """Return the rows that meet some conditions, with their keys, their group and their distance, in no order."""
    columns = (*keys.labelled, group.label("of_group"), search.distance.label("distance"))
    return narrow(only_columns(search.statement, *columns).where(*search.has_embedding, *conditions), name)


def _ranked(rows: FromClause, keys: RowKeys, name: str) -> FromClause:
    """Return the rows with their place within their group; keys break ties."""
    order = (unindexed(rows.c.distance), *(rows.c[key] for key in keys.names))
    place = func.pg_catalog.row_number(type_=Integer).over(partition_by=rows.c.of_group, order_by=order).label("place")
    return inline(select(*rows.c, place), name)


def _either(near: Statement, rest: Statement, wanted: _Wanted) -> Statement:
    """Return a row of both for each group wanted; what yields the second does not run when the first has as many."""
    together = inline(union_all(inline(near, "near").select(), inline(rest, "rest").select()), "either")
    return together.select().limit(wanted.groups)
