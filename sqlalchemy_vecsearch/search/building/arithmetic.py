"""Arithmetic of numbers in double precision by the operators of pg_catalog, which no overload on the search path is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BinaryExpression, Float
from sqlalchemy.sql.operators import custom_op

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = ["divided", "minus", "plus", "times"]


class _Sign(custom_op[float]):
    """An operator of pg_catalog; there is one of each, and SQLAlchemy compares it with others a dozen times."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


_DOUBLE: Final = Float(53)
_PLUS, _MINUS, _TIMES, _DIVIDED = (_Sign(f"OPERATOR(pg_catalog.{sign})", return_type=_DOUBLE) for sign in "+-*/")


def plus(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[float]:
    """Return ``left + right``."""
    return BinaryExpression(left, right, _PLUS, _DOUBLE)


def minus(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[float]:
    """Return ``left - right``."""
    return BinaryExpression(left, right, _MINUS, _DOUBLE)


def times(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[float]:
    """Return ``left * right``."""
    return BinaryExpression(left, right, _TIMES, _DOUBLE)


def divided(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[float]:
    """Return ``left / right``."""
    return BinaryExpression(left, right, _DIVIDED, _DOUBLE)
