"""Reads terms of ORDER BY that are written as text, as far as their meaning is certain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, cast, func, literal_column

from sqlalchemy_vecsearch.measuring.distances import FUNCTIONS, METRICS
from sqlalchemy_vecsearch.types import HALFVEC, VECTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["mentions_distance", "read_terms"]

_OPERATORS: Final = "|".join(re.escape(operator) for operator in METRICS)
_CALLS: Final = "|".join(FUNCTIONS)
_NAME: Final = r'(?:\w+|"[^"]+")(?:\.(?:\w+|"[^"]+"))?'
_SIDE: Final = rf"\(*\s*(?::\w+|'[^']*'|{_NAME})(?:::\w+(?:\(\d+\))?)?\s*\)*"

_MENTION: Final = re.compile(rf"{_OPERATORS}|\b(?:{_CALLS})\s*\(", re.IGNORECASE)
_ENDING: Final = re.compile(r"(?:\s+(asc|desc))?(?:\s+nulls\s+(first|last))?\s*$", re.IGNORECASE)
_BARE: Final = re.compile(rf"({_SIDE})\s*({_OPERATORS})\s*({_SIDE})")
_CALL: Final = re.compile(r"(\w+)\s*\((.*)\)", re.DOTALL)
_COMPUTED: Final = re.compile(r"([\d.]+)\s*([-+*/])\s*(\w*\(.+\))|(\w*\(.+\))\s*([-+*/])\s*([\d.]+)", re.DOTALL)
"""A distance without parentheses would be what the number is added to the query of: + binds closer than <=>."""
_COLUMN: Final = re.compile(rf"({_NAME})(?:::(vector|halfvec)(?:\((\d+)\))?)?", re.IGNORECASE)
_TYPES: Final[dict[str, Callable[[int | None], Any]]] = {"vector": VECTOR, "halfvec": HALFVEC}  # Any: type classes


def mentions_distance(text: str) -> bool:
    """Return whether a text has an operator or a function of pgvector in it. Pure."""
    return _MENTION.search(text) is not None


def read_terms(text: str, columns: Mapping[str, ColumnElement[Any]]) -> Iterator[ColumnElement[Any]]:
    """Yield the terms of an ORDER BY that is written as text, as expressions; what can not be read stays text. Pure.

    Args:
        text: the text, which may hold several terms.
        columns: the vector columns that the level reads, by the names that it can call them.
    """
    for term in _split(text):
        ending = _ENDING.search(term)
        body = term[: ending.start()] if ending is not None else term
        expression = _expression(body, columns)
        if expression is None:
            yield literal_column(term.strip())
            continue
        direction, nulls = ending.groups() if ending is not None else (None, None)
        if (direction or "").lower() == "desc":
            expression = expression.desc()
        yield expression.nulls_first() if (nulls or "").lower() == "first" else expression


def _expression(text: str, columns: Mapping[str, ColumnElement[Any]]) -> ColumnElement[Any] | None:
    text = _unwrapped(text)
    if (bare := _BARE.fullmatch(text)) is not None:
        left, operator, right = bare.groups()
        return _distance(left, right, columns, lambda one, other: one.op(operator)(other))
    if (call := _CALL.fullmatch(text)) is not None:
        return _called(call[1].lower(), list(_split(call[2])), columns)
    if (computed := _COMPUTED.fullmatch(text)) is not None:
        number, operator, after, before, other_operator, other_number = computed.groups()
        inner = _expression(after or before, columns)
        if inner is None:
            return None
        if number:
            return literal_column(number).op(operator)(inner)
        return inner.op(other_operator)(literal_column(other_number))
    return None


def _called(name: str, arguments: list[str], columns: Mapping[str, ColumnElement[Any]]) -> ColumnElement[Any] | None:
    """Return the call of a distance function, or of another function on a distance."""
    call = getattr(func, name)
    if name in FUNCTIONS and len(arguments) == 2:  # noqa: PLR2004  # a distance has two sides
        left, right = arguments
        return _distance(left, right, columns, call)
    inner = _expression(arguments[0], columns) if arguments else None
    return None if inner is None else call(inner)


def _distance(
    left: str,
    right: str,
    columns: Mapping[str, ColumnElement[Any]],
    combine: Callable[[ColumnElement[Any], ColumnElement[Any]], ColumnElement[Any]],
) -> ColumnElement[Any] | None:
    """Return the distance between a stored column and whatever stands on the other side."""
    one, other = _stored(left, columns), _stored(right, columns)
    if one is not None:
        return combine(one, literal_column(right) if other is None else other)
    return None if other is None else combine(literal_column(left), other)


def _stored(side: str, columns: Mapping[str, ColumnElement[Any]]) -> ColumnElement[Any] | None:
    found = _COLUMN.fullmatch(_unwrapped(side))
    if found is None or (column := columns.get(found[1].replace('"', ""))) is None:
        return None
    if found[2] is None:
        return column
    return cast(column, _TYPES[found[2].lower()](int(found[3]) if found[3] else None))


def _unwrapped(text: str) -> str:
    """Return a text without the parentheses around the whole of it."""
    text = text.strip()
    while text.startswith("(") and text.endswith(")") and min(_depths(text[1:-1]), default=0) >= 0:
        text = text[1:-1].strip()
    return text


def _split(text: str) -> Iterator[str]:
    """Yield what stands between the commas that no parentheses and no quotes hold."""
    start = 0
    for position, depth in enumerate(_depths(text)):
        if text[position] == "," and depth == 0:
            yield text[start:position]
            start = position + 1
    yield text[start:]


def _depths(text: str) -> Iterator[int]:
    """Yield how many parentheses are open after each character; quoted text counts as one more."""
    depth, quote = 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += (character == "(") - (character == ")")
        yield depth + bool(quote)
