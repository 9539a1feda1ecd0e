"""What a statement reads, and how many rows of it."""

# ruff: noqa: SLF001  # SQLAlchemy has no public way to look into LIMIT, OFFSET, WHERE and joins of a Select

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import CTE, Select, Subquery
from sqlalchemy.sql.selectable import FromClause, Join

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["number_of", "rows_asked", "sources"]


def rows_asked(statement: Select[Any]) -> int | None:  # Any: whatever it selects
    """Return the LIMIT of a statement, or of the one sub-select that it reads, less the rows that OFFSET skips. Pure.

    None means that neither says, or that the limit is an expression.
    """
    limit = number_of(statement._limit_clause)
    if limit is not None:
        return limit
    inside = [source.element for source in sources(statement) if isinstance(source, CTE | Subquery)]
    limits = [found for inner in inside if (found := number_of(getattr(inner, "_limit_clause", None))) is not None]
    if len(limits) != 1:
        return None
    return max(0, limits[0] - (number_of(statement._offset_clause) or 0))


def number_of(clause: Any) -> int | None:  # Any: a clause of a Select, whose class SQLAlchemy keeps to itself
    """Return the value of a LIMIT or OFFSET, None when there is none or an expression."""
    value = getattr(clause, "value", None)
    return value if isinstance(value, int) else None


def sources(statement: Select[Any]) -> list[FromClause]:  # Any: whatever it selects
    """Return what a statement reads at its own level, in the order of its clauses, with joins taken apart. Pure."""
    found: dict[FromClause, None] = {}
    for column in (*statement._raw_columns, *statement._where_criteria):
        own = [column] if isinstance(column, FromClause) else column._from_objects
        found |= dict.fromkeys(leaf for source in own for leaf in _leaves(source))
    joined = [source for target, *_ in statement._setup_joins if isinstance(source := _selectable(target), FromClause)]
    for source in (*statement._from_obj, *joined):
        found |= dict.fromkeys(_leaves(source))
    return list(found)


def _leaves(source: FromClause) -> Iterator[FromClause]:
    if isinstance(source, Join):
        yield from _leaves(source.left)
        yield from _leaves(source.right)
    else:
        yield source


def _selectable(target: Any) -> Any:  # Any: a mapped attribute, an entity or a table
    return getattr(target, "selectable", target)
