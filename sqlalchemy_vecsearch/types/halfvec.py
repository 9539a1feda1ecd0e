"""The ``halfvec`` type: half precision floats."""

from __future__ import annotations

from pgvector.sqlalchemy import HALFVEC as _HALFVEC

__all__ = ["HALFVEC"]


class HALFVEC(_HALFVEC):
    """A column of half precision vectors, up to 16,000 dimensions, 2 bytes a dimension and 8 more."""

    cache_ok = True
