"""How thoroughly an index is scanned: the settings with which a scan yields the rows that are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy_vecsearch.methods import HNSW, IVFFlat
from sqlalchemy_vecsearch.settings import DEFAULT_EF_SEARCH, MAXIMUM_EF_SEARCH, CarriedSettings, require_setting

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.search.searched import SearchedColumn

__all__ = ["Effort", "carried_settings", "checked_effort"]

_MOST_SCAN_TUPLES: Final = 2_147_483_647
_SCAN_MEMORY: Final = 64
"""An iterative scan that runs out of memory returns what it has, unordered; 64 times work_mem holds some 1.5 million
visited rows at the default of 4 MB. The server's own default of 1 lost recall in a measured filter of 1.8%: 0.85
instead of 0.96."""

_TENTHS_PROBED: Final = {False: 6, True: 8}
"""Tenths of the lists of an IVFFlat index that a search visits, without a filter and with one. Measured on 30,000
docstrings x 256 with 30, 100, 173 and 300 lists, recall@10 by the share of the lists: without a filter a third 0.91 to
0.97, a half 0.95 to 0.99, six tenths 0.98 to 0.99; with a filter that 1% pass a half 0.90 to 0.94, seven tenths 0.96 to
0.98. A filter of 0.1% had 0.93 with seven tenths. It is a default that loses little, not one that is fast: embeddings
that cluster better need fewer (0.97 with a sixth on 60,069 texts x 384)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What the caller said of how thoroughly to search; None leaves it to the helper."""

    ef_search: int | None = None
    probes: int | None = None
    max_scan_tuples: int | None = None
    strict: bool = False


def checked_effort(ef_search: int | None, probes: int | None) -> Effort:
    """Return how thoroughly to search.

    Raises:
        SettingsError: a setting is out of its range.
    """
    require_setting("ef_search", ef_search)
    require_setting("probes", probes)
    return Effort(ef_search=ef_search, probes=probes)


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
            at_least.append(("ivfflat.probes", ceil(lists * _TENTHS_PROBED[filtered] / 10)))
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
