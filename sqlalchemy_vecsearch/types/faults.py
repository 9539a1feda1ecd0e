"""The errors for values that no vector column can hold."""

from __future__ import annotations

from sqlalchemy_vecsearch.errors import DimensionError, VectorValueError
from sqlalchemy_vecsearch.representations import short_repr

__all__ = ["axes_error", "empty_error", "length_error", "shown", "subject", "too_long_error"]


def length_error(actual: int, expected: int, column: str | None) -> DimensionError:
    """Return the error for a vector of another length than the declared one."""
    return DimensionError(
        f"{subject(column)} does not fit: expected {expected} dimensions, not {actual}. "
        f"The declaration says {expected}, and pgvector refuses every other length. "
        "Pass the output of the model that the column was declared for, or declare the new length and migrate.",
        expected=expected,
        actual=actual,
    )


def too_long_error(actual: int, longest: int, column: str | None) -> VectorValueError:
    """Return the error for a vector that no column can hold."""
    return VectorValueError(
        f"{subject(column)} has {actual} dimensions. "
        f"pgvector stores at most {longest} of them in one vector. "
        "Shorten the vector, or keep it as a sparsevec when most of its elements are zero."
    )


def axes_error(shape: tuple[int, ...], column: str | None) -> VectorValueError:
    """Return the error for a value of none or several axes."""
    return VectorValueError(
        f"{subject(column)} has the shape {tuple(int(size) for size in shape)}: expected ndim to be 1. "
        "A vector has exactly one axis. "
        "Pass one row of it, such as value[0]."
    )


def empty_error(column: str | None) -> VectorValueError:
    """Return the error for a vector without an element."""
    return VectorValueError(
        f"{subject(column)} is empty. "
        "pgvector stores vectors of one dimension or more. "
        "Pass None where there is no embedding."
    )


def subject(column: str | None, noun: str = "vector") -> str:
    """Return how the error names the value."""
    return f"The {noun}" if column is None else f"The {noun} for {column!r}"


def shown(value: object) -> str:
    """Return the class and the start of a value."""
    return f"the {type(value).__name__} {short_repr(value, 40)}"
