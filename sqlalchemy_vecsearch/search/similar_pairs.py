"""The pairs of rows that are near to each other, such as near-duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Float, and_, any_, case, func, or_, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import QueryableAttribute, aliased

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.building.checks import require_count, require_distance
from sqlalchemy_vecsearch.search.building.comparing import equal, equal_to_any, greater, is_within
from sqlalchemy_vecsearch.search.building.laterals import found_for_each
from sqlalchemy_vecsearch.search.building.partition_keys import conditions_on_partition_keys, repeated_for
from sqlalchemy_vecsearch.search.building.refusals import refuse_loaders, refuse_lock
from sqlalchemy_vecsearch.search.building.request import Search, prepared
from sqlalchemy_vecsearch.search.building.row_keys import entity_key, row_keys
from sqlalchemy_vecsearch.search.building.scan import checked_effort
from sqlalchemy_vecsearch.search.building.subselects import inline, materialized, shared
from sqlalchemy_vecsearch.search.building.typing import gives_pairs
from sqlalchemy_vecsearch.selects import only_columns, reads_one_entity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import CTE, ColumnElement, FromClause

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.column import SearchedColumn
    from sqlalchemy_vecsearch.search.building.row_keys import RowKeys

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
    require_distance(within)
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
    keys = row_keys(statement, searched)
    ones = [key.label(f"one_{number}") for number, (key, _) in enumerate(keys.columns)]
    rows = inline(only_columns(statement, *ones, searched.element.label("vector")), "every_row")
    own = entity_key(searched.element)
    itself = and_(*(equal(key, rows.c[one.name]) for key, one in zip(own, ones, strict=True)))
    search = Search(statement, searched, rows.c.vector, int(k))
    effort = checked_effort(ef_search, probes, max_scan_tuples, max_exact_rows)
    found = found_for_each(search, rows, effort, exclude=~itself, exact=exact)
    pairs = _in_order(_each_once(found.rows, keys, within))
    one, other = _two_of(searched)
    pruned = conditions_on_partition_keys(statement, searched.column.table)
    return (
        select(one, other, pairs.c.distance.label("distance"))
        .where(*_matching(one, searched, pairs, "one", pruned), *_matching(other, searched, pairs, "key", pruned))
        .order_by(*_order_of(pairs))
    )


def _in_order(pairs: FromClause) -> CTE:
    """Return the pairs sorted while they are keys and a distance; whole rows are then fetched in that order."""
    return shared(pairs.select().order_by(*_order_of(pairs)), "sorted_pairs")


def _order_of(pairs: FromClause) -> list[ColumnElement[Any]]:
    return [pairs.c.distance, *(column for column in pairs.c if column.name != "distance")]


def _each_once(found: FromClause, keys: RowKeys, within: float) -> FromClause:
    """Return each pair once, the smaller key first: neighbours find each other, but not always both ways."""
    lefts, rights = [found.c[name.replace("key", "one")] for name in keys.names], [found.c[name] for name in keys.names]
    swapped = _greater(lefts, rights)
    first = [case((swapped, right), else_=left).label(left.name) for left, right in zip(lefts, rights, strict=True)]
    second = [case((swapped, left), else_=right).label(right.name) for left, right in zip(lefts, rights, strict=True)]
    ordered = inline(
        select(*first, *second, found.c.distance).where(is_within(found.c.distance, float(within))), "ordered"
    )
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


def _matching(
    entity: Any,  # Any: a mapped class or a table
    searched: SearchedColumn,
    pairs: FromClause,
    prefix: str,
    pruned: Sequence[ColumnElement[bool]],
) -> list[ColumnElement[bool]]:
    element = searched.stored
    attribute = getattr(entity, element.key) if isinstance(element, QueryableAttribute) else entity.c[element.key]
    own = entity_key(attribute)
    return [
        *repeated_for(own, pruned),
        # to one of an array: PostgreSQL would hash all rows for a bare =, and sort the pairs anew with their vectors
        *(equal_to_any(key, any_(array([pairs.c[f"{prefix}_{number}"]]))) for number, key in enumerate(own)),
    ]
