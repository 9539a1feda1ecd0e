"""Whether the vectors of a column can follow it to another type, and by which SQL. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sqlalchemy.types import ARRAY

from alembic_ops.model.vector_types import vector_type_of
from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.quoting import DIALECT

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

    from alembic_ops.model.vector_types import VectorType

__all__ = ["Conversion", "conversion"]

Condition: TypeAlias = Literal["always", "of_dimensions", "no_vectors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """How a value becomes one of another type.

    ``casts`` are the types that it is cast to, one after the other. ``condition`` says which rows can follow: all,
    those with ``dimensions``, or none that hold a vector. ``of_elements`` says that a value is an array, and
    ``dimensions`` those of each of its vectors.
    """

    casts: tuple[str, ...]
    condition: Condition
    dimensions: int | None = None
    of_elements: bool = False


def conversion(existing: TypeEngine[Any], wished: TypeEngine[Any]) -> Conversion:
    """Return how the values of a column can follow from one type to another.

    Storages with the same number of dimensions convert into each other by the casts of pgvector. Another number of
    dimensions is another embedding model, and bits are not vectors: nothing converts those.
    """
    target = DIALECT.type_compiler_instance.process(wished)
    old, new = vector_type_of(existing), vector_type_of(wished)
    if old is None or new is None:
        return Conversion(casts=_through_real(existing, wished, old, target), condition="always")
    if not _comparable(old, new):
        return Conversion(casts=(target,), condition="no_vectors")
    if old.dimensions is None and new.dimensions is not None and old.storage in _HAVE_DIMENSIONS:
        return Conversion(
            casts=(target,),
            condition="of_dimensions",
            dimensions=new.dimensions,
            of_elements=new.array_dimensions is not None,
        )
    return Conversion(casts=(target,), condition="always")


_HAVE_DIMENSIONS: Final = frozenset({Storage.VECTOR, Storage.HALFVEC})
"""Storages that have the function ``vector_dims``."""


def _comparable(old: VectorType, new: VectorType) -> bool:
    if (old.storage is Storage.BIT) is not (new.storage is Storage.BIT) or old.array_dimensions != new.array_dimensions:
        return False
    return None in {old.dimensions, new.dimensions} or old.dimensions == new.dimensions


def _through_real(
    existing: TypeEngine[Any], wished: TypeEngine[Any], old: VectorType | None, target: str
) -> tuple[str, ...]:
    """Return the casts between vectors and other types: pgvector turns vectors into arrays of real only."""
    if old is not None and isinstance(wished, ARRAY) and old.storage is not Storage.SPARSEVEC:
        return ("real[]", target)
    if old is None and isinstance(existing, ARRAY):
        return ("real[]", target)
    return (target,)
