"""The vector types of a column as values: storage, dimensions, and whether it is an array of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pgvector.sqlalchemy import BIT
from sqlalchemy.types import ARRAY, UserDefinedType

from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.quoting import DIALECT
from sqlalchemy_vecsearch.storages import ddl_of, vector_form
from sqlalchemy_vecsearch.types.decorators import undecorated

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

__all__ = ["VectorType", "is_embedding_type", "vector_type_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorType:
    """A vector type: ``dimensions`` is None where it declares none, ``array_dimensions`` where it is no array."""

    storage: Storage
    dimensions: int | None
    array_dimensions: int | None = None


def vector_type_of(type_: TypeEngine[Any]) -> VectorType | None:
    """Return what a column type is as a vector type, or None when it is another, or cannot be told.

    Type decorators and variants are looked through. The application's own classes are known by the SQL that they
    compile to: a ``UserDefinedType`` of ``vector(3)`` is a vector. PostgreSQL's own ``BIT`` is the storage of bits.
    """
    form = vector_form(type_)
    if form is not None:
        return VectorType(storage=form.storage, dimensions=form.dimensions)
    held = undecorated(type_.dialect_impl(DIALECT))
    if isinstance(held, ARRAY):
        return _array_of(vector_type_of(held.item_type))
    if type(held).__module__.startswith("sqlalchemy."):
        return None
    item, *bounds = (ddl_of(held) or "").partition("[")
    return _array_of(vector_type_of(_Element(item))) if any(bounds) else None


def is_embedding_type(type_: TypeEngine[Any]) -> bool:
    """Say whether a column type is one of pgvector's, which PostgreSQL's own ``BIT`` is not."""
    found = vector_type_of(type_)
    return found is not None and (found.storage is not Storage.BIT or isinstance(type_, BIT))


class _Element(UserDefinedType[Any]):
    """The type of the elements of an array that an application's own type spells."""

    cache_ok = True

    def __init__(self, ddl: str) -> None:
        self.ddl = ddl

    def get_col_spec(self, **_: Any) -> str:
        return self.ddl


def _array_of(item: VectorType | None) -> VectorType | None:
    if item is None or item.storage is Storage.BIT:
        return None
    # PostgreSQL does not keep the number of dimensions of an array, and so reflects one
    return VectorType(storage=item.storage, dimensions=item.dimensions, array_dimensions=1)
