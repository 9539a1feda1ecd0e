"""The binary and text forms of vectors, as pgvector's send, receive, input and output functions define them."""

from __future__ import annotations

import struct
from json import JSONDecoder
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pgvector import HalfVector, SparseVector, Vector

from sqlalchemy_vecsearch.metrics import Storage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sqlalchemy_vecsearch.types.dense_values import Floats
    from sqlalchemy_vecsearch.types.sparse_values import SparseParts

__all__ = [
    "dense_literal",
    "dense_text",
    "floats_of_result",
    "halfvec_binary",
    "halfvector_of_result",
    "list_of_result",
    "sparse_binary",
    "sparse_text",
    "vector_binary",
]

_DENSE_HEAD: Final = struct.Struct(">HH")
_SPARSE_HEAD: Final = struct.Struct(">iii")

# record_send() of one column: number of columns, type, length (-1 for NULL), value.
_RECORD_HEAD: Final = 12

_LONGEST: Final = Storage.VECTOR.limit  # the first two characters of a text are more

_AS_JSON: Final = JSONDecoder(parse_int=float)
"""The text of a vector is JSON, whose parser makes floats without a string for each of them: 384 take 36 us, 44 by
``split`` and ``float`` (measured: 3,000 rounds of both in turn)."""

# The fewest digits that bring a float32 back are six to nine; beyond the last of these it is always nine.
_SHORT_DIGITS: Final = (8, 7, 6)


def vector_binary(floats: Floats) -> bytes:
    """Return what ``vector_recv`` reads: two bytes of length, two of zero, big-endian floats."""
    return _DENSE_HEAD.pack(len(floats), 0) + floats.astype(">f4").tobytes()


def halfvec_binary(floats: Floats) -> bytes:
    """Return what ``halfvec_recv`` reads, 2 bytes an element."""
    return _DENSE_HEAD.pack(len(floats), 0) + floats.astype(">f2").tobytes()


def sparse_binary(parts: SparseParts) -> bytes:
    """Return what ``sparsevec_recv`` reads: length, number of elements, zero, the indices, the values."""
    head = _SPARSE_HEAD.pack(parts.dimensions, len(parts.indices), 0)
    return head + parts.indices.astype(">i4").tobytes() + parts.values.astype(">f4").tobytes()


def dense_text(floats: Floats) -> str:
    """Return ``[0.1,2]``: for each element the fewest digits that bring the same float32 back.

    It takes half the time of ``str()`` on each element, and the text is half as long as that of the floats widened to
    64 bits (measured: 384 dimensions).
    """
    return f"[{_numbers(floats)}]"


def dense_literal(floats: Floats) -> str:
    """Return ``[0.1,2.0]``: the numbers as Python prints them, which is what pgvector-python writes into statements."""
    return f"[{','.join(str(float(number)) for number in _numbers(floats).split(','))}]"


def sparse_text(parts: SparseParts) -> str:
    """Return ``{1:0.5,7:2}/100``, with the indices counted from one."""
    numbers = _numbers(parts.values).split(",") if len(parts.values) else []
    elements = ",".join(f"{index + 1}:{number}" for index, number in zip(parts.indices.tolist(), numbers, strict=True))
    return f"{{{elements}}}/{parts.dimensions}"


def floats_of_result(value: Any) -> Floats | None:  # whatever a driver, with or without a codec, hands over
    """Return a result as a float32 array, whichever form the driver delivers it in."""
    if value is None:
        return None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _of_record(value)
    if isinstance(value, str):
        return np.fromstring(value[1:-1], dtype=np.float32, sep=",")
    if isinstance(value, (Vector, HalfVector)):
        return value.to_numpy().astype(np.float32)
    return np.asarray(value, dtype=np.float32)


def halfvector_of_result(value: Any) -> HalfVector | None:  # whatever a driver, with or without a codec, hands over
    """Return a result as a `pgvector.HalfVector`."""
    if isinstance(value, HalfVector):
        return value
    floats = floats_of_result(value)
    return None if floats is None else HalfVector(floats)


def list_of_result(value: Any) -> list[float] | None:  # whatever a driver, with or without a codec, hands over
    """Return a result as a list, each element with the digits that the server would print.

    So ``0.1`` that was stored in single precision comes back as ``0.1``, not as ``0.10000000149011612``.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        floats = floats_of_result(value)
        value = "[]" if floats is None else dense_text(floats)
    numbers: list[float] = _AS_JSON.raw_decode(value)[0]
    return numbers


def _of_record(value: bytes | bytearray | memoryview) -> Floats | None:
    (length,) = struct.unpack_from(">i", value, 8)
    if length < 0:
        return None
    (dimensions,) = struct.unpack_from(">H", value, _RECORD_HEAD)
    body = length - _DENSE_HEAD.size
    if dimensions > _LONGEST or body not in {4 * dimensions, 2 * dimensions}:  # a text, which a bare VALUES has
        return floats_of_result(bytes(value[_RECORD_HEAD:]).decode())
    width = ">f4" if body == 4 * dimensions else ">f2"
    return np.frombuffer(value, dtype=width, offset=_RECORD_HEAD + _DENSE_HEAD.size).astype(np.float32)


def _numbers(floats: Floats) -> str:
    doubles = floats.astype(np.float64)
    arguments: list[Any] = [9, 0.0] * len(floats)
    arguments[0::2] = _digits(floats, doubles).tolist()
    arguments[1::2] = doubles.tolist()
    return ("%.*g," * len(floats) % tuple(arguments))[:-1]


def _digits(floats: Floats, doubles: NDArray[np.float64]) -> NDArray[np.int64]:
    digits = np.full(len(floats), 9)
    magnitudes = np.abs(doubles)
    # Zero and numbers that are not normal in single precision keep nine digits; a zero prints as 0 all the same.
    ordinary = np.flatnonzero(magnitudes >= np.finfo(np.float32).tiny)
    values = magnitudes[ordinary]
    exponents = np.floor(np.log10(values))
    for count in _SHORT_DIGITS:
        scale = 10.0 ** (count - 1 - exponents)
        with np.errstate(over="ignore"):
            rounded = (np.rint(values * scale) / scale).astype(np.float32)
        fits = rounded == values
        digits[ordinary[fits]] = count
    return digits


def sparse_of_result(value: Any) -> SparseVector | None:  # whatever a driver, with or without a codec, hands over
    """Return a result as a `pgvector.SparseVector`."""
    if value is None or isinstance(value, SparseVector):
        return value
    return SparseVector.from_text(value)
