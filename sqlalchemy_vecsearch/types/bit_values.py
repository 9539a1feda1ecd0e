"""What a bit string must be before it is sent."""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pgvector import Bit

from sqlalchemy_vecsearch.errors import VectorValueError
from sqlalchemy_vecsearch.types.faults import empty_error, length_error, shown, subject

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bits", "bits_binary", "checked_bits", "is_bit_text"]

_HEAD: Final = struct.Struct(">i")
_TRUTH_KINDS: Final = "bfiu"


class Bits(str):
    """A string of 0 and 1 that also equals the ``asyncpg.BitString`` it was read from.

    Every driver gives a string, and what compares with the class that pgvector.sqlalchemy leaves on asyncpg goes on to.
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str) and hasattr(other, "to_int"):
            return len(self) == len(other) and int(self, 2) == other.to_int()  # type: ignore[arg-type]  # it has a length
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other


def checked_bits(value: object, dimensions: int | None = None, column: str | None = None) -> Bit:
    """Return the value as a `pgvector.Bit`; see `checked_vector`."""
    bits = value if isinstance(value, Bit) else _bits(value, column)
    length = int.from_bytes(bits.to_binary()[:4], "big")
    if not length:
        raise empty_error(column)
    if dimensions is not None and length != dimensions:
        raise length_error(length, dimensions, column)
    return bits


def bits_binary(value: object, dimensions: int | None = None, column: str | None = None) -> bytes:
    """Return what ``bit_recv`` reads, the number of bits and then the bits; see `checked_vector`."""
    if type(value) is np.ndarray and value.dtype == np.bool_ and value.shape == (dimensions,) and dimensions:
        return _HEAD.pack(dimensions) + np.packbits(value).tobytes()
    return checked_bits(value, dimensions, column).to_binary()


def is_bit_text(value: object, dimensions: int | None) -> bool:
    """Tell whether a value is a text of this many 0 and 1, which PostgreSQL reads as it is; it takes a microsecond."""
    if type(value) is not str or not value.isascii() or not value or dimensions not in {None, len(value)}:
        return False
    return not value.encode().translate(None, b"01")


def _bits(value: Any, column: str | None) -> Bit:  # one of the many inputs of Bit, which checks it
    plain = value
    if isinstance(value, tuple):
        plain = list(value)
    elif isinstance(value, array) or (not isinstance(value, (str, bytes, list)) and hasattr(value, "__array__")):
        plain = np.asanyarray(value)
        if plain.dtype == object or np.ma.is_masked(plain):
            plain = plain.tolist()  # with None where an element is masked
    if isinstance(plain, (str, bytes, list)) and not plain:
        raise empty_error(column)
    try:
        return Bit(plain if isinstance(plain, bytes) else _truths(plain))
    except (ValueError, TypeError):
        raise VectorValueError(
            f"{subject(column, 'bit vector')} is {shown(value)}, which is not a row of bits. "
            "A bit column holds one 0 or 1 for each dimension. "
            "Pass a string such as '0101', a list of booleans, or a numpy array of booleans with one axis."
        ) from None


def _truths(value: Any) -> NDArray[np.bool_]:  # Any: whatever the user passed
    """Return one truth value a bit; pgvector-python 0.4 would take every character and number for a bit.

    Raises:
        ValueError: an element is neither 0 nor 1, or there is more than one axis.
    """
    if isinstance(value, str):
        written = value.encode()
        if not written.strip(b"01"):
            return np.equal(np.frombuffer(written, dtype=np.uint8), ord("1"))
    elif isinstance(value, list):
        return _truths_of_list(value)
    elif isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in _TRUTH_KINDS:
        truths: NDArray[np.bool_] = np.asarray(value) == 1
        if value.dtype == np.bool_ or bool((truths | (value == 0)).all()):
            return truths
    raise ValueError


def _truths_of_list(value: list[Any]) -> NDArray[np.bool_]:  # Any: as above
    try:
        numbers = bytes(value)
    except (TypeError, ValueError):  # something beside True, False and whole numbers
        numbers = bytes(int(element == 1) if element in {0, 1} else 2 for element in value)
    if numbers.strip(b"\0\1"):
        raise ValueError
    return np.frombuffer(numbers, dtype=np.bool_)
