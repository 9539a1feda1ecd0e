"""The rules of what may be added to the result of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import CTE, Alias, Column, FromClause, Over, Select, Subquery
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, ColumnClause
from sqlalchemy.sql.functions import FunctionElement

from sqlalchemy_vecsearch.measuring.findings import Finding
from sqlalchemy_vecsearch.measuring.levels import Level
from sqlalchemy_vecsearch.search.building.deferred import Deferred
from sqlalchemy_vecsearch.selects import inner_joins, on_foreign_keys, parts, select_list, sources, where_criteria

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["result_findings"]


def result_findings(level: Level) -> Iterator[Finding]:
    """Yield what drops rows of a search where they are found again, or around that, and was not searched by. Pure."""
    found = _found_rows(level)
    if found is not None:
        for criterion in level.criteria:
            if not _names(criterion, found.ranked) and not any(criterion.compare(one) for one in found.criteria):
                yield _filtered(criterion)
        yield from _dropping_joins(level, found.read, found.read)
        return
    if level.is_limited or level.is_grouped or level.is_distinct or not _shows_rows(level):
        return  # it takes what is left of more rows on purpose, or counts them
    for result, _ in level.sources:
        inner = result.element if isinstance(result, CTE | Subquery) else None
        found = _found_rows(Level(inner, frozenset())) if isinstance(inner, Select) else None
        if found is None:
            continue
        for criterion in level.criteria:
            if _is_of_one_table(criterion, level) and not any(criterion.compare(one) for one in found.criteria):
                yield _filtered(criterion)
        yield from _dropping_joins(level, (result,), ())


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of a search: the sub-selects that rank them, and the conditions and sources that they passed."""

    ranked: list[CTE]
    criteria: list[Any]
    read: tuple[FromClause, ...]


def _found_rows(level: Level) -> _Found | None:
    """Return the rows of the search that a level finds again by their keys, None where it is not the result of one."""
    rows = [source for source, _ in level.sources if isinstance(source, CTE) and _is_ordered_by(level, source)]
    given = [part for source in rows for search in _searches(source) for part in search.parts]
    if not given or len(level.sources) == len(rows):
        return None
    searched = [part for part in given if isinstance(part, Select)]
    criteria = [criterion for part in searched for criterion in where_criteria(part)]
    return _Found(rows, criteria, tuple(source for part in searched for source, _ in sources(part)))


def _filtered(criterion: Any) -> Finding:
    return Finding(
        "filter_after_search",
        f"The condition {_written(criterion)} stands outside of the search. "
        "The rows were chosen before it, so it can only drop some of them, and fewer come than were asked for.",
        "Put it into what is searched: nearest(select(...).where(...), ...).",
    )


def _dropping_joins(level: Level, own: Sequence[FromClause], searched: Sequence[FromClause]) -> Iterator[Finding]:
    """Yield the inner joins that a row of the search can be without a partner in, as far as foreign keys tell."""
    for target, condition in inner_joins(level.statement):
        if target in searched:
            continue
        on = _inferred(own, target) if condition is None else condition
        if on is not None and any(_can_miss(part, own) for part in _pairs(on)):
            yield Finding(
                "join_after_search",
                f"The inner join with {getattr(target, 'name', 'a sub-select')!r} stands outside of the search. "
                "The rows were chosen before it, and those without a row to join are dropped, so that fewer come than "
                "were asked for.",
                "Join by .outerjoin(), or put the condition into what is searched, as an EXISTS.",
            )


def _inferred(own: Sequence[FromClause], target: FromClause) -> Any:
    """Return the ON that foreign keys give, None where they do not give one."""
    found = (on_foreign_keys(source, target) for source in own)
    return next((on for on in found if on is not None), None)


def _pairs(condition: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the columns that a condition holds to be equal."""
    for part in visitors.iterate(condition):
        if isinstance(part, BinaryExpression) and part.operator is operators.eq:
            yield part.left, part.right


def _can_miss(pair: tuple[Any, Any], own: Sequence[FromClause]) -> bool:
    """Return whether a row of the search may have no partner: it is a parent, or its foreign key may be NULL."""
    # a relationship is between tables, whatever alias is joined along it
    tables = {*own, *(source.element for source in own if isinstance(source, Alias))}
    ours = [side for side in pair if getattr(side, "table", None) in tables]
    theirs = [side for side in pair if getattr(side, "table", None) not in tables]
    if len(ours) != 1 or len(theirs) != 1:
        return False
    (mine, other) = _stored(ours[0]), _stored(theirs[0])
    if mine is None or other is None or mine.table is other.table:
        return False
    return other.references(mine) or (mine.references(other) and bool(mine.nullable))


def _stored(column: Any) -> Column[Any] | None:
    """Return the table's column that a column of an alias or of a sub-select stands for."""
    for base in getattr(column, "base_columns", ()):
        if isinstance(base, Column) and base.table is not None:
            return base
    return None


def _shows_rows(level: Level) -> bool:
    """Return whether a level selects rows as they are, and works nothing out of them."""
    selected = select_list(level.statement)
    worked_out = [one for one in selected if isinstance(one, FunctionElement) or not isinstance(one, FromClause)]
    return not any(isinstance(part, FunctionElement | Over) for column in worked_out for part in parts(column))


def _is_of_one_table(criterion: Any, level: Level) -> bool:
    """Return whether a condition is of stored columns of one source alone: of no distance, and no join of two."""
    columns = [part for part in visitors.iterate(criterion) if isinstance(part, ColumnClause)]
    required = [source for source, nullable in level.sources if not nullable]
    tables = {column.table for column in columns}
    return len(tables) == 1 and tables <= set(required) and all(_stored(column) is not None for column in columns)


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


def _names(clause: Any, rows: list[CTE]) -> bool:
    columns = (part for part in visitors.iterate(clause) if isinstance(part, ColumnClause))
    return any(column.table in rows for column in columns)


def _written(criterion: Any) -> str:
    return " ".join(str(criterion).split())
