"""Whether two values of an attribute are the same, as the ORM asks before it writes an UPDATE."""

from __future__ import annotations

from types import NoneType
from typing import Any, Final

import numpy as np
from pgvector import Bit, HalfVector, SparseVector, Vector

__all__ = ["same_vectors"]

_ROWS: Final = (list, tuple, np.ndarray)
_COMPARABLE: Final = (NoneType, str, bytes, Bit, HalfVector, SparseVector, Vector)  # others answer with arrays


def same_vectors(one: Any, other: Any) -> bool:  # vectors, or lists of them of any depth, or what the ORM has instead
    """Tell whether two vectors, or two arrays of vectors, hold the same numbers.

    A numpy array counts as another value than itself: it can be changed in place, and then be assigned again.
    """
    if isinstance(one, np.ndarray) and one is other:
        return False
    if not (isinstance(one, _ROWS) and isinstance(other, _ROWS)):
        return isinstance(one, _COMPARABLE) and isinstance(other, _COMPARABLE) and bool(one == other)
    if len(one) != len(other):
        return False
    if _holds_numbers(one) and _holds_numbers(other):
        return bool(np.array_equal(one, other)) if isinstance(one, np.ndarray) else list(one) == list(other)
    return all(same_vectors(*pair) for pair in zip(one, other, strict=True))


def _holds_numbers(row: Any) -> bool:  # one of _ROWS
    return len(row) > 0 and isinstance(row[0], (int, float, np.number, np.bool_))
