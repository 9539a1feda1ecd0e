"""The vector types of a column as values: storage, dimensions, and whether it is an array of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.postgresql import BIT as PostgresBit
from sqlalchemy.types import ARRAY, TypeDecorator

from sqlalchemy_vecsearch.expressions import dimensions_of, storage_of
from sqlalchemy_vecsearch.metrics import Storage

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

__all__ = ["VectorType", "vector_type_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorType:
    """A vector type: ``dimensions`` is None where it declares none, ``array_dimensions`` where it is no array."""

    storage: Storage
    dimensions: int | None
    array_dimensions: int | None = None


def vector_type_of(type_: TypeEngine[Any], dialect: Dialect) -> VectorType | None:
    """Return what a column type is as a vector type, or None when it is another.

    Type decorators and variants are looked through; PostgreSQL's own ``BIT`` is the storage of bits.
    """
    bare = _bare(type_, dialect)
    if isinstance(bare, ARRAY):
        item = vector_type_of(bare.item_type, dialect)
        if item is None or item.storage is Storage.BIT:
            return None
        # PostgreSQL does not keep the number of dimensions of an array, and so reflects one
        return VectorType(storage=item.storage, dimensions=item.dimensions, array_dimensions=1)
    storage = storage_of(bare)
    if storage is None or (isinstance(bare, PostgresBit) and bare.varying):
        return None
    return VectorType(storage=storage, dimensions=dimensions_of(bare))


def _bare(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    bare = type_._variant_mapping.get(dialect.name, type_)  # noqa: SLF001  # the public way copies the type
    while isinstance(bare, TypeDecorator):
        bare = bare.load_dialect_impl(dialect)
    return bare
