"""What a dense vector must be before it is sent, as float32."""

from __future__ import annotations

from array import array
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector, Vector

from sqlalchemy_vecsearch.errors import VectorValueError
from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.representations import short_repr
from sqlalchemy_vecsearch.types.faults import (
    axes_error,
    empty_error,
    length_error,
    shown,
    subject,
    too_long_error,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LONGEST", "Floats", "checked_dense", "float32_of", "refuse_infinite"]

Floats: TypeAlias = NDArray[np.float32]

LONGEST: Final = Storage.VECTOR.limit  # as of halfvec
_HALF_LIMIT: Final = 65_504.0
_NUMBER_KINDS: Final = "fiu"


def checked_dense(
    value: object,
    dimensions: int | None = None,
    column: str | None = None,
    *,
    half: bool = False,
    longest: int | None = LONGEST,
) -> Floats:
    """Return the value as a float32 array of one axis; see `checked_vector`."""
    if type(value) is np.ndarray and value.dtype == np.float32:
        floats: Floats = value
    else:
        floats = float32_of(value, column)
    if floats.ndim != 1:
        raise axes_error(floats.shape, column)
    if not len(floats):
        raise empty_error(column)
    if dimensions is not None and len(floats) != dimensions:
        raise length_error(len(floats), dimensions, column)
    if longest is not None and len(floats) > longest:
        raise too_long_error(len(floats), longest, column)
    refuse_infinite(floats, column, given=value)
    if half and max(floats.max(), -floats.min()) > _HALF_LIMIT:
        _refuse_beyond_half(floats, column)
    return floats


def float32_of(value: object, column: str | None) -> Floats:
    """Return any row of numbers as a float32 array of one axis, whatever its length, finite or not."""
    if isinstance(value, (list, tuple)):
        return _from_sequence(value, column)
    if isinstance(value, (Vector, HalfVector)):
        return value.to_numpy().astype(np.float32)
    if isinstance(value, (str, bytes, bytearray)) or not (
        isinstance(value, (np.ndarray, array)) or hasattr(value, "__array__")
    ):
        raise VectorValueError(
            f"{subject(column)} is {shown(value)}, which is not a vector. "
            "A vector is a row of numbers, and text is never parsed into one. "
            "Pass a list of floats or a numpy array; embed a text with your model first."
        )
    found: NDArray[Any] = np.asanyarray(value)
    if found.ndim != 1:
        raise axes_error(found.shape, column)
    if found.dtype.kind not in _NUMBER_KINDS or np.ma.is_masked(found):
        return _from_sequence(found.tolist(), column)  # None where an element is masked
    found = np.asarray(found)
    with np.errstate(over="ignore"):  # an overflow becomes inf, which is refused by name
        return found.astype(np.float32)


def _from_sequence(value: Sequence[Any], column: str | None) -> Floats:
    try:
        return np.frombuffer(array("f", value), dtype=np.float32)
    except (TypeError, OverflowError, ValueError):
        pass
    for position, element in enumerate(value):
        if isinstance(element, (list, tuple, np.ndarray)):
            raise VectorValueError(
                f"{subject(column)} holds {shown(element)} at position {position}. "
                "A vector has one axis, and this value has two or more. "
                "Pass one row of it, such as value[0]."
            )
        try:
            array("f", [element])
        except OverflowError:
            raise _too_large_error(element, position, column) from None
        except ValueError:  # Decimal's signalling NaN
            raise _not_finite_error(element, position, column) from None
        except TypeError:
            why = ": could not convert string to float" if isinstance(element, str) else ""
            raise VectorValueError(
                f"{subject(column)} holds {shown(element)} at position {position}{why}. "
                "Every element of a vector is a number. "
                "Convert the elements to float first."
            ) from None
    return np.frombuffer(array("f", list(value)), dtype=np.float32)


def refuse_infinite(
    floats: Floats,
    column: str | None,
    positions: NDArray[Any] | None = None,
    given: Any = None,  # what the caller was given as a row of numbers
) -> None:
    """Refuse what is not finite.

    Args:
        floats: the elements.
        column: the column that the error names, None when it is not known.
        positions: where the elements stand in the whole vector, None when they are all of it.
        given: the numbers that the elements were made of, in the same order, None when they are the same.
    """
    finite = np.isfinite(floats)
    if np.count_nonzero(finite) == len(floats):  # half the time of all()
        return
    found = int(np.argmin(finite))
    position = found if positions is None else int(positions[found])
    number = given[found] if isinstance(given, (list, tuple, array, np.ndarray)) else floats[found]
    if isfinite(number):
        raise _too_large_error(number, position, column)
    raise _not_finite_error(floats[found], position, column)


def _not_finite_error(number: Any, position: int, column: str | None) -> VectorValueError:  # of any class of numbers
    return VectorValueError(
        f"{subject(column)} holds {number} at position {position}. "
        "pgvector stores numbers that are finite in single precision, and nothing else. "
        "Find the input whose embedding came out this way, and leave its vector out."
    )


def _too_large_error(number: Any, position: int, column: str | None) -> VectorValueError:  # of any class of numbers
    return VectorValueError(
        f"{subject(column)} holds {short_repr(number, 40, written=str)} at position {position}, which is too large. "
        "pgvector stores single precision, which ends at 3.4028235e+38. "
        "Normalise the vector, or find the input whose embedding came out this way."
    )


def _refuse_beyond_half(floats: Floats, column: str | None) -> None:
    with np.errstate(over="ignore"):
        finite = np.isfinite(floats.astype(np.float16))
    if finite.all():
        return
    position = int(np.argmin(finite))
    raise VectorValueError(
        f"{subject(column)} holds {floats[position]} at position {position}. "
        "Half precision ends at 65504. "
        "Normalise the vector, or declare the column with storage='vector'."
    )
