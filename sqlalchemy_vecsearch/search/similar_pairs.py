"""The pairs of rows that are near to each other, such as near-duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Float, Table, and_, any_, case, func, inspect, not_, or_, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import QueryableAttribute, aliased

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.building.arms import arms_of
from sqlalchemy_vecsearch.search.building.checks import require_count, require_distance
from sqlalchemy_vecsearch.search.building.column import SearchedColumn
from sqlalchemy_vecsearch.search.building.comparing import equal, equal_to_any, greater, is_within
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE, Deferred, Numbers
from sqlalchemy_vecsearch.search.building.laterals import rows_for_each
from sqlalchemy_vecsearch.search.building.partition_keys import conditions_on_partition_keys, repeated_for
from sqlalchemy_vecsearch.search.building.refusals import refuse_loaders, refuse_lock
from sqlalchemy_vecsearch.search.building.request import Search, prepared
from sqlalchemy_vecsearch.search.building.row_keys import entity_key, mapped_key, row_keys
from sqlalchemy_vecsearch.search.building.scan import checked_effort
from sqlalchemy_vecsearch.search.building.subselects import column_of, filtered_first, inline, materialized, shared
from sqlalchemy_vecsearch.search.building.typing import gives_pairs
from sqlalchemy_vecsearch.selects import as_clause, only_columns, reads_one_entity, stored_element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, FromClause

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.column import Declared
    from sqlalchemy_vecsearch.search.building.scan import Effort
    from sqlalchemy_vecsearch.search.building.subselects import Selected
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["similar_pairs"]


@gives_pairs
def similar_pairs(
    source: Any,  # Any: the decorator says which
    column: Any,
    *,
    within: float,
    k: int = 10,
    metric: Metric | str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
    max_scan_tuples: int | None = None,
    max_exact_rows: int | None = None,
) -> Any:
    """Return a Select of the pairs of rows that are within a distance of each other, each pair once, nearest first.

    The index is scanned once for each row that passes the filter: a table of 100,000 rows takes 100,000 searches in
    one statement. Restrict the source to the rows that are new, or to a part of the table, where that matters.

    Both rows of a pair pass the filter, and both come as whole entities, whatever columns the source selects. The one
    with the smaller primary key comes first. Rows whose embedding is NULL are in no pair.

    Args:
        source: a mapped class, an alias, a table, or a Select of one of them with its own WHERE.
        column: the embedding column of the source.
        within: the largest distance of a pair.
        k: how many neighbours of each row are looked at. A row with more near-duplicates than that is still in ``k``
            pairs, and its duplicates find each other.
        metric: None takes the declared metric.
        exact: True compares every pair of rows.
        ef_search: candidates of each HNSW scan, 1 to 1000. None takes as many as it needs.
        probes: lists of each IVFFlat scan, 1 to 32768.
        max_scan_tuples: rows an iterative HNSW scan visits at the most, for each query; as for :func:`nearest`.
        max_exact_rows: the largest table of which every row may be read; as for :func:`nearest`.

    Returns:
        A Select of both entities (of both rows' columns, for a Core table) and the distance. Add ``.limit()`` to it
        for the nearest pairs only; all of them are found before that. Locks and loader options are for the result too:
        ``one, other = (found["entity"] for found in pairs.column_descriptions[:2])`` are the aliases to name in them.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the source is not one entity, locks rows or has loader options, or a number is out of range.
        SettingsError: a setting is out of its range.

    Example:
        ```text
        for one, other, distance in session.execute(similar_pairs(Document, Document.embedding, within=0.02)):
            print(one.id, other.id, distance)
        ```
    """
    require_count("k", k, "how many neighbours of each row to look at")
    require_distance(within, optional=False)
    statement, searched = prepared(source, column, metric, exact=exact)
    if not reads_one_entity(statement):
        raise SearchError(
            f"The statement whose pairs of {searched.label!r} are wanted reads more than one table. "
            "A pair is two rows of one entity, and both come from the same statement. "
            "Pass the class, or select(Document).where(...) with joins written as EXISTS."
        )
    aliases = "A pair is two rows of the class under two aliases, of which the statement to search knows nothing."
    refuse_lock(statement, aliases, "Lock the result: similar_pairs(...).with_for_update().")
    refuse_loaders(
        statement,
        aliases,
        "Add options to the result, for the aliases that its column_descriptions name as entities.",
    )
    effort = checked_effort(ef_search, probes, max_scan_tuples, max_exact_rows)
    ones, others, distance = _sorted_pairs(statement, searched, int(k), float(within), effort, exact=exact)
    one, other = _two_of(searched)
    pruned = conditions_on_partition_keys(statement, searched.column.table)
    return (
        select(one, other, distance.label("distance"))
        .where(*_matching(one, searched, ones, pruned), *_matching(other, searched, others, pruned))
        .order_by(distance, *ones, *others)
    )


def _sorted_pairs(
    statement: Statement, searched: SearchedColumn, k: int, within: float, effort: Effort, *, exact: bool
) -> tuple[list[ColumnElement[Any]], list[ColumnElement[Any]], ColumnElement[float]]:
    """Return the keys of the first rows of the pairs, those of the second, and the distance."""
    keys, element = row_keys(statement, searched), as_clause(searched.element)
    ones = [(f"one_{number}", type_) for number, (_, type_) in enumerate(keys.typed)]
    every = Deferred(_EveryRow(searched.declared), [statement, element], [*ones, ("vector", searched.type)])
    rows = inline(every, "every_row")
    own = zip(entity_key(searched.element), ones, strict=True)
    itself = and_(*(equal(key, column_of(rows, *named)) for key, named in own))
    search = Search(statement, searched, column_of(rows, "vector", searched.type), k)
    arms = arms_of(search, effort, k, exclude=not_(itself), exact=exact, outer=rows, keys=keys)
    parts = [Numbers.parameter({"within": within}), element, rows, arms.rows]
    named = [*ones, *keys.typed, ("distance", DOUBLE)]
    pairs = shared(Deferred(_Pairs(searched.declared, len(ones)), parts, named), "sorted_pairs")
    columns: list[ColumnElement[Any]] = [column_of(pairs, name, type_) for name, type_ in named]
    distance = columns.pop()
    return columns[: len(ones)], columns[len(ones) :], distance


@dataclass(frozen=True, slots=True)
class _EveryRow:
    """How the rows are read whose neighbours are looked for."""

    declared: Declared

    def __call__(self, statement: Any, element: Any) -> Selected:
        """Return the SELECT of their keys and vectors."""
        keys = row_keys(statement, SearchedColumn(element, stored_element(element), self.declared))
        ones = [key.label(f"one_{number}") for number, (key, _) in enumerate(keys.columns)]
        return filtered_first(only_columns(statement, *ones, element.label("vector")), element)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """How the neighbours of all rows become pairs; ``width`` is the number of columns of a key."""

    declared: Declared
    width: int

    def __call__(self, given: Any, element: Any, rows: Any, near: Any) -> Selected:
        """Return the SELECT of the pairs, sorted while they are keys and a distance.

        Whole rows are then fetched in that order.
        """
        searched = SearchedColumn(element, stored_element(element), self.declared)
        found = materialized(rows_for_each(rows, near, searched), "found")
        pairs = _each_once(found, self.width, Numbers(given).bound_double("within"))
        return pairs.select().order_by(pairs.c.distance, *(column for column in pairs.c if column.name != "distance"))


def _each_once(found: FromClause, width: int, within: ColumnElement[float]) -> FromClause:
    """Return each pair once, the smaller key first: neighbours find each other, but not always both ways."""
    lefts, rights = ([found.c[f"{which}_{number}"] for number in range(width)] for which in ("one", "key"))
    swapped = _greater(lefts, rights)
    first = [case((swapped, right), else_=left).label(left.name) for left, right in zip(lefts, rights, strict=True)]
    second = [case((swapped, left), else_=right).label(right.name) for left, right in zip(lefts, rights, strict=True)]
    ordered = inline(select(*first, *second, found.c.distance).where(is_within(found.c.distance, within)), "ordered")
    columns = [column for column in ordered.c if column.name != "distance"]
    nearest = func.pg_catalog.min(ordered.c.distance, type_=Float(53)).label("distance")
    return materialized(select(*columns, nearest).group_by(*columns), "pairs")


def _greater(lefts: Sequence[ColumnElement[Any]], rights: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    """Return whether one key comes after another, column by column."""
    found = greater(lefts[-1], rights[-1])
    for left, right in zip(reversed(lefts[:-1]), reversed(rights[:-1]), strict=True):
        found = or_(greater(left, right), and_(equal(left, right), found))
    return found


def _two_of(searched: SearchedColumn) -> tuple[Any, Any]:
    element = searched.stored
    if isinstance(element, QueryableAttribute):
        mapped = element.parent.mapper.class_
        return aliased(mapped), aliased(mapped)
    return element.table.alias(), element.table.alias()


def _key_of(entity: Any, searched: SearchedColumn) -> tuple[ColumnElement[Any], ...]:  # Any: as below
    """Return the key of an alias, made alone where it is one of a table: to ask for one column makes them all."""
    rows = inspect(entity).selectable
    if isinstance(rows.element, Table):
        return tuple(column_of(rows, key.name, key.type) for key in rows.element.primary_key)
    return mapped_key(entity, searched.stored.parent.mapper)


def _matching(
    entity: Any,  # Any: a mapped class or a table
    searched: SearchedColumn,
    found: Sequence[ColumnElement[Any]],
    pruned: Sequence[ColumnElement[bool]],
) -> list[ColumnElement[bool]]:
    own = _key_of(entity, searched)
    return [
        *repeated_for(own, pruned),
        # to one of an array: PostgreSQL would hash all rows for a bare =, and sort the pairs anew with their vectors
        *(equal_to_any(key, any_(array([other]))) for key, other in zip(own, found, strict=True)),
    ]
