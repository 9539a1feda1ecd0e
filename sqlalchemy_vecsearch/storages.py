"""The storage of a column type, in both directions: what holds vectors, however the type is declared."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from pgvector import sqlalchemy as pgvector_types
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.quoting import DIALECT
from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy_vecsearch.types.decorators import before_sending

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

__all__ = [
    "VectorForm",
    "ddl_of",
    "dimensions_of",
    "is_vector_type",
    "plain_value",
    "storage_of",
    "storage_type",
    "vector_form",
]


class VectorForm(NamedTuple):
    """A vector type as a value; ``dimensions`` is None where it declares none."""

    storage: Storage
    dimensions: int | None

    def __str__(self) -> str:
        return self.storage.value if self.dimensions is None else f"{self.storage.value}({self.dimensions})"


@lru_cache(maxsize=1024)
def vector_form(type_: TypeEngine[Any]) -> VectorForm | None:
    """Return what a column type is to PostgreSQL as a vector type, or None for other types.

    The types of ``pgvector.sqlalchemy`` and PostgreSQL's own ``BIT`` count as much as ours. Type decorators and
    variants are looked through, and an application's own type is known by its DDL, such as ``vector(384)``.
    """
    held = type_.dialect_impl(DIALECT)
    while True:
        if not type(held).__module__.startswith(_KNOWN_BY_CLASS) and (form := _form_of_ddl(held)) is not None:
            return form
        for family, storage in _STORAGES:
            if isinstance(held, family):
                varying = isinstance(held, postgresql.BIT) and held.varying
                return None if varying else VectorForm(storage, _declared_dimensions(held, storage))
        if not isinstance(held, TypeDecorator):
            return None
        held = held.impl_instance


_KNOWN_BY_CLASS: Final = ("sqlalchemy.", "pgvector.", "sqlalchemy_vecsearch.")
"""Where the classes come from that need not be compiled to know what they are."""


def storage_of(type_: TypeEngine[Any]) -> Storage | None:
    """Return the storage that a column type holds vectors in, or None for other types, as :func:`vector_form` does."""
    form = vector_form(type_)
    return None if form is None else form.storage


def dimensions_of(type_: TypeEngine[Any]) -> int | None:
    """Return the number of dimensions that a vector type declares, None when it declares none."""
    form = vector_form(type_)
    return None if form is None else form.dimensions


def storage_type(storage: Storage, dimensions: int | None, **arguments: Any) -> TypeEngine[Any]:
    """Return the column type of a storage; ``arguments`` go to its constructor."""  # Any: the types differ in them
    made: TypeEngine[Any] = _TYPES[storage](dimensions, **arguments)
    return made


def is_vector_type(type_: TypeEngine[Any]) -> bool:
    """Return whether a type is one of pgvector's or ours itself, and not one that only holds vectors."""
    return isinstance(type_, _FAMILIES)


def plain_value(type_: TypeEngine[Any], value: Any) -> Any:  # Any: whatever the application stores there
    """Return the vector that an application's own type decorators make of a value before it is sent."""
    held = type_.dialect_impl(DIALECT)
    while isinstance(held, TypeDecorator) and not isinstance(held, _FAMILIES):
        value = before_sending(held, DIALECT)(value)
        held = held.impl_instance
    return value


_STORAGES: Final[tuple[tuple[type[TypeEngine[Any]], Storage], ...]] = (
    (pgvector_types.VECTOR, Storage.VECTOR),
    (pgvector_types.HALFVEC, Storage.HALFVEC),
    (pgvector_types.SPARSEVEC, Storage.SPARSEVEC),
    (pgvector_types.BIT, Storage.BIT),
    (postgresql.BIT, Storage.BIT),
)

_FAMILIES: Final = tuple(family for family, _ in _STORAGES)

_TYPES: Final[dict[Storage, Any]] = {  # Any: the constructors differ in their keywords
    Storage.VECTOR: VECTOR,
    Storage.HALFVEC: HALFVEC,
    Storage.SPARSEVEC: SPARSEVEC,
    Storage.BIT: BIT,
}

_DDL: Final = re.compile(
    r'(?:(?:"[^"]+"|\w+)\.)?"?(vector|halfvec|sparsevec|bit)"?\s*(?:\(\s*(\d+)\s*\))?', re.IGNORECASE
)

_READ: Final[WeakKeyDictionary[TypeEngine[Any], VectorForm | None]] = WeakKeyDictionary()
"""What the DDL of an application's own types says; compiling it costs 20 microseconds."""


def _declared_dimensions(held: TypeEngine[Any], storage: Storage) -> int | None:
    bare = getattr(held, "impl_instance", held)  # BIT of pgvector-python is a decorator since 0.5
    size: int | None = getattr(bare, "length" if storage is Storage.BIT else "dim", None)
    return size


def ddl_of(type_: TypeEngine[Any]) -> str | None:
    """Return the SQL that a type compiles to, None where it has none for PostgreSQL."""
    try:
        return str(type_.compile(dialect=DIALECT))
    except Exception:  # noqa: BLE001  # an application's class may raise anything, and what it cannot say is not known
        return None


def _form_of_ddl(held: TypeEngine[Any]) -> VectorForm | None:
    if held not in _READ:
        found = _DDL.fullmatch((ddl_of(held) or "").strip())
        size = None if found is None or found[2] is None else int(found[2])
        _READ[held] = None if found is None else VectorForm(Storage.of(found[1].lower()), size)
    return _READ[held]
