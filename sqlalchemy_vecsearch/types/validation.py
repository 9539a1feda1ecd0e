"""The check that a value is a vector of the right length, before the database sees it."""

from __future__ import annotations

from typing import Any

import numpy as np

from sqlalchemy_vecsearch.errors import DimensionError, VectorValueError
from sqlalchemy_vecsearch.metrics import Storage

__all__ = ["checked_vector"]


def checked_vector(value: Any, storage: Storage, *, dimensions: int | None = None, column: str | None = None) -> Any:
    """Return the value as it is when it is a vector that a column of this storage can hold.

    Args:
        value: a list, tuple, array or one of pgvector's value classes; for "sparsevec" also a sparse array, for "bit"
            also a string of 0 and 1.
        storage: the storage of the column.
        dimensions: the declared length; None accepts any.
        column: the name of the column, for messages.

    Raises:
        DimensionError: the length is another than declared.
        VectorValueError: the value is no vector: empty, of more than one axis, with NaN or infinity, or a string.
    """
    place = f" for {column!r}" if column else ""
    length = _length(value, storage, place)
    if length == 0:
        raise VectorValueError(
            f"The vector{place} is empty. A {storage.value} has at least one dimension. {_remedy(dimensions)}"
        )
    if dimensions is not None and length != dimensions:
        raise DimensionError(
            f"The vector{place} has {length} dimensions. "
            f"The column is declared with {dimensions}, and vectors of different lengths can not be compared. "
            "Use the model that the column was made for, or declare the column with the length of this one.",
            expected=dimensions,
            actual=length,
        )
    return value


def _length(value: Any, storage: Storage, place: str) -> int:
    if hasattr(value, "dimensions") and callable(value.dimensions):
        return int(value.dimensions())
    if isinstance(value, str):
        if storage is Storage.BIT and set(value) <= {"0", "1"}:
            return len(value)
        raise _not_a_vector(value, storage, place)
    if hasattr(value, "tocoo"):
        return int(value.shape[-1])
    try:
        array = np.asarray(value)
        numbers = array if array.dtype.kind in "biuf" else array.astype(np.float64)
    except (TypeError, ValueError):
        raise _not_a_vector(value, storage, place) from None
    if numbers.ndim != 1:
        raise VectorValueError(
            f"The value{place} has {numbers.ndim} axes, not one. "
            "A vector is one row of numbers. "
            "Pass one row of the array, such as vectors[0]."
        )
    if not np.isfinite(numbers).all():
        raise VectorValueError(
            f"The vector{place} holds NaN or infinity. "
            "pgvector stores finite numbers only, since no distance to another is defined. "
            "Find out where the model or the normalisation divides by zero."
        )
    return int(numbers.shape[0])


def _not_a_vector(value: Any, storage: Storage, place: str) -> VectorValueError:
    return VectorValueError(
        f"The value{place} is no vector but {type(value).__name__} {str(value)[:40]!r}. "
        f"A {storage.value} column compares rows of numbers. "
        "Pass a list of floats or a numpy array; embed a text with your model first."
    )


def _remedy(dimensions: int | None) -> str:
    return f"Pass {dimensions} numbers." if dimensions is not None else "Pass at least one number."
