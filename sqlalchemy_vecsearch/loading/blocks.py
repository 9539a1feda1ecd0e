"""Whole columns as blocks of the binary COPY format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.types import Boolean, Float, Integer

from sqlalchemy_vecsearch.errors import VectorValueError
from sqlalchemy_vecsearch.loading.refusals import refused_row
from sqlalchemy_vecsearch.loading.sparse_blocks import SparseRows, sparse_rows, spliced
from sqlalchemy_vecsearch.types.dense_values import LONGEST, checked_dense
from sqlalchemy_vecsearch.types.sparse_values import checked_sparse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Column

    from sqlalchemy_vecsearch.loading.target import CopyTarget, ServerColumn

__all__ = ["HEADER", "TRAILER", "block", "blocks", "whole_array", "whole_arrays"]

# https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"
HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"

_ROWS: Final = 2_048  # 3 MB of 384 dimensions: large enough for numpy, small enough for the memory

Array: TypeAlias = NDArray[Any]

_NUMBERS: Final = {"int2": ">i2", "int4": ">i4", "int8": ">i8", "float4": ">f4", "float8": ">f8", "bool": "?"}
_VECTORS: Final = {"vector": ">f4", "halfvec": ">f2"}
_PLAIN_TYPES: Final = (Integer, Float, Boolean)  # classes whose values go to the server as they are


def whole_arrays(target: CopyTarget, given: Sequence[Any]) -> list[Array] | None:
    """Return an array for each column when all of them can be sent as arrays and have no NULL, else None."""
    arrays = [
        None if np.ma.is_masked(values) else whole_array(column, server, values)
        for column, server, values in zip(target.declared, target.server, given, strict=True)
    ]
    return [array for array in arrays if array is not None] if all(array is not None for array in arrays) else None


def blocks(target: CopyTarget, arrays: Sequence[Array], advance: Callable[[int], None]) -> Iterator[bytes]:
    """Yield the whole stream of a binary COPY, block by block.

    Raises:
        LoadingError: a vector is not finite or has the wrong length.
    """
    yield HEADER
    for start in range(0, arrays[0].shape[0], _ROWS):
        parts = [array[start : start + _ROWS] for array in arrays]
        yield block(target, parts, start)
        advance(parts[0].shape[0])
    yield TRAILER


def block(target: CopyTarget, parts: Sequence[Array], start: int) -> bytes:
    """Return rows in the binary COPY format, without its header and trailer.

    Args:
        target: where they go.
        parts: an array for each column.
        start: the number of the first row, for errors.

    Raises:
        LoadingError: a vector is not finite or has the wrong length.
    """
    record = np.dtype([("count", ">i2"), *_fields(target, parts)])
    rows = np.zeros(parts[0].shape[0], dtype=record)
    rows["count"] = len(parts)
    inserts: list[tuple[int, SparseRows]] = []
    for number, (server, part) in enumerate(zip(target.server, parts, strict=True)):
        values = part
        if server.is_dense:
            _check_vectors(target, server, part, start)
        if server.is_bits:
            values = np.packbits(part, axis=1)
        if part.ndim > 1:
            rows[f"dimensions_{number}"] = part.shape[1]
        rows[f"length_{number}"] = _length(record, number)
        if server.is_sparse:
            elements = sparse_rows(part)
            _check_sparse(target, server, part, elements, start)
            values = elements.counts
            rows[f"length_{number}"] += 8 * values
            inserts.append((_end(record, number), elements))
        rows[f"value_{number}"] = values
    return spliced(rows, inserts) if inserts else rows.tobytes()


def whole_array(column: Column[Any], server: ServerColumn, values: Any) -> Array | None:
    """Return the values of one column as an array that says the same, or None when there is none."""
    if server.is_sparse and getattr(values, "format", None) == "csr":
        return values if values.ndim == 2 else None  # noqa: PLR2004  # an array of scipy
    if server.is_dense or server.is_sparse:
        is_matrix = isinstance(values, np.ndarray) and values.ndim == 2 and values.dtype.kind in "fiu"  # noqa: PLR2004
        return values if is_matrix else None
    if server.is_bits:
        is_matrix = isinstance(values, np.ndarray) and values.ndim == 2 and values.dtype == np.bool_  # noqa: PLR2004
        return values if is_matrix and values.shape[1] == server.dimensions else None
    code = _NUMBERS.get(server.type_name)
    if code is None or not isinstance(column.type, _PLAIN_TYPES):
        return None
    found = values if isinstance(values, np.ndarray) else np.asarray(values)
    wanted = np.dtype(code)
    if found.ndim != 1 or not _fits(found, wanted):
        return None
    return found


def _fits(found: Array, wanted: np.dtype[Any]) -> bool:
    if wanted.kind == "i":
        if found.dtype.kind not in "iu" or not len(found):
            return False
        limits = np.iinfo(wanted)
        return bool(limits.min <= found.min() and found.max() <= limits.max)
    if wanted.kind == "f":
        # Row by row, a float beyond single precision is refused by its number.
        return found.dtype.kind == "f" and (found.dtype.itemsize <= wanted.itemsize or _survives(found, wanted))
    return found.dtype.kind == "b"


def _survives(found: Array, wanted: np.dtype[Any]) -> bool:
    finite = found[np.isfinite(found)]
    return not len(finite) or bool(np.abs(finite).max() <= np.finfo(wanted).max)


def _fields(target: CopyTarget, arrays: Sequence[Array]) -> list[tuple[Any, ...]]:
    fields: list[tuple[Any, ...]] = []
    for number, (server, array) in enumerate(zip(target.server, arrays, strict=True)):
        fields.append((f"length_{number}", ">i4"))
        if server.is_dense:
            fields += [(f"dimensions_{number}", ">u2"), (f"unused_{number}", ">u2")]
            fields.append((f"value_{number}", _VECTORS[server.type_name], (array.shape[1],)))
        elif server.is_sparse:  # the number of elements, and a zero; they follow behind
            fields += [(f"dimensions_{number}", ">i4"), (f"value_{number}", ">i4"), (f"unused_{number}", ">i4")]
        elif server.is_bits:
            fields.append((f"dimensions_{number}", ">i4"))
            fields.append((f"value_{number}", "u1", ((array.shape[1] + 7) // 8,)))
        else:
            fields.append((f"value_{number}", _NUMBERS[server.type_name]))
    return fields


def _length(record: np.dtype[Any], number: int) -> int:
    """Return the bytes between the length of a value and the end of what has a fixed width."""
    fields = record.fields
    assert fields is not None
    return _end(record, number) - int(fields[f"length_{number}"][1]) - 4


def _end(record: np.dtype[Any], number: int) -> int:
    """Return the offset of the end of what a column has in each row of the record."""
    fields = record.fields
    assert fields is not None
    return int(fields.get(f"length_{number + 1}", (None, record.itemsize))[1])


def _check_vectors(target: CopyTarget, server: ServerColumn, part: Array, start: int) -> None:
    """Find the first bad row only when the whole block is not good."""
    good_length = server.dimensions == part.shape[1] or (server.dimensions is None and 0 < part.shape[1] <= LONGEST)
    limit = np.finfo(np.float16 if server.type_name == "halfvec" else np.float32).max
    if good_length and bool(np.isfinite(part).all()) and bool(np.abs(part).max() <= limit):
        return
    for number, row in enumerate(part):
        try:
            checked_dense(row, server.dimensions, server.name, half=server.type_name == "halfvec")
        except VectorValueError as error:
            raise refused_row(target, start + number, server.name, error) from error


def _check_sparse(target: CopyTarget, server: ServerColumn, part: Array, rows: SparseRows, start: int) -> None:
    if server.dimensions in {None, part.shape[1]} and part.shape[1] > 0 and bool(np.isfinite(rows.values).all()):
        return
    for number in range(part.shape[0]):
        row = part[number] if isinstance(part, np.ndarray) else part[number : number + 1]
        try:
            checked_sparse(row, server.dimensions, server.name)
        except VectorValueError as error:
            raise refused_row(target, start + number, server.name, error) from error
