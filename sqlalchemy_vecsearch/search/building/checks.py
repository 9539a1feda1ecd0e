"""The checks on the numbers that say how much of a search is wanted."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from numbers import Integral, Real
from typing import Any, Final

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.selects import shown

__all__ = ["MOST_ROWS", "is_finite", "require_count", "require_distance"]

MOST_ROWS: Final = 1_000_000_000
"""The most rows that a number may ask for: LIMIT is a bigint, and candidates are products of two such numbers."""


def require_count(name: str, value: Any, meaning: str) -> None:  # Any: whatever the caller passed
    """Check that a value is a whole number from 1 to a thousand million; numpy's integers are.

    Raises:
        SearchError: it is not.
    """
    if isinstance(value, Integral) and value is not True and 1 <= int(value) <= MOST_ROWS:
        return
    raise SearchError(
        f"{name}={shown(value)} is not possible. "
        f"It says {meaning}, a whole number of 1 or more, and at most {MOST_ROWS:,}. "
        f"Pass such a number, {name}=10 for example."
    )


def require_distance(within: Any, *, optional: bool = True) -> None:  # Any: whatever the caller passed
    """Check that a largest distance is a finite number; None passes where it is optional.

    Raises:
        SearchError: it is infinite, NaN or no number.
    """
    if is_finite(within) or (within is None and optional):
        return
    otherwise = ", or leave it out to return the k nearest rows whatever their distance" if optional else ""
    raise SearchError(
        f"within={shown(within)} is no distance. "
        "It is the largest distance to return, a finite number. "
        f"Choose one{otherwise}."
    )


def is_finite(value: Any) -> bool:  # Any: as above
    """Tell whether a value is a number that a double can hold and that is finite."""
    if not isinstance(value, Real | Decimal):
        return False
    try:
        return isfinite(value)
    except (OverflowError, ValueError):  # more than a double holds; a signalling NaN
        return False
