"""The binary forms of arrays, ranges and multiranges, out of those of their elements and bounds."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, TypeAlias

from sqlalchemy_vecsearch.loading.binary_format import BinaryForm, Encoded, fields_of, variable

__all__ = ["RANGES", "ArrayForm", "MultirangeForm", "RangeForm"]

Values: TypeAlias = Sequence[Any]  # of one column, none of them None

_NULL_FIELD: Final = struct.pack(">i", -1)

RANGES: Final = {  # the types of their bounds
    "int4range": "int4",
    "int8range": "int8",
    "numrange": "numeric",
    "daterange": "date",
    "tsrange": "timestamp",
    "tstzrange": "timestamptz",
}


@dataclass(frozen=True, slots=True)
class ArrayForm(BinaryForm):
    """An array, as nested lists.

    Attributes:
        element: the form of its elements.
        oid: the oid of their type.
        of_one_class: whether the driver refuses elements of several classes in an INSERT, so that we leave them to it.
    """

    element: BinaryForm
    oid: int
    of_one_class: bool

    def encode(self, values: Values, classes: set[type]) -> Encoded | None:
        """Return the values where all are lists of the elements' classes, each with rows of one length."""
        if classes != {list}:
            return None
        shapes: list[tuple[int, ...]] = []
        elements: list[Any] = []
        for value in values:
            shape = _shape(value)
            flat = _flat(value, len(shape))
            if shape != (0,) and (0 in shape or len(flat) != math.prod(shape)):
                return None
            shapes.append(shape)
            elements += flat
        found = set(map(type, elements))
        if self.of_one_class and len(found - {NoneType}) > 1:
            return None
        fields = self._fields(elements, found)
        return None if fields is None else self._joined(shapes, elements, fields)

    def _fields(self, elements: list[Any], classes: set[type]) -> list[bytes] | None:
        present = [element for element in elements if element is not None]
        encoded = self.element.encode(present, classes - {NoneType}) if present else variable(())
        if encoded is None:
            return None
        fields = iter(fields_of(encoded, len(present)))
        return [_NULL_FIELD if element is None else next(fields) for element in elements]

    def _joined(self, shapes: list[tuple[int, ...]], elements: list[Any], fields: list[bytes]) -> Encoded:
        joined: list[bytes] = []
        position = 0
        for shape in shapes:
            end = position + math.prod(shape)
            sizes = [number for size in shape for number in (size, 1)] if end > position else []
            head = struct.pack(
                f">iiI{len(sizes)}i",
                len(sizes) // 2,
                any(element is None for element in elements[position:end]),
                self.oid,
                *sizes,
            )
            joined.append(head + b"".join(fields[position:end]))
            position = end
        return variable(joined)


def _shape(value: Any) -> tuple[int, ...]:  # a list, or an element of one
    return (len(value), *(_shape(value[0]) if value else ())) if isinstance(value, list) else ()


def _flat(value: list[Any], depth: int) -> list[Any]:
    """Return the elements of nested lists; an element stays a list where the lists are not of one shape."""
    for _ in range(depth - 1):
        if not all(isinstance(part, list) and len(part) == len(value[0]) for part in value):
            return value
        value = [element for part in value for element in part]
    return value


@dataclass(frozen=True, slots=True)
class RangeForm(BinaryForm):
    """A range, as the driver's own class.

    Attributes:
        bound: the form of its bounds.
    """

    bound: BinaryForm

    def encode(self, values: Values, classes: set[type]) -> Encoded | None:
        """Return the values where all are ranges with bounds of the classes."""
        if not all(map(_is_range, classes)):
            return None
        bounds = [bound for value in values for bound in _bounds(value)]
        encoded = self.bound.encode(bounds, set(map(type, bounds))) if bounds else variable(())
        if encoded is None:
            return None
        fields = iter(fields_of(encoded, len(bounds)))
        return variable([_flags(value) + b"".join(next(fields) for _ in _bounds(value)) for value in values])


def _is_range(class_: type) -> bool:
    return class_.__name__.endswith("Range") and hasattr(class_, "isempty") and hasattr(class_, "lower_inc")


def _bounds(value: Any) -> list[Any]:  # a range of psycopg or asyncpg
    return [] if value.isempty else [bound for bound in (value.lower, value.upper) if bound is not None]


def _flags(value: Any) -> bytes:  # as above
    """Return the byte of ``rangetypes.h``: empty 1, an inclusive bound 2 and 4, an infinite one 8 and 16."""
    if value.isempty:
        return b"\1"
    lower, upper = value.lower is None, value.upper is None
    flags = 8 * lower + 16 * upper + 2 * (not lower and value.lower_inc) + 4 * (not upper and value.upper_inc)
    return bytes([flags])


@dataclass(frozen=True, slots=True)
class MultirangeForm(BinaryForm):
    """A multirange, as a sequence of ranges.

    Attributes:
        part: the form of each range.
    """

    part: RangeForm

    def encode(self, values: Values, classes: set[type]) -> Encoded | None:
        """Return the values where all are sequences of ranges that the form of the range takes."""
        if not all(class_ is list or class_.__name__ == "Multirange" for class_ in classes):
            return None
        parts = [part for value in values for part in value]
        encoded = self.part.encode(parts, set(map(type, parts))) if parts else variable(())
        if encoded is None:
            return None
        fields = iter(fields_of(encoded, len(parts)))
        return variable([struct.pack(">i", len(value)) + b"".join(next(fields) for _ in value) for value in values])
