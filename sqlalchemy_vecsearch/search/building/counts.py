"""How many rows each way to the nearest rows looks at and yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy_vecsearch.expressions import Subvector
from sqlalchemy_vecsearch.methods import IVFFlat
from sqlalchemy_vecsearch.settings import DEFAULT_EF_SEARCH, MAXIMUM_EF_SEARCH

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.search.building.column import SearchedColumn
    from sqlalchemy_vecsearch.search.building.scan import Effort

__all__ = ["Counts", "compared", "counts_of"]

_MOST_MORE: Final = 50
"""A scan yields twice as many rows as are wanted, and at the most so many more. An iterative scan in relaxed order ends
as soon as enough rows have passed, nearer ones still unseen: on 29,700 docstrings a filter of 10% had a recall of 0.93
with one row for each wanted and 0.97 with two. The first scan is in order, but the farther of its candidates are the
less complete; it yields more without visiting more."""

_MORE_HIDDEN: Final = 30
"""Rows that it yields more where it goes on without a filter: what hides rows is not known, nor how they lie. Of a
tenant of 440 rows, 40 of them scattered round the question, the ten nearest had a recall of 0.89 with 20 rows and steps
of 100 candidates, 0.95 with steps of 200, 1.0 with 50 rows and steps of 400."""

_MORE_ALONE: Final = 300
"""Rows that an iterative scan yields more where no first scan has found it worth while. Among the rows of others the
nearest of a tenant come late: of 40,000 clustered rows x 32, of which a policy showed 4,000, the ten nearest had a
recall of 0.85 with 20 rows more than are wanted, 0.97 with 170, 0.99 with 310 and 1.0 with 510. Most of the time goes
into the rows of others, which the scan visits in any case: 310 rows more took 1.1 times as long as 10 (medians of 16
runs, in turns: 304 against 274 ms). Where 400 rows were shown, 310 more took 34 ms instead of 198."""

_LEAST_FILTERED: Final = 200
"""Candidates of the first scan under a filter, where the session has fewer. On 60,000 docstrings x 256 a filter of 10%
took 5.6 ms instead of 7.9 (a scan by hand 3.3), since fewer iterative scans begin anew, at a recall of 0.967 instead of
0.970; one of 50% 4.6 instead of 2.9 (2.2 by hand), at 0.987 instead of 0.978. More candidates found no more."""

_ROWS_OF_DEFAULT: Final = 10
"""Rows for which the default of hnsw.ef_search suffices: one candidate more for each row beyond them. The farther of
the candidates are the less complete: for 100 rows 112 had a recall of 0.96, 0.91 and 0.96 on three sets of some 60,000
vectors, 200 of 0.98, 0.97 and 0.98; for 50 rows 100 had 0.97, 0.93 and 0.98, and 150 had 0.98, 0.97 and 0.98."""

_LEAST_ALONE: Final = 400
"""Candidates of each of its steps. Wider steps come nearer to the order of the distance: 0.86 instead of 0.81 with 20
rows more, where the session's 100 were compared. They take the same time, within 5%."""

_OVERSAMPLE: Final[dict[str, int]] = {"halfvec": 2, "binary": 20, "subvector": 20}
"""Candidates for each row wanted: measured on 60,069 texts x 384, recall@10 of 0.97 to 0.98."""

_LEAST_BINARY_CANDIDATES: Final = 800
"""Bits tell little apart near the query: on 29,700 docstrings x 256, ten rows from 200 candidates had a recall of 0.91,
from 600 of 0.97; near a point between several rows, where recommend() searches, 0.95 from 600 and 0.96 from 800."""

_MOST_SKIPPED: Final = 10
"""One in so many candidates may be a dead row, without another way being taken for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows each way takes.

    Attributes:
        wanted: rows that the search is for; the exact way yields these.
        ef_search: candidates of the first scan.
        ef_search_on: candidates of each step of the iterative scan that goes on from it.
        first: rows that the first scan yields at the most.
        enough: with how many of them it answers.
        scan: rows that the iterative scan yields, and with fewer of which the exact way is taken.
    """

    wanted: int
    ef_search: int
    ef_search_on: int
    first: int
    enough: int
    scan: int

    def rows_of_scan(self, way: str) -> int:
        """Return how many rows the iterative scan of a way yields, and with fewer of which the exact way is taken."""
        return self.scan + _MORE_ALONE if way == "scan" and self.scan > self.wanted else self.scan

    def ef_search_of(self, way: str) -> int:
        """Return the candidates of each step of a way's scans."""
        return max(self.ef_search, _LEAST_ALONE) if way == "scan" else self.ef_search_on

    def most_of(self, way: str) -> int:
        """Return the most rows that a way yields, or each of several."""
        return max(self.wanted, self.first, self.rows_of_scan(way))


def counts_of(
    searched: SearchedColumn,
    effort: Effort,
    wanted: int,
    *,
    filtered: bool,
    oversample: int | None = None,
    at_least: int = 0,
    locking: bool = False,
) -> Counts:
    """Return how many rows each way takes so that the nearest ``wanted`` are the right ones. Pure.

    Args:
        searched: the column.
        effort: what the caller said of how thoroughly to search.
        wanted: how many rows are to be kept.
        filtered: whether rows can be dropped between the scan and the LIMIT.
        oversample: candidates for each row wanted; None takes what is usual for what the index holds.
        at_least: candidates that are looked at in any case.
        locking: True takes no more rows than are wanted, since each is locked.
    """
    count = max(compared(searched, wanted, oversample, filtered=filtered), at_least)
    if searched.quantize not in {None, "halfvec"}:
        ef = effort.ef_search or count
        enough = count - count // _MOST_SKIPPED
        ef = _bounded(max(ef, count))
        return Counts(wanted=wanted, ef_search=ef, ef_search_on=ef, first=count, enough=enough, scan=count)
    least = max(_LEAST_FILTERED, 2 * count) if filtered else DEFAULT_EF_SEARCH + max(0, wanted - _ROWS_OF_DEFAULT)
    ef = _bounded(max(effort.ef_search or least, wanted))
    if locking:
        return Counts(wanted=wanted, ef_search=ef, ef_search_on=ef, first=wanted, enough=wanted, scan=wanted)
    if filtered:
        enough = max(min(count, ef, wanted + wanted // 2), wanted)
        return Counts(wanted=wanted, ef_search=ef, ef_search_on=ef, first=count, enough=enough, scan=count)
    first = count if _is_ivfflat(searched) else max(wanted, min(count, (wanted + ef) // 2))
    return Counts(
        wanted=wanted,
        ef_search=ef,
        ef_search_on=_bounded(max(ef, _LEAST_ALONE)),
        first=first,
        enough=max(min(first, ef), wanted),
        scan=count + _MORE_HIDDEN,
    )


def compared(searched: SearchedColumn, wanted: int, oversample: int | None = None, *, filtered: bool) -> int:
    """Return how many candidates to compare for the nearest ``wanted`` rows to be among them."""
    if oversample is not None:
        return wanted * int(oversample)
    if searched.quantize is None:
        return wanted + min(wanted, _MOST_MORE)
    kind = "subvector" if isinstance(searched.quantize, Subvector) else searched.quantize
    count = wanted * _OVERSAMPLE[kind]
    return max(count, _LEAST_BINARY_CANDIDATES) if kind == "binary" and not filtered else count


def _bounded(ef_search: int) -> int:
    return min(ef_search, MAXIMUM_EF_SEARCH)


def _is_ivfflat(searched: SearchedColumn) -> bool:
    return searched.index is not None and isinstance(searched.index.method, IVFFlat)
