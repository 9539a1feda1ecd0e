"""How thoroughly an index is scanned: the settings with which a scan yields the rows that are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Float, Integer, cast, func, literal_column

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat
from sqlalchemy_vecsearch.search.building.arithmetic import times
from sqlalchemy_vecsearch.search.building.checks import require_count
from sqlalchemy_vecsearch.search.strategy import Strategy
from sqlalchemy_vecsearch.selects import shown
from sqlalchemy_vecsearch.settings import CarriedSettings, require_setting

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from sqlalchemy_vecsearch.search.building.column import SearchedColumn
    from sqlalchemy_vecsearch.settings import Amount

__all__ = [
    "UNBOUNDED_SCAN",
    "Effort",
    "Given",
    "Reach",
    "checked_effort",
    "ef_search_of",
    "first_settings",
    "links_of",
    "may_be_hnsw",
    "may_be_ivfflat",
    "probes_of",
    "scan_settings",
    "tuples_of",
]

_MOST_SCAN_TUPLES: Final = 2_147_483_647

UNBOUNDED_SCAN: Final = str(_MOST_SCAN_TUPLES)
"""The largest hnsw.max_scan_tuples that pgvector accepts."""

_SCAN_MEMORY: Final = "64"
"""An iterative scan that runs out of memory returns what it has, unordered; 64 times work_mem holds some 1.5 million
visited rows at the default of 4 MB. The server's own default of 1 lost recall in a measured filter of 1.8%: 0.85
instead of 0.96."""

_CANDIDATES_OF_ROWS: Final = literal_column("CAST(0.16 AS DOUBLE PRECISION)", Float(53))
_MOST_CANDIDATES_OF_ROWS: Final = literal_column("CAST(400 AS DOUBLE PRECISION)", Float(53))
"""The least candidates of a first scan grow with the square root of the table, up to the largest that was measured. Of
a million rows mixed from docstrings ten had a recall of 0.94 with 100 candidates (2.4 ms), 0.957 with 200 (4.1), 0.968
with 300 (6.2) and 0.970 with 400 (7.1); asked for mixed texts 0.83, 0.90, 0.92 and 0.94. Of 250,000 rows, for both
kinds of questions, 0.92 with 100 (3.0 ms), 0.94 with 200 (5.0), 0.97 with 300 (7.2)."""

_NO_ROWS: Final = literal_column("CAST(0 AS REAL)", Float(24))

_TENTHS_PROBED: Final = {False: 6, True: 8}
"""Tenths of the lists of an IVFFlat index that a search visits, without a filter and with one. Measured on 30,000
docstrings x 256 with 30, 100, 173 and 300 lists, recall@10 by the share of the lists: without a filter a third 0.91 to
0.97, a half 0.95 to 0.99, six tenths 0.98 to 0.99; with a filter that 1% pass a half 0.90 to 0.94, seven tenths 0.96 to
0.98. A filter of 0.1% had 0.93 with seven tenths. It is a default that loses little, not one that is fast: embeddings
that cluster better need fewer (0.97 with a sixth on 60,069 texts x 384)."""

_PROBED_TO_LOOK: Final = 1
"""Tenths of the lists that the first scan of an IVFFlat index visits under a filter. It only tells whether many rows
pass near the query: reading the rows of most lists one by one costs more than reading the table, so that a filter that
few rows pass is better answered by the exact way at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What the caller said of how thoroughly to search; None leaves it to the helper."""

    ef_search: int | None = None
    probes: int | None = None
    max_scan_tuples: int | None = None
    max_exact_rows: int | None = None
    strict: bool = False
    strategy: Strategy | None = None

    def __post_init__(self) -> None:  # numbers of numpy overflow when they are added up, and psycopg2 sends none
        for name in ("ef_search", "probes", "max_scan_tuples", "max_exact_rows"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, int(value))


def checked_effort(
    ef_search: int | None = None,
    probes: int | None = None,
    max_scan_tuples: int | None = None,
    max_exact_rows: int | None = None,
    *,
    strict: bool = False,
    strategy: Strategy | str | None = None,
) -> Effort:
    """Return how thoroughly to search.

    Raises:
        SearchError: max_exact_rows is out of its range, or there is no such strategy.
        SettingsError: a setting is out of its range.
    """
    require_setting("ef_search", ef_search)
    require_setting("probes", probes)
    require_setting("max_scan_tuples", max_scan_tuples)
    if max_exact_rows is not None:
        require_count("max_exact_rows", max_exact_rows, "of how many rows a table may be that is read whole")
    chosen = strategy if strategy is None or type(strategy) is Strategy else _strategy(strategy)
    return Effort(
        ef_search=ef_search,
        probes=probes,
        max_scan_tuples=max_scan_tuples,
        max_exact_rows=max_exact_rows,
        strict=strict,
        strategy=chosen,
    )


def _strategy(value: Any) -> Strategy:  # Any: whatever the caller passed
    try:
        return Strategy(value)
    except ValueError:
        raise SearchError(
            f"strategy={shown(value)} is no way to the rows. "
            f"It is one of {', '.join(repr(one.value) for one in Strategy)}. "
            "Pass one of these, or of Strategy, or leave it out, so that the statement decides when it runs."
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Which settings the caller has named, and so are set outright; the others are only raised."""

    ef_search: bool
    probes: bool
    strict: bool

    @classmethod
    def of(cls, effort: Effort) -> Given:
        """Return which settings an effort names."""
        return cls(
            ef_search=effort.ef_search is not None,
            probes=effort.probes is not None,
            strict=effort.strict,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far a scan goes: numbers, or expressions that a statement holds for them."""

    ef_search: Amount
    probes: Amount
    max_scan_tuples: Amount = UNBOUNDED_SCAN


def ef_search_of(rows: ColumnElement[float], links: int) -> ColumnElement[int]:
    """Return how many candidates a table of so many rows takes at the least: 100 for 62,500, 400 from a million on.

    An expression of SQL, since the rows are known to the catalog; 0 where they are NULL. A graph of more links than
    usual takes fewer: of ``m = 32`` 200 of a million rows had a recall of 0.99, 0.99 and 0.98 where all, 50% and 10%
    pass, in 7 ms, and 400 of 1.0, 0.99 and 0.99 in 14.
    """
    known = cast(func.coalesce(rows, _NO_ROWS), Float(53))
    of_rows = func.pg_catalog.sqrt(times(known, _CANDIDATES_OF_ROWS), type_=Float(53))
    most: ColumnElement[float] = func.least(of_rows, _MOST_CANDIDATES_OF_ROWS, type_=Float(53))
    if links > HNSW.defaults["m"]:
        part = literal_column(f"CAST({HNSW.defaults['m'] / links} AS DOUBLE PRECISION)", Float(53))
        most = times(most, part)
    return cast(most, Integer)


def links_of(searched: SearchedColumn) -> int:
    """Return the ``m`` of the HNSW index: what is declared, else the server's default. Pure."""
    method = None if searched.index is None else searched.index.method
    return (method.m if isinstance(method, HNSW) else None) or HNSW.defaults["m"]


def probes_of(searched: SearchedColumn, effort: Effort, *, filtered: bool) -> tuple[int, int]:
    """Return how many lists of an IVFFlat index the first scan visits, and how many one that goes on. Pure."""
    if effort.probes is not None:
        return effort.probes, effort.probes
    tenths = _PROBED_TO_LOOK if filtered and not may_be_hnsw(searched) else _TENTHS_PROBED[False]
    return _probes(searched, tenths), _probes(searched, _TENTHS_PROBED[True])


def tuples_of(effort: Effort) -> int:
    """Return how many rows an iterative HNSW scan visits at the most. Pure."""
    return effort.max_scan_tuples or _MOST_SCAN_TUPLES


def first_settings(searched: SearchedColumn, given: Given, reach: Reach) -> CarriedSettings:
    """Return the settings of the first scan, which looks at a bounded number of rows and is not iterative. Pure.

    A column whose index is not known may have any, so both methods are told.
    """
    at_least, exactly = _bounds(searched, given, reach)
    return CarriedSettings(
        at_least=at_least,
        exactly=exactly,
        hnsw_order="off" if may_be_hnsw(searched) else None,
        ivfflat_order="off" if may_be_ivfflat(searched) else None,
    )


def scan_settings(searched: SearchedColumn, given: Given, reach: Reach, *, optional: bool) -> CarriedSettings:
    """Return the settings of a scan that goes on until enough rows have passed. Pure.

    With ``optional`` a server whose pgvector has no iterative scans (before 0.8) is no error.
    """
    at_least, exactly = _bounds(searched, given, reach)
    bounds = (("hnsw.max_scan_tuples", reach.max_scan_tuples), ("hnsw.scan_mem_multiplier", _SCAN_MEMORY))
    return CarriedSettings(
        at_least=at_least,
        exactly=exactly,
        hnsw_bounds=bounds if may_be_hnsw(searched) else (),
        hnsw_order=("strict_order" if given.strict else "relaxed_order") if may_be_hnsw(searched) else None,
        hnsw_optional=optional,
        ivfflat_order="relaxed_order" if may_be_ivfflat(searched) else None,
    )


def may_be_hnsw(searched: SearchedColumn) -> bool:
    """Return whether an HNSW index can serve the search."""
    return searched.index is None or isinstance(searched.index.method, HNSW)


def may_be_ivfflat(searched: SearchedColumn) -> bool:
    """Return whether an IVFFlat index can serve the search."""
    return searched.index is None or isinstance(searched.index.method, IVFFlat)


def _bounds(
    searched: SearchedColumn, given: Given, reach: Reach
) -> tuple[tuple[tuple[str, Amount], ...], tuple[tuple[str, Amount], ...]]:
    """Return the parameters to raise at least to a number, and those that the caller has set."""
    at_least: list[tuple[str, Amount]] = []
    exactly: list[tuple[str, Amount]] = []
    if may_be_hnsw(searched):
        (exactly if given.ef_search else at_least).append(("hnsw.ef_search", reach.ef_search))
    if may_be_ivfflat(searched):
        (exactly if given.probes else at_least).append(("ivfflat.probes", reach.probes))
    return tuple(at_least), tuple(exactly)


def _probes(searched: SearchedColumn, tenths: int) -> int:
    method = None if searched.index is None else searched.index.method
    lists = (method.lists if isinstance(method, IVFFlat) else None) or IVFFlat.defaults["lists"]
    return ceil(lists * tenths / 10)
