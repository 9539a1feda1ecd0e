"""The column types: drop-in replacements for those of ``pgvector.sqlalchemy``."""

from __future__ import annotations

from pgvector.sqlalchemy import avg, sum  # noqa: A004  # the names of pgvector.sqlalchemy, on purpose

from sqlalchemy_vecsearch.types.arrays import serve_arrays
from sqlalchemy_vecsearch.types.bit import BIT
from sqlalchemy_vecsearch.types.extension_schema import find_extensions
from sqlalchemy_vecsearch.types.halfvec import HALFVEC
from sqlalchemy_vecsearch.types.sparsevec import SPARSEVEC
from sqlalchemy_vecsearch.types.vector import VECTOR, Vector

__all__ = ["BIT", "HALFVEC", "SPARSEVEC", "VECTOR", "Vector", "avg", "sum"]

serve_arrays()
find_extensions()
