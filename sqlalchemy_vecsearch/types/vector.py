"""The ``vector`` type: single precision floats."""

from __future__ import annotations

from pgvector.sqlalchemy import VECTOR as _VECTOR

__all__ = ["VECTOR", "Vector"]


class VECTOR(_VECTOR):
    """A column of single precision vectors, up to 16,000 dimensions, 4 bytes a dimension and 8 more."""

    cache_ok = True


Vector = VECTOR
