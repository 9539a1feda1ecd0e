"""Batches of rows as arrays, where an array says exactly what the values of the rows say one by one."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from pgvector import Bit
from sqlalchemy.types import Boolean, TypeDecorator

from sqlalchemy_vecsearch.loading.blocks import Array, whole_array
from sqlalchemy_vecsearch.types import BIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from sqlalchemy import Column
    from sqlalchemy.engine import Dialect

    from sqlalchemy_vecsearch.loading.rows import Row
    from sqlalchemy_vecsearch.loading.target import CopyTarget, ServerColumn

__all__ = ["Gather", "gathered", "gatherers"]

Values: TypeAlias = Sequence[Any]  # what the rows hold for one column
Gather: TypeAlias = Callable[[Values], Array | None]

_NUMBER_KINDS: Final = "fiu"
_ZERO: Final = ord("0")


def gatherers(target: CopyTarget, dialect: Dialect) -> list[Gather] | None:
    """Return for each column what makes an array of its values, or None when a column can never be an array."""
    found = [_gatherer(column, server, dialect) for column, server in zip(target.declared, target.server, strict=True)]
    return [gather for gather in found if gather is not None] if all(found) else None


def gathered(plan: Sequence[Gather], rows: Sequence[Row]) -> list[Array] | None:
    """Return the rows as an array for each column, None on any doubt: a NULL, values of two classes, a wrong length.

    Whether the elements are good is not looked at, except that bits are bits.
    """
    arrays: list[Array] = []
    for gather, values in zip(plan, zip(*rows, strict=True), strict=True):
        try:
            found = gather(values)
        except (TypeError, ValueError, OverflowError):  # ValueError: different lengths, or text that is not ASCII
            return None
        if found is None:
            return None
        arrays.append(found)
    return arrays


def _gatherer(column: Column[Any], server: ServerColumn, dialect: Dialect) -> Gather | None:
    if isinstance(column.type, TypeDecorator) and not isinstance(column.type, BIT):
        return None  # the application has a say in each value
    if server.is_dense:
        return partial(_dense_rows, server.dimensions)
    if server.is_sparse:
        return partial(_rows_of_arrays, server.dimensions)
    if server.is_bits:
        return partial(_bit_rows, server.dimensions)
    process = column.type.dialect_impl(dialect).bind_processor(dialect)
    checks_only = type(column.type).bind_processor is Boolean.bind_processor
    return partial(_numbers, column, server) if process is None or checks_only else None


def _numbers(column: Column[Any], server: ServerColumn, values: Values) -> Array | None:
    return whole_array(column, server, np.array(values)) if _class_of(values) is not None else None


def _dense_rows(dimensions: int | None, values: Values) -> Array | None:
    if _class_of(values) not in {list, tuple}:
        return _rows_of_arrays(dimensions, values)
    length = len(values[0])
    if set(map(len, values)) != {length} or dimensions not in {None, length}:
        return None
    return np.frombuffer(b"".join([array("f", value) for value in values]), dtype=np.float32).reshape(-1, length)


def _rows_of_arrays(dimensions: int | None, values: Values) -> Array | None:
    if _class_of(values) is not np.ndarray or len({value.dtype for value in values}) > 1:
        return None
    rows = _joined(values, len(values[0]))
    if rows.dtype.kind not in _NUMBER_KINDS or dimensions not in {None, rows.shape[1]}:
        return None
    with np.errstate(over="ignore"):  # an overflow becomes inf, which the block refuses
        return rows.astype(np.float32, copy=False)


def _joined(values: Values, length: int) -> Array:
    """Return arrays of one axis and this length as the rows of a matrix.

    Raises:
        ValueError: one of them is no such array.
    """
    if set(map(len, values)) != {length}:
        raise ValueError
    joined = np.concatenate(values)
    if joined.ndim != 1:
        raise ValueError
    return joined.reshape(-1, length)


def _bit_rows(length: int | None, values: Values) -> Array | None:
    read = _BITS.get(_class_of(values))
    if read is None or length is None:
        return None
    bits = read(values, length)
    return bits.astype(np.bool_, copy=False) if bits.dtype == np.bool_ or int(bits.max()) <= 1 else None


def _bits_of_arrays(values: Values, length: int) -> Array:
    rows = _joined(values, length)
    if {value.dtype for value in values} <= {np.dtype(np.bool_), np.dtype(np.uint8)}:
        return rows
    raise ValueError


def _bits_of_texts(values: Values, length: int) -> Array:
    if set(map(len, values)) != {length}:
        raise ValueError
    characters = np.frombuffer("".join(values).encode("ascii"), dtype=np.uint8)
    return (characters - _ZERO).reshape(-1, length)  # what is below a zero comes out large


def _bits_of_bytes(values: Values, length: int) -> Array:
    if {8 * size for size in map(len, values)} != {length}:
        raise ValueError
    return np.unpackbits(np.frombuffer(b"".join(values), dtype=np.uint8)).reshape(-1, length)


def _bits_of_lists(values: Values, length: int) -> Array:
    if set(map(len, values)) != {length}:
        raise ValueError
    return np.frombuffer(b"".join(map(bytes, values)), dtype=np.uint8).reshape(-1, length)


def _bits_of_bits(values: Values, length: int) -> Array:
    """Return the bits of values of `pgvector.Bit`, whose binary form is their number and then the bits."""
    forms = [value.to_binary() for value in values]
    head = length.to_bytes(4, "big")
    if {form[:4] for form in forms} != {head}:
        raise ValueError
    packed = np.frombuffer(b"".join(forms), dtype=np.uint8).reshape(len(forms), -1)[:, 4:]
    return np.unpackbits(packed, axis=1, count=length)


_BITS: Final[Mapping[type[Any] | None, Callable[[Values, int], NDArray[Any]]]] = {
    np.ndarray: _bits_of_arrays,
    str: _bits_of_texts,
    bytes: _bits_of_bytes,
    list: _bits_of_lists,
    tuple: _bits_of_lists,
    Bit: _bits_of_bits,
}


def _class_of(values: Values) -> type[Any] | None:
    """Return the class that all values have, None when they have several."""
    classes = set(map(type, values))
    return classes.pop() if len(classes) == 1 else None
