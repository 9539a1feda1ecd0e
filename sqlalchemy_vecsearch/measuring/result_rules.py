"""The rule of what may be added to the result of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import CTE, Select
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnClause

from sqlalchemy_vecsearch.measuring.findings import Finding
from sqlalchemy_vecsearch.search.building.deferred import Deferred
from sqlalchemy_vecsearch.selects import where_criteria

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy_vecsearch.measuring.levels import Level

__all__ = ["result_findings"]


def result_findings(level: Level) -> Iterator[Finding]:
    """Yield the conditions that stand where the rows of a search are found again, and were not searched by. Pure."""
    rows = [source for source, _ in level.sources if isinstance(source, CTE) and _is_ordered_by(level, source)]
    searches = [found for source in rows for found in _searches(source)]
    if not searches or len(level.sources) == len(rows):
        return
    own = [criterion for search in searches for part in search.parts for criterion in _criteria(part)]
    for criterion in level.criteria:
        if _names(criterion, rows) or any(criterion.compare(condition) for condition in own):
            continue
        yield Finding(
            "filter_after_search",
            f"The condition {_written(criterion)} stands outside of the search. "
            "The rows were chosen before it, so it can only drop some of them, and fewer come than were asked for.",
            "Put it into what is searched: nearest(select(...).where(...), ...).",
        )


def _is_ordered_by(level: Level, rows: CTE) -> bool:
    return any(_names(clause, [rows]) for clause in level.order)


def _searches(rows: Any) -> Iterator[Deferred]:
    """Yield what searches in a sub-select, without building it, and what that is made of."""
    if isinstance(rows, Deferred):
        yield rows
        for part in rows.parts:
            if isinstance(part, Deferred):
                yield from _searches(part)
        return
    for child in rows.get_children():
        yield from _searches(child)


def _criteria(part: Any) -> tuple[Any, ...]:
    return where_criteria(part) if isinstance(part, Select) else ()


def _names(clause: Any, rows: list[CTE]) -> bool:
    columns = (part for part in visitors.iterate(clause) if isinstance(part, ColumnClause))
    return any(column.table in rows for column in columns)


def _written(criterion: Any) -> str:
    return " ".join(str(criterion).split())
