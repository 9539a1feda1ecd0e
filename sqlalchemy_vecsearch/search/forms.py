"""The shapes that a nearest-neighbour Select can take, one function a shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import literal_column, select, union_all

from sqlalchemy_vecsearch.expressions import (
    Subvector,
    distance_between,
    indexed_expression,
    indexed_metric,
    quantized_query,
)
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat
from sqlalchemy_vecsearch.search.identity import row_keys
from sqlalchemy_vecsearch.search.partial import provable
from sqlalchemy_vecsearch.search.statements import (
    is_filtered,
    is_locking,
    offset_of,
    only_columns,
    tie_breaks,
    without_filter,
)
from sqlalchemy_vecsearch.search.subselects import inline, materialized
from sqlalchemy_vecsearch.settings import DEFAULT_EF_SEARCH, MAXIMUM_EF_SEARCH, CarriedSettings

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause
    from sqlalchemy.sql.selectable import CTE

    from sqlalchemy_vecsearch.search.identity import RowKeys
    from sqlalchemy_vecsearch.search.searched import SearchedColumn
    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = [
    "Effort",
    "Search",
    "carried_settings",
    "default_oversample",
    "exact_form",
    "limited_select",
    "plain_form",
    "reranked_form",
    "scan_count",
    "scan_order",
    "sorted_form",
    "unindexed",
]

_MOST_SCAN_TUPLES: Final = 2_147_483_647
_SCAN_MEMORY: Final = 64
"""An iterative scan that runs out of memory returns what it has, unordered; 64 times work_mem holds some 1.5 million
visited rows at the default of 4 MB. The server's own default of 1 lost recall in a measured filter of 1.8%: 0.85
instead of 0.96."""

_LISTS_PER_PROBE: Final = 3
"""A third of the lists had a recall@10 of 0.95 on 29,700 docstrings x 256 with 170 lists; a sixth had 0.90. A sixth was
enough (0.97) on 60,069 texts x 384 with 245 lists."""

_FILTERED_CANDIDATES: Final[dict[type[HNSW | IVFFlat], int]] = {HNSW: 2, IVFFlat: 4}
"""Rows taken from a filtered scan for each row wanted, which the outer level sorts. An iterative scan in relaxed order
ends as soon as enough rows have passed, nearer ones still unseen: on 29,700 docstrings a filter of 10% had a recall of
0.93 with one row each and 0.97 with two."""

_OVERSAMPLE: Final[dict[str, int]] = {"halfvec": 2, "binary": 20, "subvector": 20}
"""Candidates for each row wanted: measured on 60,069 texts x 384, recall@10 of 0.97 to 0.98."""

_LEAST_BINARY_CANDIDATES: Final = 600
"""Bits tell little apart near the query: on 29,700 docstrings x 256, ten rows from 200 candidates had a recall of 0.91,
from 600 of 0.97."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What the caller said of how thoroughly to search; None leaves it to the helper."""

    ef_search: int | None = None
    probes: int | None = None
    max_scan_tuples: int | None = None
    strict: bool = False


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
    count = search.candidates * _candidates_for_each(search)
    limited, matches = _limited(search, settings, distance, count, distance.label("distance"))
    outer = without_filter(search.statement).where(*matches)
    if search.within is not None:
        outer = outer.where(limited.c.distance <= search.within)
    outer = outer.add_columns(limited.c.distance.label("distance"))
    outer = outer.order_by(unindexed(limited.c.distance), *tie_breaks(search.statement))
    if count > search.candidates:
        outer = outer.limit(search.k)
    return outer.offset(offset) if (offset := offset_of(search.statement)) else outer


def _candidates_for_each(search: Search) -> int:
    """Return how many rows to take from the scan for each row wanted; one where each row taken is locked."""
    if not search.is_filtered or is_locking(search.statement):
        return 1
    index = search.searched.index
    return _FILTERED_CANDIDATES[HNSW if index is None else type(index.method)]


def reranked_form(search: Search, effort: Effort, oversample: int | None = None) -> Statement:
    """Return the form for a quantised index: candidates by its expression inside, the full vectors' order outside."""
    searched = search.searched
    count = search.candidates * (oversample or default_oversample(searched))
    if oversample is None and searched.quantize == "binary":
        count = max(count, _LEAST_BINARY_CANDIDATES)
    settings = carried_settings(searched, effort, candidates=count, filtered=search.is_filtered)
    _, matches = _limited(search, settings, scan_order(search), count)
    outer = exact_form(
        Search(without_filter(search.statement).where(*matches), searched, search.vector, search.k, search.within)
    )
    outer = outer.order_by(*tie_breaks(search.statement))
    return outer.offset(offset) if (offset := offset_of(search.statement)) else outer


def carried_settings(searched: SearchedColumn, effort: Effort, *, candidates: int, filtered: bool) -> CarriedSettings:
    """Return the settings with which a scan yields ``candidates`` rows. Pure.

    A column whose index is not known may have any, so both methods are told.
    """
    method = None if searched.index is None else searched.index.method
    at_least: list[tuple[str, int]] = []
    exactly: list[tuple[str, str]] = []
    order: Literal["strict_order", "relaxed_order"] | None = None
    iterative = filtered or candidates > MAXIMUM_EF_SEARCH
    if not isinstance(method, IVFFlat):
        needed = min(max(candidates, DEFAULT_EF_SEARCH), MAXIMUM_EF_SEARCH)
        if effort.ef_search is None:
            at_least.append(("hnsw.ef_search", needed))
        else:
            exactly.append(("hnsw.ef_search", str(max(effort.ef_search, min(candidates, MAXIMUM_EF_SEARCH)))))
        order = "relaxed_order" if iterative and not (effort.strict or is_partitioned(searched)) else "strict_order"
        if iterative:
            exactly.append(("hnsw.max_scan_tuples", str(effort.max_scan_tuples or _MOST_SCAN_TUPLES)))
            exactly.append(("hnsw.scan_mem_multiplier", str(_SCAN_MEMORY)))
    if not isinstance(method, HNSW):
        lists = (method.lists if method is not None else None) or IVFFlat.defaults["lists"]
        if effort.probes is None:
            at_least.append(("ivfflat.probes", ceil(lists / _LISTS_PER_PROBE)))
        else:
            exactly.append(("ivfflat.probes", str(effort.probes)))
    return CarriedSettings(
        at_least=tuple(at_least),
        exactly=tuple(exactly),
        hnsw_order=order,
        hnsw_optional=not iterative,
        ivfflat_iterative=not isinstance(method, HNSW),
    )


def is_partitioned(searched: SearchedColumn) -> bool:
    """Return whether the table is declared as partitioned: merging partitions needs each in strict order."""
    return searched.column.table.dialect_options["postgresql"]["partition_by"] is not None


def scan_order(search: Search) -> ColumnElement[float]:
    """Return what the index orders by: the distance, or for a quantised index the distance of its expressions."""
    searched = search.searched
    storage, dimensions = searched.storage, searched.dimensions
    return distance_between(
        indexed_expression(searched.element, searched.quantize, storage=storage, dimensions=dimensions),
        quantized_query(search.vector, searched.quantize, storage=storage, dimensions=dimensions),
        indexed_metric(searched.metric, searched.quantize),
    )


def limited_select(
    search: Search,
    settings: CarriedSettings,
    order: ColumnElement[Any],
    count: int,
    *columns: Any,
    conditions: tuple[ColumnElement[bool], ...] = (),
    outer: FromClause | None = None,
) -> tuple[Statement, RowKeys]:
    """Return the sub-select that takes ``count`` rows from the scan, and the keys that find them outside.

    Where several partial indexes hold the rows, each is scanned for ``count`` rows, and the nearest of all are taken.
    A LATERAL sub-select names columns of ``outer``, in its order and in ``conditions``.
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
    if len(scans) == 1:
        return scans[0], keys
    together = inline(union_all(*(scan.add_columns(order.label("scan_order")) for scan in scans)), "scans")
    wanted = [column for column in together.c if column.key != "scan_order"]
    return select(*wanted).order_by(unindexed(together.c.scan_order)).limit(count), keys


def _limited(
    search: Search, settings: CarriedSettings, order: ColumnElement[Any], count: int, *columns: Any
) -> tuple[CTE, list[ColumnElement[bool]]]:
    inner, keys = limited_select(search, settings, order, count, *columns)
    limited = materialized(inner, "candidates")
    return limited, keys.matching(limited)


def scan_count(search: Search, wanted: int, *, filtered: bool | None = None) -> int:
    """Return how many rows to take from a scan so that the nearest ``wanted`` of them are the right ones.

    Args:
        search: the search.
        wanted: how many rows are to be kept.
        filtered: True when a condition outside of the search's statement drops rows too.
    """
    searched = search.searched
    if searched.quantize is None:
        index = searched.index
        method = HNSW if index is None else type(index.method)
        return wanted * (_FILTERED_CANDIDATES[method] if filtered or search.is_filtered else 1)
    count = wanted * default_oversample(searched)
    return max(count, _LEAST_BINARY_CANDIDATES) if searched.quantize == "binary" else count


def default_oversample(searched: SearchedColumn) -> int:
    """Return how many candidates a search takes for each row wanted: 1 where the index holds the whole vectors."""
    quantize = searched.quantize
    if quantize is None:
        return 1
    return _OVERSAMPLE["subvector" if isinstance(quantize, Subvector) else str(quantize)]


def unindexed(distance: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return ``distance + 0``, by which PostgreSQL sorts for real: no index and no earlier order serves it."""
    return distance.op("+")(literal_column("0"))
