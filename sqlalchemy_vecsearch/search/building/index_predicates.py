"""Filters written so that PostgreSQL can prove the predicate of a partial vector index.

The planner uses a partial index only where it can prove, while planning, that the filter implies the predicate. A bound
value hides that in a generic plan, and ``category IN (7, 8)`` does not imply ``category = 7`` although two indexes, one
for each value, hold all the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Column
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression

from sqlalchemy_vecsearch.selects import where_criteria, with_criteria

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement

    from sqlalchemy_vecsearch.search.building.column import SearchedColumn
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["literal_forms", "root_column", "with_literals"]


def literal_forms(statement: Statement, searched: SearchedColumn) -> tuple[Statement, tuple[Statement, ...]]:
    """Return the statement to read whole, and those to scan: usually itself, several for an IN over partial indexes.

    The values that are compared with a column of some index's predicate stand as literals in them. The scan is split
    where every value of an ``IN`` has a partial index of its own: each branch is then served by one of them.
    """
    predicates = searched.declared.predicates
    if not predicates:
        return statement, (statement,)
    columns = _compared_columns(predicates)
    criteria = where_criteria(statement)
    whole = with_criteria(statement, _literal(criteria, columns))
    for position, criterion in enumerate(criteria):
        branches = (
            (*criteria[:position], choice, *criteria[position + 1 :]) for choice in _choices(criterion, predicates)
        )
        statements = tuple(with_criteria(statement, _literal(branch, columns)) for branch in branches)
        if statements:
            return whole, statements
    return whole, (whole,)


def with_literals(statement: Statement, searched: SearchedColumn) -> Statement:
    """Return the statement with those values as literals that are in :func:`literal_forms`, and not split.

    One value can not be bound in one level of a statement and a literal in another.
    """
    predicates = searched.declared.predicates
    if not predicates:
        return statement
    return with_criteria(statement, _literal(where_criteria(statement), _compared_columns(predicates)))


def _compared_columns(predicates: Iterable[ColumnElement[bool]]) -> set[Column[Any]]:
    return {column for predicate in predicates for column in _columns(predicate)}


def _literal(criteria: Iterable[ColumnElement[bool]], columns: set[Column[Any]]) -> tuple[ColumnElement[bool], ...]:
    return tuple(_with_literals(criterion) if _columns(criterion) & columns else criterion for criterion in criteria)


def _with_literals(criterion: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return a copy whose values are rendered into the SQL when it is executed, with the rules of the driver."""

    def replace(element: Any, **_: Any) -> Any:
        return element.render_literal_execute() if isinstance(element, BindParameter) else None

    changed: ColumnElement[bool] = visitors.replacement_traverse(criterion, {}, replace)
    return changed


def _choices(criterion: ColumnElement[bool], predicates: Sequence[ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    """Return ``column = value`` for each value of an IN when each has a partial index of its own, else nothing."""
    if not isinstance(criterion, BinaryExpression) or criterion.operator is not operators.in_op:
        return []
    column, values = root_column(criterion.left), getattr(criterion.right, "value", None)
    if column is None or not isinstance(values, list | tuple) or len(values) < 2:  # noqa: PLR2004  # one is no choice
        return []
    alone = [_compared(predicate, column) for predicate in predicates]
    distinct = list(dict.fromkeys(values))
    return [criterion.left == value for value in distinct] if all(value in alone for value in distinct) else []


def _compared(predicate: ColumnElement[bool], column: Column[Any]) -> Any:
    """Return the value in a predicate of the form ``column = value``, None for other predicates."""
    if (
        isinstance(predicate, BinaryExpression)
        and predicate.operator is operators.eq
        and root_column(predicate.left) is column
    ):
        return getattr(predicate.right, "value", None)
    return None


def _columns(element: Any) -> set[Column[Any]]:
    found = (root_column(part) for part in visitors.iterate(element))
    return {column for column in found if column is not None}


def root_column(element: Any) -> Column[Any] | None:
    """Return the table's column behind an expression, through annotations and aliases."""
    for base in getattr(element, "base_columns", ()):
        if isinstance(base, Column) and base.table is not None:
            column: Column[Any] | None = base.table.c.get(base.key)
            return column
    return None
