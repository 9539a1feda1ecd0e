"""What a Select reads from its own select list, by the names that PostgreSQL looks up there."""

# ruff: noqa: SLF001  # SQLAlchemy offers no other way to look into a Select

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.sql.elements import TextClause, _label_reference, _textual_label_reference
from sqlalchemy.types import NULLTYPE

from sqlalchemy_vecsearch.selects.elements import Statement, parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.types import TypeEngine

__all__ = ["named_by", "output_types_named"]


# Where syntax extensions of SQLAlchemy 2.1, such as distinct_on(), put SQL that may read the select list.
_EXTENSION_POINTS: Final = ("_post_select_clause", "_pre_columns_clause", "_post_criteria_clause", "_post_body_clause")


def named_by(expression: Any, named: Mapping[str, Any]) -> Any:  # Any: SQLAlchemy's clause elements
    """Return what a term of ORDER BY names: a label by itself or by its text, others stand for themselves.

    None is a name that no column of the select list has.
    """
    if isinstance(expression, _label_reference):
        return expression.element
    if isinstance(expression, _textual_label_reference):
        return named.get(str(expression.element))
    if isinstance(expression, TextClause):
        return named.get(expression.text, expression)
    return expression


def output_types_named(statement: Statement) -> Iterator[TypeEngine[Any]]:
    """Yield the types of what the statement itself reads from its select list.

    PostgreSQL looks a bare name in ORDER BY and GROUP BY up in the select list, and DISTINCT compares what is selected.
    A name whose type is not known, such as that of a text, has the type NullType.
    """
    extended = any(getattr(statement, point, None) is not None for point in _EXTENSION_POINTS)
    if statement._distinct or statement._prefixes or statement._suffixes or extended:
        yield from (column.type for column in statement.selected_columns)
    for item in statement._order_by_clauses:
        yield from _named_type(_without_direction(item), statement)
    for item in statement._group_by_clauses:
        for part in parts(item):
            yield from _named_type(_without_direction(part), statement)


def _named_type(item: Any, statement: Statement) -> Iterator[TypeEngine[Any]]:
    """Yield the type of an element that is rendered as a bare name; nothing for an expression or a qualified column."""
    kind = item.__visit_name__
    if kind == "textual_label_reference":
        column = statement.selected_columns.get(item.element)
        yield NULLTYPE if column is None else column.type
    elif kind == "label":
        yield item.type
    elif kind == "textclause" or (kind == "column" and item.table is None):
        yield NULLTYPE


def _without_direction(item: Any) -> Any:
    while item.__visit_name__ in {"unary", "label_reference"}:
        item = item.element
    return item
