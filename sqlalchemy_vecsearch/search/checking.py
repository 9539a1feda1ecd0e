"""The checks on the numbers that say how much of a search is wanted."""

from __future__ import annotations

from math import isfinite
from numbers import Integral
from typing import Any

from sqlalchemy_vecsearch.errors import SearchError

__all__ = ["require_count", "require_distance"]


def require_count(name: str, value: Any, meaning: str) -> None:  # Any: whatever the caller passed
    """Check that a value is a whole number of 1 or more; numpy's integers are.

    Raises:
        SearchError: it is not.
    """
    if isinstance(value, Integral) and value is not True and int(value) >= 1:
        return
    raise SearchError(
        f"{name}={value!r} is not possible. "
        f"It says {meaning}, a whole number of 1 or more. "
        f"Pass such a number, {name}=10 for example."
    )


def require_distance(within: float | None) -> None:
    """Check that a largest distance is a finite number; None passes.

    Raises:
        SearchError: it is infinite or NaN.
    """
    if within is None or isfinite(within):
        return
    raise SearchError(
        f"within={within!r} is no distance. "
        "It is the largest distance to return, a finite number. "
        "Choose one, or leave it out to return the k nearest rows whatever their distance."
    )
