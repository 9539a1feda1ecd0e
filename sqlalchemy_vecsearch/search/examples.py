"""The stored rows and the vectors that a recommendation starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import Bit, HalfVector, SparseVector, Vector
from sqlalchemy import ColumnElement, select, tuple_, union_all
from sqlalchemy.orm import QueryableAttribute, aliased

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.identity import entity_key
from sqlalchemy_vecsearch.search.laterals import vector_rows
from sqlalchemy_vecsearch.search.queries import StoredEmbedding, can_be_compared
from sqlalchemy_vecsearch.search.subselects import inline, shared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import CTE

    from sqlalchemy_vecsearch.search.queries import Query
    from sqlalchemy_vecsearch.search.searched import SearchedColumn

__all__ = ["Examples", "examples_of"]


@dataclass(frozen=True, slots=True)
class Examples:
    """Primary keys of stored rows, and vectors."""

    identities: tuple[tuple[Any, ...], ...]
    vectors: tuple[Query, ...]

    def __bool__(self) -> bool:
        return bool(self.identities or self.vectors)

    def rows(self, searched: SearchedColumn, name: str) -> CTE:
        """Return all of them that can be compared as rows with one column, ``vector``, under a name."""
        parts = []
        if self.identities:
            keys, embedding = _other_row(searched)
            parts.append(select(embedding.label("vector")).where(among(keys, self.identities)))
        if self.vectors:
            parts.append(select(vector_rows(self.vectors, searched).c.vector))
        every = inline(union_all(*parts) if len(parts) > 1 else parts[0], f"every_{name}")
        return shared(select(every.c.vector).where(can_be_compared(every.c.vector, searched)), name)


def examples_of(given: Iterable[Any], searched: SearchedColumn) -> Examples:
    """Return what a caller gave, told apart: vectors are lists, arrays and expressions, and the rest are keys.

    A tuple is a key where the primary key has several columns, and a vector elsewhere.
    """
    width = len(entity_key(searched.element))
    identities: list[tuple[Any, ...]] = []
    vectors: list[Query] = []
    for item in given:
        if isinstance(item, StoredEmbedding):
            identities.append(item.identity)
        elif isinstance(item, tuple) and width > 1:
            identities.append(_whole(item, searched))
        elif isinstance(item, _VECTORS) or hasattr(item, "tocoo"):
            vectors.append(item)
        else:
            identities.append(_whole((item,), searched))
    return Examples(tuple(identities), tuple(vectors))


def among(keys: tuple[Any, ...], identities: Iterable[tuple[Any, ...]]) -> ColumnElement[bool]:
    """Return whether a row is one of several, in a form whose length does not change the compiled statement."""
    found: ColumnElement[bool]
    if len(keys) == 1:
        found = keys[0].in_([identity[0] for identity in identities])
    else:
        found = tuple_(*keys).in_(list(identities))
    return found


_VECTORS = (list, tuple, np.ndarray, Vector, HalfVector, SparseVector, Bit, ColumnElement, QueryableAttribute)


def _whole(identity: tuple[Any, ...], searched: SearchedColumn) -> tuple[Any, ...]:
    keys = entity_key(searched.element)
    if len(identity) == len(keys):
        return identity
    raise SearchError(
        f"The key {identity!r} has {len(identity)} parts, and the primary key of the rows of {searched.label!r} has "
        f"{len(keys)}. "
        "A stored row is found by its whole key. "
        f"Pass a tuple with a value for each of {', '.join(key.key for key in keys)}."
    )


def _other_row(searched: SearchedColumn) -> tuple[tuple[Any, ...], Any]:
    """Return the keys and the embedding of an alias of the searched rows, which cannot correlate with them."""
    element = searched.element
    if isinstance(element, QueryableAttribute):
        attribute = getattr(aliased(element.parent.mapper.class_), element.key)
        return entity_key(attribute), attribute
    table = searched.column.table.alias()
    return tuple(table.primary_key), table.c[searched.column.key]
