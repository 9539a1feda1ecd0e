"""Which of the ways that a search holds was taken when it ran."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy_vecsearch.measuring.plans import PlanNode

__all__ = ["PlanWay", "taken", "ways_of"]

_SUBSELECT: Final = re.compile(r"CTE (first|scan)(?:_\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanWay:
    """One of the ways to the nearest rows that a search holds, of which it decides when it runs.

    Attributes:
        name: "first", the scan of the index that looks near the question; "scan", the iterative scan that goes on from
            it; "exact", every row that passes, sorted.
        ran: whether it was run; None without ``analyze=True``.
        rows: the rows that it yielded; None without ``analyze=True``.
    """

    name: str
    ran: bool | None
    rows: int | None


def ways_of(root: PlanNode) -> tuple[PlanWay, ...]:
    """Return the ways that a plan holds, in its order. Pure."""
    return tuple(_ways(root))


def _ways(root: PlanNode) -> Iterator[PlanWay]:
    for node in root.walk():
        named = _SUBSELECT.fullmatch(node.role or "")
        if named is not None:
            yield PlanWay(name=named[1], ran=node.reads_a_table, rows=node.rows)
        elif node.sorts_every_row and any(source.relation is not None for source in node.inputs()):
            yield PlanWay(name="exact", ran=node.reads_a_table, rows=node.rows)


def taken(ways: tuple[PlanWay, ...]) -> Iterator[str]:
    """Yield a sentence for each way that was run, and why where another one decided it. Pure."""
    first = next((way for way in ways if way.name == "first" and way.ran), None)
    scan = next((way for way in ways if way.name == "scan" and way.ran), None)
    for way in ways:
        if not way.ran:
            continue
        if way.name == "first":
            yield f"The first look near the question found {way.rows} rows that pass."
        elif way.name == "scan":
            yield f"The iterative scan{' went on and' if first else ''} found {way.rows}."
        elif scan is not None:
            yield f"It came short, so every row that passes was compared: {way.rows}."
        elif first is not None:
            yield f"They are so few that to scan on would cost more, so every row that passes was compared: {way.rows}."
        elif any(other.name == "first" for other in ways):  # which does not look where the catalog knows few rows
            yield f"The table is small, so every row that passes was compared: {way.rows}."
        else:
            yield f"Every row that passes was compared: {way.rows}."
