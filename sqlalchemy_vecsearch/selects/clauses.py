"""What the clauses of a caller's Select hold: WHERE, ORDER BY, LIMIT, OFFSET, locks, options."""

# ruff: noqa: SLF001  # SQLAlchemy offers no other way to look into a Select

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import CTE, Subquery
from sqlalchemy.orm import LoaderCriteriaOption
from sqlalchemy.sql.elements import BindParameter

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.selects.elements import conjuncts
from sqlalchemy_vecsearch.selects.sources import entities_of, has_loader_criteria, is_joined, sources

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from sqlalchemy_vecsearch.selects.elements import Statement

__all__ = [
    "has_loader_options",
    "has_offset",
    "is_cut",
    "is_distinct",
    "is_filtered",
    "is_grouped",
    "is_limited",
    "is_locking",
    "limit_of",
    "offset_of",
    "passes_over_rows",
    "rows_asked",
    "select_list",
    "selected_columns",
    "tie_breaks",
    "where_criteria",
]


_MOST_PASSED_OVER: Final = 1_000_000_000


def select_list(statement: Statement) -> tuple[Any, ...]:
    """Return what a statement selects, as it was written: entities stand for all their columns."""
    return tuple(statement._raw_columns)


def selected_columns(statement: Statement) -> list[Any]:
    """Return the table columns behind what a statement selects; other expressions stand for themselves."""
    return [next(iter(column.base_columns), column) for column in statement.selected_columns]


def where_criteria(statement: Statement) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that WHERE joins by AND."""
    return tuple(conjuncts(*statement._where_criteria))


def tie_breaks(statement: Any) -> tuple[ColumnElement[Any], ...]:  # Any: a Select or a union of them
    """Return the caller's ORDER BY, which a search applies after the distance."""
    return tuple(statement._order_by_clauses)


def is_filtered(statement: Statement) -> bool:
    """Return whether rows can be dropped between the scan and the LIMIT: by WHERE, by a join, by loader criteria."""
    return bool(
        statement._where_criteria
        or is_joined(statement)
        or has_loader_criteria(statement)
        or len(entities_of(statement)) > 1
    )


def is_locking(statement: Statement) -> bool:
    """Return whether the statement locks the rows that it returns (FOR UPDATE and its kin)."""
    return statement._for_update_arg is not None


def is_cut(statement: Statement) -> bool:
    """Return whether the statement returns a part of its rows, by LIMIT, FETCH or OFFSET."""
    return any(
        clause is not None for clause in (statement._limit_clause, statement._fetch_clause, statement._offset_clause)
    )


def is_distinct(statement: Statement) -> bool:
    """Return whether the statement has a DISTINCT, of PostgreSQL's ``distinct_on`` extension too (SQLAlchemy 2.1)."""
    extension = getattr(statement, "_pre_columns_clause", None)
    return bool(statement._distinct or statement._distinct_on) or extension is not None


def is_grouped(statement: Statement) -> bool:
    """Return whether the statement has a GROUP BY."""
    return bool(statement._group_by_clauses)


def is_limited(statement: Statement) -> bool:
    """Return whether the statement has a LIMIT or FETCH of any kind."""
    return statement._limit_clause is not None or statement._fetch_clause is not None


def has_offset(statement: Statement) -> bool:
    """Return whether the statement passes over rows."""
    return statement._offset_clause is not None


def has_loader_options(statement: Statement) -> bool:
    """Return whether the statement says how the ORM loads what belongs to its entities."""
    return any(not isinstance(option, LoaderCriteriaOption) for option in statement._with_options)


def passes_over_rows(statement: Statement) -> bool:
    """Return whether the statement has an OFFSET other than 0."""
    return has_offset(statement) and _number(statement._offset_clause) != 0


def limit_of(statement: Any) -> int | None:  # Any: a Select or a union of them
    """Return LIMIT as a number, None when there is none or an expression."""
    return _number(statement._limit_clause)


def offset_of(statement: Statement) -> int:
    """Return the caller's OFFSET as a number, 0 when there is none.

    Raises:
        SearchError: it is an expression or a named parameter, whose value is not known while the statement is built, or
            out of range.
    """
    clause = statement._offset_clause
    if clause is None:
        return 0
    # a parameter that has a name, or none of its own, may have another value when the statement runs
    value = clause.value if isinstance(clause, BindParameter) and clause.unique else None
    if not isinstance(value, int):
        raise SearchError(
            "The OFFSET of the statement is an expression or a named parameter. "
            "A search must know how many candidates it needs while it is built. "
            "Pass a number to .offset(), and build the search anew for another page."
        )
    if 0 <= value <= _MOST_PASSED_OVER:
        return value
    raise SearchError(
        f"The OFFSET of the statement is {value:,}. "
        "A search finds that many candidates and passes over them: at least none, and no index finds more than "
        f"{_MOST_PASSED_OVER:,}. "
        f"Pass a number from 0 to {_MOST_PASSED_OVER:,} to .offset()."
    )


def rows_asked(statement: Statement) -> int | None:
    """Return the LIMIT of a statement, or of the one sub-select that it reads, less the rows that OFFSET skips. Pure.

    None means that neither says, or that the limit is an expression.
    """
    limit = limit_of(statement)
    if limit is not None:
        return limit
    elements = [source.element for source, _ in sources(statement) if isinstance(source, CTE | Subquery)]
    inside = [getattr(element, "built", element) for element in elements]  # where it is built when it is compiled
    limits = [found for inner in inside if (found := limit_of(inner)) is not None]
    if len(limits) != 1:
        return None
    return max(0, limits[0] - (_number(statement._offset_clause) or 0))


def _number(clause: Any) -> int | None:
    value = getattr(clause, "value", None)
    return value if isinstance(value, int) else None
