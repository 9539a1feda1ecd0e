"""The ``halfvec`` type: half precision floats."""

from __future__ import annotations

from pgvector.sqlalchemy import HALFVEC as _HALFVEC
from sqlalchemy.dialects.postgresql.base import ischema_names

from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.types.dense import DenseType, class_of_results
from sqlalchemy_vecsearch.types.distances import FloatDistances

__all__ = ["HALFVEC"]


class _Comparator(FloatDistances, _HALFVEC.comparator_factory):  # type: ignore[misc, valid-type]  # an attribute
    """The distances of pgvector-python, as floats."""


class HALFVEC(DenseType, _HALFVEC):
    """A column of half precision vectors, up to 16,000 dimensions, 2 bytes a dimension and 8 more.

    It replaces `pgvector.sqlalchemy.HALFVEC`, in the way that `VECTOR` replaces its type.

    Args:
        dim: the number of dimensions, None to accept any; an index needs it.
        returns: ``"list"`` for a list of floats; ``"numpy"`` for a float32 array, which is read in binary.
            None for what the installed pgvector-python returns: a list from 0.5 on, a `pgvector.HalfVector` with 0.4.

    Raises:
        DeclarationError: `returns` is something else.

    Example:
        >>> Column("embedding", HALFVEC(384, returns="numpy"))
    """

    cache_ok = True
    comparator_factory = _Comparator
    storage = Storage.HALFVEC
    published_class = class_of_results(_HALFVEC())


ischema_names["halfvec"] = HALFVEC
