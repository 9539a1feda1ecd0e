"""What is decided of the ways to the nearest rows before their SQL is built."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sqlalchemy_vecsearch.methods import HNSW
from sqlalchemy_vecsearch.search.building.checks import MOST_ROWS
from sqlalchemy_vecsearch.search.building.column import SearchedColumn
from sqlalchemy_vecsearch.search.building.counts import counts_of
from sqlalchemy_vecsearch.search.building.scan import Given, links_of, may_be_hnsw, probes_of, tuples_of
from sqlalchemy_vecsearch.search.strategy import Strategy

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.search.building.column import Declared
    from sqlalchemy_vecsearch.search.building.counts import Counts
    from sqlalchemy_vecsearch.search.building.scan import Effort

__all__ = ["ALL", "EXACT", "FIRST", "LISTS", "SCAN", "Decided", "Shape", "decided", "small_table"]

FIRST: Final = "first"
SCAN: Final = "scan"
EXACT: Final = "exact"
ALL: Final = "all"
LISTS: Final = "lists"

_READ_FOR_VISITED: Final = 120
"""Rows that the exact way passes over in the time in which an iterative scan visits one: 80 in a table of 60,000
docstrings x 256 and 145 in one of a million rows, both in memory; the exact way also finds all. With 60 a package of
8.7% of 60,000 took 10.7 ms at a recall of 0.976, with 120 10.3 at 0.973; one of 1.9% 12.3 at 0.995, and 11.3 at
0.999."""

_TUPLES_OF_CANDIDATE: Final = 10
"""Rows that hnsw.max_scan_tuples allows for each candidate that a scan is likely to need, in a graph of ``m = 16``:
such a scan compares 5 to 10 of 60,000 docstrings for each candidate, and one of ``m = 32`` 12 to 25 of a million."""

_PART_VISITED: Final = 30
"""One in so many rows of a table at the most is visited by a scan that goes on: to compare 2,000 of 60,000 docstrings
takes as long as to read them all. A twentieth and a fortieth had the same recall and time, but where the few rows that
pass are near the query: with a twentieth 22 ms, with a thirtieth 12 to 17, where the exact way takes 7 to 9."""

_READ_BY_PLAIN_INDEX: Final = 24
"""Rows that a plain index leads to in the time in which an iterative scan visits one: 6 in a table of 60,000 rows x
256, 32 in one of a million."""

_SMALL: Final = 2_000_000
_SMALL_ROWS: Final = 20_000
"""Tables of at most so many rows, whose vectors have at most so many numbers in all, are read whole under a filter: to
look first costs as much. In 20,000 rows x 96 that took 3.2, 3.4, 3.9, 5.8 and 6.9 ms of the server where nothing, 1%,
10%, 50% and 90% passed, and to look first 7.7, 8.0, 12.5, 4.5 and 4.0."""

_USUAL_DIMENSIONS: Final = 384
"""What is assumed of a column that declares none."""

_SMALL_QUANTIZED: Final = 200_000
"""Rows of a table that is read whole under a filter where the index is quantised: its candidates are many, and each is
found again in the table to be compared by the full vectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What tells the SQL of one search from that of another, apart from the parts that it is built from."""

    declared: Declared
    way: str
    given: Given
    bounded: bool
    visits: bool
    filtered: bool
    locking: bool
    sort: bool
    columns: int
    excludes: bool
    correlates: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """What is known of the ways before the SQL of them is built."""

    counts: Counts
    shape: Shape
    numbers: dict[str, int]


@lru_cache(maxsize=1024)
def decided(
    declared: Declared,
    effort: Effort,
    wanted: int,
    oversample: int | None,
    at_least: int,
    columns: int,
    *,
    exact: bool,
    filtered: bool,
    locking: bool,
    best: bool,
    excludes: bool,
    correlates: bool,
) -> Decided:
    """Return what is known: the same for all searches of one kind, and a tenth of what one costs to build. Pure."""
    searched = SearchedColumn(None, None, declared)
    counts = counts_of(
        searched, effort, wanted, filtered=filtered, oversample=oversample, at_least=at_least, locking=locking
    )
    way = _way_of(searched, effort, exact=exact, filtered=filtered)
    shape = Shape(
        declared=declared,
        way=way,
        given=Given.of(effort),
        bounded=effort.max_exact_rows is not None,
        visits=effort.max_scan_tuples is not None,
        filtered=filtered,
        locking=locking,
        sort=best and way != EXACT and counts.most_of(way) > wanted,
        columns=columns,
        excludes=excludes,
        correlates=correlates,
    )
    return Decided(counts, shape, _numbers(searched, effort, counts, way, filtered=filtered))


def _way_of(searched: SearchedColumn, effort: Effort, *, exact: bool, filtered: bool) -> str:
    """Return the way that a statement takes to the rows, or what it decides when it runs. Pure.

    That is "all" of them, or for "lists" of IVFFlat whether the first scan answers or every row is to be read.
    """
    if exact or effort.strategy is Strategy.EXACT:
        return EXACT
    if effort.strategy is Strategy.ITERATIVE:
        return SCAN
    hnsw = may_be_hnsw(searched)
    if effort.strategy is Strategy.PLAIN:
        return FIRST
    if not (filtered or hnsw):
        return LISTS if effort.probes is None else FIRST
    # the lists to visit under a filter hold most of the rows, which are read faster in the order of the table
    whole = not hnsw and effort.probes is None and effort.max_exact_rows is None
    return EXACT if whole else ALL


def _numbers(searched: SearchedColumn, effort: Effort, counts: Counts, way: str, *, filtered: bool) -> dict[str, int]:
    """Return the numbers that stand in the statement. Pure."""
    to_look, to_scan = probes_of(searched, effort, filtered=filtered)
    return {
        "wanted": counts.wanted,
        "first": counts.first,
        "enough": counts.enough,
        "scan": counts.rows_of_scan(way),
        "tuples": _TUPLES_OF_CANDIDATE * links_of(searched) // HNSW.defaults["m"],
        "part": _PART_VISITED,
        "likely": counts.scan * counts.ef_search * _READ_FOR_VISITED,
        "few": counts.scan * _READ_BY_PLAIN_INDEX,
        "small": min(small_table(searched), effort.max_exact_rows or MOST_ROWS),
        "ef_search": counts.ef_search,
        "ef_search_on": counts.ef_search if effort.ef_search else counts.ef_search_of(way),
        "probes_to_look": to_look,
        "probes_to_scan": to_scan,
        "max_scan_tuples": tuples_of(effort),
        "max_exact_rows": effort.max_exact_rows or 0,
    }


def small_table(searched: SearchedColumn) -> int:
    """Return of how many rows a table is read whole under a filter. Pure."""
    if searched.quantize not in {None, "halfvec"}:
        return _SMALL_QUANTIZED
    return min(_SMALL // (searched.dimensions or _USUAL_DIMENSIONS), _SMALL_ROWS)
