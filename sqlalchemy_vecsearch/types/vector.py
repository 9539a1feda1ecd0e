"""The ``vector`` type: single precision floats."""

from __future__ import annotations

from pgvector.sqlalchemy import VECTOR as _VECTOR
from sqlalchemy.dialects.postgresql.base import ischema_names

from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.types.dense import DenseType, class_of_results
from sqlalchemy_vecsearch.types.distances import FloatDistances

__all__ = ["VECTOR", "Vector"]


class _Comparator(FloatDistances, _VECTOR.comparator_factory):  # type: ignore[misc, valid-type]  # an attribute
    """The distances of pgvector-python, as floats."""


class VECTOR(DenseType, _VECTOR):
    """A column of single precision vectors, up to 16,000 dimensions, 4 bytes a dimension and 8 more.

    It replaces `pgvector.sqlalchemy.VECTOR`: the same operators, DDL and reflection. Values travel in binary with
    psycopg 3 and asyncpg, as short text with psycopg2 and pg8000, and nothing is registered on a connection by hand.

    Args:
        dim: the number of dimensions, None to accept any; an index needs it.
        returns: ``"list"`` for a list of floats; ``"numpy"`` for a float32 array, which is read in binary
            and costs a tenth. None for what the installed pgvector-python returns: a list from 0.5 on, an array with
            0.4.

    Raises:
        DeclarationError: `returns` is something else.

    Example:
        >>> Table("document", MetaData(), Column("id", Integer, primary_key=True), Column("embedding", VECTOR(384)))
    """

    cache_ok = True
    comparator_factory = _Comparator
    storage = Storage.VECTOR
    published_class = class_of_results(_VECTOR())


Vector = VECTOR

ischema_names["vector"] = VECTOR
