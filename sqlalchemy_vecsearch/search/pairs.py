"""The pairs of rows that are near to each other, such as near-duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import QueryableAttribute, aliased

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.candidates import prepared
from sqlalchemy_vecsearch.search.checking import require_count, require_distance
from sqlalchemy_vecsearch.search.effort import checked_effort
from sqlalchemy_vecsearch.search.forms import Search, unindexed
from sqlalchemy_vecsearch.search.identity import entity_key, row_keys
from sqlalchemy_vecsearch.search.laterals import found_for_each
from sqlalchemy_vecsearch.search.refusals import refuse_loaders, refuse_lock
from sqlalchemy_vecsearch.search.statements import only_columns, reads_one_entity
from sqlalchemy_vecsearch.search.subselects import inline, materialized
from sqlalchemy_vecsearch.search.typing import returns_pairs_like

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, FromClause, Select

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.identity import RowKeys
    from sqlalchemy_vecsearch.search.options import PairsOptions
    from sqlalchemy_vecsearch.search.searched import SearchedColumn

__all__ = ["similar_pairs"]

_Entity = TypeVar("_Entity")
_Result = TypeVar("_Result")


@overload
def similar_pairs(
    source: Select[tuple[_Entity]], column: Any, **options: Unpack[PairsOptions]
) -> Select[tuple[_Entity, _Entity, float]]: ...
@overload
def similar_pairs(
    source: Select[_Entity], column: Any, **options: Unpack[PairsOptions]
) -> Select[_Entity, _Entity, float]: ...
@overload
def similar_pairs(
    source: FromClause, column: Any, **options: Unpack[PairsOptions]
) -> Select[Any]: ...  # Any: the columns of a Core table have no static types
@overload
@returns_pairs_like(select)
def similar_pairs(column: Any, **options: Unpack[PairsOptions]) -> Any: ...
@overload
def similar_pairs(
    source: type[_Entity],
    column: Any,
    *,
    _shape: Callable[[type[_Entity], type[_Entity], type[float]], _Result] = select,  # type: ignore[assignment]  # for pyright alone
    **options: Unpack[PairsOptions],
) -> _Result: ...
def similar_pairs(  # type: ignore[misc]  # _shape is no real parameter: it lets pyright infer the row type
    source: Any,  # Any: the overloads say which
    column: Any,
    *,
    within: float,
    k: int = 10,
    metric: Metric | str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
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
    itself = and_(*(key == rows.c[one.name] for key, one in zip(own, ones, strict=True)))
    search = Search(statement, searched, rows.c.vector, int(k))
    found = found_for_each(search, rows, checked_effort(ef_search, probes), exclude=~itself, exact=exact)
    pairs = _each_once(found.rows, keys, within)
    one, other = _two_of(searched)
    distance = pairs.c.distance
    return (
        select(one, other, distance.label("distance"))
        .where(*_matching(one, searched, pairs, "one"), *_matching(other, searched, pairs, "key"))
        .order_by(unindexed(distance), *(pairs.c[f"one_{number}"] for number in range(len(ones))))
        .order_by(*(pairs.c[name] for name in keys.names))
    )


def _each_once(found: FromClause, keys: RowKeys, within: float) -> FromClause:
    """Return each pair once, the smaller key first: neighbours find each other, but not always both ways."""
    lefts, rights = [found.c[name.replace("key", "one")] for name in keys.names], [found.c[name] for name in keys.names]
    swapped = _greater(lefts, rights)
    first = [case((swapped, right), else_=left).label(left.name) for left, right in zip(lefts, rights, strict=True)]
    second = [case((swapped, left), else_=right).label(right.name) for left, right in zip(lefts, rights, strict=True)]
    ordered = inline(select(*first, *second, found.c.distance).where(found.c.distance <= float(within)), "ordered")
    columns = [column for column in ordered.c if column.name != "distance"]
    nearest = func.min(ordered.c.distance).label("distance")
    return materialized(select(*columns, nearest).group_by(*columns), "pairs")


def _greater(lefts: Sequence[ColumnElement[Any]], rights: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    """Return whether one key comes after another, column by column."""
    greater: ColumnElement[bool] = lefts[-1] > rights[-1]
    for left, right in zip(reversed(lefts[:-1]), reversed(rights[:-1]), strict=True):
        greater = or_(left > right, and_(left == right, greater))
    return greater


def _two_of(searched: SearchedColumn) -> tuple[Any, Any]:
    element = searched.element
    if isinstance(element, QueryableAttribute):
        mapped = element.parent.mapper.class_
        return aliased(mapped), aliased(mapped)
    return element.table.alias(), element.table.alias()


def _matching(
    entity: Any, searched: SearchedColumn, pairs: FromClause, prefix: str
) -> list[ColumnElement[bool]]:  # Any: a mapped class or a table
    element = searched.element
    attribute = getattr(entity, element.key) if isinstance(element, QueryableAttribute) else entity.c[element.key]
    return [key == pairs.c[f"{prefix}_{number}"] for number, key in enumerate(entity_key(attribute))]
