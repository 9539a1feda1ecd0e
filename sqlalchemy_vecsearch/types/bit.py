"""The ``bit`` type: binary vectors."""

from __future__ import annotations

from pgvector.sqlalchemy import BIT as _BIT

__all__ = ["BIT"]


class BIT(_BIT):
    """A column of binary vectors of a fixed length, one bit a dimension."""

    cache_ok = True
