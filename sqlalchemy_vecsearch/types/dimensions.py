"""The number of dimensions that a vector type may declare."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.representations import short_repr

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.metrics import Storage

__all__ = ["checked_dimensions"]


def checked_dimensions(value: Any, storage: Storage) -> int | None:  # whatever stands in the declaration
    """Return the declared number of dimensions as an int, None when there is none.

    Raises:
        DeclarationError: it is no whole number, or more or less than a column of this storage can have.
    """
    if value is None:
        return None
    limit = storage.limit
    try:
        found = 0 if isinstance(value, bool) else index(value)
    except TypeError:
        found = 0
    if found >= 1 and (limit is None or found <= limit):
        return found
    name = storage.value.upper()
    raise DeclarationError(
        f"{name}({short_repr(value, 40)}) is not a type. "
        f"A {storage.value} column has 1 to {limit} dimensions, given as a whole number. "
        f"Write the length of the vectors that your model gives, such as {name}(384)."
    )
