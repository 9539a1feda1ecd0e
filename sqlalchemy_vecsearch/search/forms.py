"""The shapes that a nearest-neighbour Select can take, one function a shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import literal_column, select, union_all

from sqlalchemy_vecsearch.expressions import (
    distance_between,
    indexed_expression,
    indexed_metric,
    quantized_query,
)
from sqlalchemy_vecsearch.methods import HNSW
from sqlalchemy_vecsearch.search.counts import scan_count
from sqlalchemy_vecsearch.search.effort import Effort, carried_settings
from sqlalchemy_vecsearch.search.identity import row_keys
from sqlalchemy_vecsearch.search.partial import provable
from sqlalchemy_vecsearch.search.statements import (
    is_filtered,
    is_locking,
    locking_as,
    offset_of,
    only_columns,
    tie_breaks,
    without_filter,
)
from sqlalchemy_vecsearch.search.subselects import inline, materialized
from sqlalchemy_vecsearch.settings import MAXIMUM_EF_SEARCH, CarriedSettings

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    from sqlalchemy_vecsearch.expressions import Quantize
    from sqlalchemy_vecsearch.search.identity import RowKeys
    from sqlalchemy_vecsearch.search.searched import SearchedColumn
    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = [
    "Search",
    "exact_form",
    "limited_select",
    "order_by_form",
    "plain_form",
    "scan_order",
    "sorted_form",
    "unindexed",
]


@dataclass(frozen=True, slots=True)
class Search:
    """One search: what is read, through which column, and how much of it is wanted."""

    statement: Statement
    searched: SearchedColumn
    vector: ColumnElement[Any]
    k: int
    within: float | None = None

    @property
    def candidates(self) -> int:
        """How many rows must come out of the scan, those that OFFSET passes over included."""
        return self.k + offset_of(self.statement)

    @property
    def is_filtered(self) -> bool:
        """Whether rows that the scan finds can be dropped before they count."""
        return is_filtered(self.statement) or (
            self.searched.index is not None and self.searched.index.where is not None
        )

    @property
    def can_be_plain(self) -> bool:
        """Whether the index can answer in the right order by itself, filtered or not."""
        index = self.searched.index
        return (
            index is not None
            and isinstance(index.method, HNSW)
            and self.within is None
            and self.candidates <= MAXIMUM_EF_SEARCH
            and not tie_breaks(self.statement)
        )

    @property
    def is_plain(self) -> bool:
        """Whether no level is needed outside the scan: nothing can be dropped from it, and it is in order."""
        return self.can_be_plain and not self.is_filtered

    @property
    def distance(self) -> ColumnElement[float]:
        """The bare distance between the column and the query."""
        return distance_between(self.searched.element, self.vector, self.searched.metric)

    @property
    def has_embedding(self) -> tuple[ColumnElement[bool], ...]:
        """The condition that keeps NULL embeddings out, where there can be any."""
        return (self.searched.element.is_not(None),) if self.searched.column.nullable else ()


def exact_form(search: Search) -> Statement:
    """Return the form that no approximate index can serve: ``ORDER BY (distance) + 0``.

    It reads every row that passes the filter; plain indexes on the filter still serve.
    """
    distance = search.distance
    statement = search.statement.where(*search.has_embedding)
    if search.within is not None:
        statement = statement.where(distance <= search.within)
    return (
        statement.add_columns(distance.label("distance"))
        .order_by(None)
        .order_by(unindexed(distance), *tie_breaks(search.statement))
        .limit(search.k)
    )


def plain_form(search: Search, effort: Effort) -> Statement:
    """Return the form that an HNSW index serves by itself: ``ORDER BY distance LIMIT k``.

    With a filter it needs a server that can scan on, as the iterative form does: rows would be missing without.
    """
    distance = search.distance
    settings = carried_settings(search.searched, effort, candidates=search.candidates, filtered=False)
    if search.is_filtered:
        settings = replace(settings, hnsw_optional=False)
    return (
        search.statement.where(*search.has_embedding, settings.clause())
        .add_columns(distance.label("distance"))
        .order_by(distance)
        .limit(search.k)
    )


def sorted_form(search: Search, effort: Effort) -> Statement:
    """Return the form that takes ``k`` rows from the scan inside, and sorts and cuts them outside.

    An iterative scan in relaxed order finds more than one in strict order, and returns rows out of order. The outer
    ``ORDER BY distance + 0`` sorts for real: PostgreSQL 17 and later removes a plain ``ORDER BY distance``, believing
    the index.
    """
    distance = search.distance
    settings = carried_settings(search.searched, effort, candidates=search.candidates, filtered=search.is_filtered)
    count = search.candidates if is_locking(search.statement) else scan_count(search, search.candidates)
    inner, keys = limited_select(search, settings, distance, count, distance.label("distance"), locking=True)
    limited = materialized(inner, "candidates")
    outer = without_filter(search.statement).where(*keys.matching(limited))
    if search.within is not None:
        outer = outer.where(limited.c.distance <= search.within)
    outer = outer.add_columns(limited.c.distance.label("distance"))
    outer = outer.order_by(unindexed(limited.c.distance), *tie_breaks(search.statement))
    if count > search.candidates:
        outer = outer.limit(search.k)
    return outer.offset(offset) if (offset := offset_of(search.statement)) else outer


def scan_order(search: Search) -> ColumnElement[float]:
    """Return what the index orders by: the distance, or for a quantised index the distance of its expressions."""
    return order_by_form(search, search.searched.quantize)


def order_by_form(search: Search, quantize: Quantize | None) -> ColumnElement[float]:
    """Return the distance between the quantised forms of the column and of the query."""
    searched = search.searched
    storage, dimensions = searched.storage, searched.dimensions
    return distance_between(
        indexed_expression(searched.element, quantize, storage=storage, dimensions=dimensions),
        quantized_query(search.vector, quantize, storage=storage, dimensions=dimensions),
        indexed_metric(searched.metric, quantize),
    )


def limited_select(
    search: Search,
    settings: CarriedSettings,
    order: ColumnElement[Any],
    count: int,
    *columns: Any,
    conditions: tuple[ColumnElement[bool], ...] = (),
    outer: FromClause | None = None,
    locking: bool = False,
) -> tuple[Statement, RowKeys]:
    """Return the sub-select that takes ``count`` rows from the scan, and the keys that find them outside.

    Where several partial indexes hold the rows, each is scanned for ``count`` rows, and the nearest of all are taken.
    A LATERAL sub-select names columns of ``outer``, in its order and in ``conditions``. With ``locking`` the rows are
    locked where they are taken, as the statement says: so SKIP LOCKED passes over a row before it counts.
    """
    keys = row_keys(search.statement, search.searched)
    statements = provable(search.statement, search.searched)
    scans = [
        only_columns(statement, *keys.labelled, *columns)
        .where(*search.has_embedding, *conditions, settings.clause())
        .order_by(order)
        .limit(count)
        for statement in statements
    ]
    if outer is not None:
        scans = [scan.correlate(outer) for scan in scans]
    if locking and is_locking(search.statement):
        scans = [locking_as(scan, search.statement) for scan in scans]
    if len(scans) == 1:
        return scans[0], keys
    scans = [scan.add_columns(order.label("scan_order")) for scan in scans]
    if is_locking(scans[0]):  # PostgreSQL locks no rows of a SELECT that UNION names itself
        scans = [inline(scan, "scan").select() for scan in scans]
    together = inline(union_all(*scans), "scans")
    wanted = [column for column in together.c if column.key != "scan_order"]
    return select(*wanted).order_by(unindexed(together.c.scan_order)).limit(count), keys


def unindexed(distance: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return ``distance + 0``, by which PostgreSQL sorts for real: no index and no earlier order serves it."""
    return distance.op("+")(literal_column("0"))
