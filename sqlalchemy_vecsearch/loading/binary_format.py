"""The binary format of COPY: encoded columns as blocks of rows, arrays and ranges out of encoded elements.

https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"
"""

from __future__ import annotations

import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import add
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "RANGES",
    "ArrayForm",
    "Encoded",
    "FixedColumn",
    "MultirangeForm",
    "RangeForm",
    "VariableColumn",
    "blocks",
    "fields_of",
    "fixed",
    "variable",
    "with_nulls",
]

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
_BLOCK: Final = 100_000  # bytes
_TYPICAL: Final = 50  # bytes of a value whose width is not fixed
_NULL: Final = -1  # in the place of a length
_NULL_FIELD: Final = struct.pack(">i", _NULL)


RANGES: Final = {  # the types of their bounds
    "int4range": "int4",
    "int8range": "int8",
    "numrange": "numeric",
    "daterange": "date",
    "tsrange": "timestamp",
    "tstzrange": "timestamptz",
}

Values: TypeAlias = Sequence[Any]  # of one column, none of them None
_Part: TypeAlias = tuple[str, tuple[int, ...], Any]  # as in FixedColumn


@dataclass(frozen=True, slots=True, eq=False)
class FixedColumn:
    """Values that have the same width and are not NULL.

    Attributes:
        width: the bytes of a value.
        parts: what a value is made of: a format of numpy, the shape of one value, and an array of the values or the
            constant.
    """

    width: int
    parts: tuple[_Part, ...]


@dataclass(frozen=True, slots=True, eq=False)
class VariableColumn:
    """Values of any width.

    Attributes:
        lengths: the bytes of each value, -1 for NULL.
        values: the bytes, none for NULL.
    """

    lengths: NDArray[Any]
    values: Sequence[bytes]


Encoded: TypeAlias = FixedColumn | VariableColumn


def fixed(*parts: _Part) -> FixedColumn:
    """Return the column whose values are these parts, one after the other."""
    return FixedColumn(sum(np.dtype((kind, shape)).itemsize for kind, shape, _ in parts), parts)


def variable(values: Sequence[bytes]) -> VariableColumn:
    """Return the column of values that are not NULL."""
    return VariableColumn(np.fromiter(map(len, values), dtype=np.int32, count=len(values)), values)


def with_nulls(encoded: Encoded, given: Sequence[Any]) -> VariableColumn:
    """Return the column of the given values, those that are not None encoded already."""
    values = iter(_values_of(encoded, sum(value is not None for value in given)))
    spread = [None if value is None else next(values) for value in given]
    lengths = [_NULL if value is None else len(value) for value in spread]
    return VariableColumn(np.array(lengths, dtype=np.int32), [value or b"" for value in spread])


def fields_of(encoded: Encoded, count: int) -> list[bytes]:
    """Return each value with its length before it, which is also how arrays and ranges hold their elements."""
    pieces = _pieces(_runs([encoded], []), count)
    return list(pieces[0] if len(pieces) == 1 else map(add, *pieces))


def blocks(columns: Sequence[Encoded], count: int) -> Iterator[bytes]:
    """Yield rows as a whole stream of the format, with its header and trailer.

    A block has about 100 kB: larger ones are given back to the operating system each time, and its pages cost more than
    all else (measured: 5.1 us a row of 384 dimensions in blocks of 1,000 rows, 1.6 us in blocks of 64).
    """
    yield HEADER
    width = 6 + sum(column.width if isinstance(column, FixedColumn) else _TYPICAL for column in columns)
    step = max(1, _BLOCK // width)
    for start in range(0, count, step):
        end = min(start + step, count)
        yield _joined([_part(column, start, end) for column in columns], end - start)
    yield TRAILER


class BinaryForm(ABC):
    """How the values of one type are encoded."""

    @abstractmethod
    def encode(self, values: Values, classes: set[type]) -> Encoded | None:
        """Return the values, none of which is None, or None where one has to be converted.

        Args:
            values: those of one column.
            classes: their classes.
        """

    def encode_array(self, values: NDArray[Any]) -> Encoded | None:  # noqa: ARG002  # for those that take arrays
        """Return the values of an array of numpy with one axis, or None where they have to be taken one by one."""
        return None


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


def _part(column: Encoded, start: int, end: int) -> Encoded:
    if isinstance(column, VariableColumn):
        return VariableColumn(column.lengths[start:end], column.values[start:end])
    parts = tuple(
        (kind, shape, values[start:end] if isinstance(values, np.ndarray) else values)
        for kind, shape, values in column.parts
    )
    return FixedColumn(column.width, parts)


def _joined(columns: Sequence[Encoded], count: int) -> bytes:
    runs = _runs(columns, [(">i2", (), len(columns))])
    if len(runs) == 1 and not isinstance(runs[0], VariableColumn):
        return _fixed_rows(runs[0], count).tobytes()
    return b"".join(chain.from_iterable(zip(*_pieces(runs, count), strict=True)))


def _runs(columns: Sequence[Encoded], head: list[_Part]) -> list[list[_Part] | VariableColumn]:
    """Return what a row is made of: parts of a fixed width that follow each other, and the values between them.

    The length of a value that has no fixed width belongs to the parts before it.
    """
    runs: list[list[_Part] | VariableColumn] = []
    run = head
    for column in columns:
        if isinstance(column, FixedColumn):
            run += [(">i4", (), column.width), *column.parts]
        else:
            runs += [[*run, (">i4", (), column.lengths)], column]
            run = []
    return [*runs, run] if run else runs


def _pieces(runs: Sequence[list[_Part] | VariableColumn], count: int) -> list[Sequence[bytes]]:
    """Return a piece for each row of each run."""
    return [run.values if isinstance(run, VariableColumn) else _fixed_pieces(run, count) for run in runs]


def _fixed_pieces(parts: Sequence[_Part], count: int) -> list[bytes]:
    rows = _fixed_rows(parts, count)
    pieces: list[bytes] = rows.view(f"V{rows.dtype.itemsize}").tolist()
    return pieces


def _fixed_rows(parts: Sequence[_Part], count: int) -> NDArray[Any]:
    rows = np.empty(count, dtype=[(f"part_{number}", kind, shape) for number, (kind, shape, _) in enumerate(parts)])
    for number, (_, _, values) in enumerate(parts):
        rows[f"part_{number}"] = values
    return rows


def _values_of(encoded: Encoded, count: int) -> Sequence[bytes]:
    if isinstance(encoded, VariableColumn):
        return encoded.values
    return _fixed_pieces(encoded.parts, count)
