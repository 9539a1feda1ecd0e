"""Comparisons of the caller's own values by operators that no overload on the search path is.

A comparison stands without its schema where pg_catalog has the very types of both sides, so that nothing else is looked
for: those of integers, times, UUIDs, booleans and bytes. It has none for VARCHAR, which is compared as text, nor for an
enum or an array; and psycopg2 writes numbers into the statement, which gives them other types. There an operator that
somebody has planted for the very types would win, and pg_catalog's own is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ARRAY, ClauseElement, Float, Numeric, String, and_, literal, or_
from sqlalchemy.dialects.postgresql import CIDR, CITEXT, DOMAIN, INET, JSONB, MACADDR
from sqlalchemy.dialects.postgresql.ranges import AbstractRange
from sqlalchemy.sql import operators

from sqlalchemy_vecsearch.types.decorators import undecorated

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine

__all__ = ["equal", "equal_or_both_null", "equal_to_any", "greater", "has_operators_of_its_own", "is_within"]


def _named(sign: str, precedence: int) -> operators.custom_op[bool]:
    return operators.custom_op(f"OPERATOR(pg_catalog.{sign})", precedence=precedence, is_comparison=True)


# To PostgreSQL, OPERATOR() is one of the operators between || and =, so that an operand which has one is put in
# parentheses; ANY (...) stands without them.
_EQUAL, _GREATER, _AT_MOST, _EQUAL_TO_ANY = _named("=", 15), _named(">", 15), _named("<=", 15), _named("=", 5)
_COMPARED_AS_ANOTHER: Final = (String, Numeric, Float, ARRAY, AbstractRange, INET, CIDR, MACADDR, JSONB)
"""Types that pg_catalog compares as a more general one. An Enum is a String, too."""


def has_operators_of_its_own(type_: TypeEngine[Any]) -> bool:
    """Return whether a comparison finds the operator for the very type: of pg_catalog, or of the type's extension."""
    while isinstance(type_ := undecorated(type_), DOMAIN):
        type_ = type_.data_type
    return isinstance(type_, CITEXT) or not isinstance(type_, _COMPARED_AS_ANOTHER)


def equal(left: Any, right: Any) -> ColumnElement[bool]:  # Any: mapped attributes, columns, and a value of the type
    """Return ``left = right``, both of the type of the first."""
    return _compared(left, _EQUAL, operators.eq, right)


def greater(left: Any, right: Any) -> ColumnElement[bool]:  # Any: as above
    """Return ``left > right``, both of the type of the first."""
    return _compared(left, _GREATER, operators.gt, right)


def is_within(distance: ColumnElement[float], most: float | ColumnElement[float]) -> ColumnElement[bool]:
    """Return ``distance <= most``."""
    found: ColumnElement[bool] = distance.operate(_AT_MOST, most)
    return found


def equal_to_any(left: Any, right: Any) -> ColumnElement[bool]:  # Any: as above, and any_() of an array
    """Return ``left = ANY (...)``."""
    return _compared(left, _EQUAL_TO_ANY, operators.eq, right)


def equal_or_both_null(left: Any, right: ColumnElement[Any]) -> ColumnElement[bool]:  # Any: as above
    """Return ``left IS NOT DISTINCT FROM right``, which looks for an equality operator on the search path."""
    if has_operators_of_its_own(left.type):
        same: ColumnElement[bool] = left.is_not_distinct_from(right)
        return same
    return or_(equal(left, right), and_(left.is_(None), right.is_(None)))


def _compared(left: Any, named: Any, bare: Any, right: Any) -> ColumnElement[bool]:  # Any: operators of SQLAlchemy
    if has_operators_of_its_own(left.type):
        found: ColumnElement[bool] = left.operate(bare, right)
    elif isinstance(right, ClauseElement) or hasattr(right, "__clause_element__"):
        found = left.operate(named, right)
    else:  # a list would be taken for an element of the array that it is compared with
        found = left.operate(named, literal(right, left.type))
    return found
