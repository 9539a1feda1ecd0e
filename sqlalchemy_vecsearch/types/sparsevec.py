"""The ``sparsevec`` type: the non-zero elements of a long vector."""

from __future__ import annotations

from pgvector.sqlalchemy import SPARSEVEC as _SPARSEVEC

__all__ = ["SPARSEVEC"]


class SPARSEVEC(_SPARSEVEC):
    """A column of sparse vectors, up to 16,000 non-zero elements, 8 bytes each and 16 more."""

    cache_ok = True
