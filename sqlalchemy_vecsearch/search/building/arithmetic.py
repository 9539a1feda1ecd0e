"""Arithmetic of numbers in double precision by the operators of pg_catalog, which no overload on the search path is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Float

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = ["divided", "minus", "plus", "times"]

_DOUBLE: Final = Float(53)


def plus(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[float]:
    """Return ``left + right``."""
    return _calculated(left, "+", right)


def minus(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[float]:
    """Return ``left - right``."""
    return _calculated(left, "-", right)


def times(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[float]:
    """Return ``left * right``."""
    return _calculated(left, "*", right)


def divided(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[float]:
    """Return ``left / right``."""
    return _calculated(left, "/", right)


def _calculated(left: ColumnElement[Any], sign: str, right: ColumnElement[Any]) -> ColumnElement[float]:
    return left.op(f"OPERATOR(pg_catalog.{sign})", return_type=_DOUBLE)(right)
