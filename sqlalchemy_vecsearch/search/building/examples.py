"""The stored rows and the vectors that a recommendation starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pgvector import Bit, HalfVector, SparseVector, Vector
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    TupleType,
    and_,
    any_,
    bindparam,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import QueryableAttribute

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.building.column import SearchedColumn
from sqlalchemy_vecsearch.search.building.comparing import equal, equal_to_any, has_operators_of_its_own
from sqlalchemy_vecsearch.search.building.deferred import Deferred
from sqlalchemy_vecsearch.search.building.laterals import rows_of_vectors, sent_vectors
from sqlalchemy_vecsearch.search.building.query_vector import StoredEmbedding, can_be_compared, plain_key, sent_key
from sqlalchemy_vecsearch.search.building.row_keys import entity_key
from sqlalchemy_vecsearch.search.building.subselects import filtered_first, inline, shared
from sqlalchemy_vecsearch.selects import as_clause, stored_element

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import CTE

    from sqlalchemy_vecsearch.search.building.column import Declared
    from sqlalchemy_vecsearch.search.building.query_vector import Query
    from sqlalchemy_vecsearch.search.building.subselects import Selected

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
        sought = _sought(searched, self.identities) if self.identities else []
        vectors = sent_vectors(self.vectors, searched) if self.vectors else []
        form = _Rows(searched.declared, name, len(sought))
        parts = [as_clause(searched.element), *sought, *vectors]
        return shared(Deferred(form, parts, [("vector", searched.type)]), name)


@dataclass(frozen=True, slots=True)
class _Rows:
    """How the rows of some examples are read."""

    declared: Declared
    name: str
    sought: int

    def __call__(self, element: Any, *given: Any) -> Selected:
        """Return the SELECT of their vectors."""
        searched = SearchedColumn(element, stored_element(element), self.declared)
        sought, vectors = given[: self.sought], given[self.sought :]
        selects = [_stored(searched, sought)] if sought else []
        if vectors:
            selects.append(select(rows_of_vectors(vectors, searched).c.vector))
        every = inline(union_all(*selects) if len(selects) > 1 else selects[0], f"every_{self.name}")
        return select(every.c.vector).where(can_be_compared(every.c.vector, searched))


def _sought(searched: SearchedColumn, identities: tuple[tuple[Any, ...], ...]) -> list[ColumnElement[Any]]:
    """Return the parameters by which the stored rows are found, of which :func:`_stored` makes the condition."""
    keys = [as_clause(key) for key in entity_key(searched.element)]
    if len(keys) == 1:
        return [_key_array(keys[0], identities)]
    if all(has_operators_of_its_own(key.type) for key in keys):
        return [bindparam(None, list(identities), TupleType(*(key.type for key in keys)), unique=True, expanding=True)]
    return [sent_key(key, value) for identity in identities for key, value in zip(keys, identity, strict=True)]


def _stored(searched: SearchedColumn, sought: Sequence[Any]) -> Select[Any]:
    """Return the vectors of the stored rows, read from an alias, which cannot correlate with the searched rows."""
    stored, embedding = searched.of_another_row()
    keys = entity_key(stored)
    if len(keys) == 1:
        found = equal_to_any(keys[0], any_(sought[0]))
    elif len(sought) == 1:
        found = tuple_(*keys).in_(sought[0])
    else:
        identities = (sought[place : place + len(keys)] for place in range(0, len(sought), len(keys)))
        found = or_(*(and_(*map(equal, keys, identity)) for identity in identities))
    return filtered_first(select(embedding.label("vector")).where(found), embedding)


def _key_array(key: Any, identities: Iterable[tuple[Any, ...]]) -> ColumnElement[Any]:
    return literal([identity[0] for identity in identities], ARRAY(key.type))


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
            identities.append(_whole(tuple(map(plain_key, item)), searched))
        elif isinstance(item, _VECTORS) or hasattr(item, "tocoo"):
            vectors.append(item)
        else:
            identities.append(_whole((plain_key(item),), searched))
    return Examples(tuple(identities), tuple(vectors))


def among(keys: tuple[Any, ...], identities: Iterable[tuple[Any, ...]]) -> ColumnElement[bool]:
    """Return whether a row is one of several, in a form whose length does not change the compiled statement.

    A single key is compared with an array, which is one parameter however many there are; keys of several columns are
    a parameter each. Where one of these is text, there is a condition for each key: IN looks for its operator on the
    search path.

    Raises:
        SearchError: there are more parameters than one statement can have.
    """
    every = list(identities)
    if len(keys) == 1:
        return equal_to_any(keys[0], any_(_key_array(keys[0], every)))
    if len(every) * len(keys) > _MOST_PARAMETERS:
        raise SearchError(
            f"There are {len(every):,} keys of {len(keys)} columns to look for. "
            f"Each column of each is a parameter, and PostgreSQL takes {_MOST_PARAMETERS:,} in one statement. "
            "Pass fewer keys, or an average of their vectors."
        )
    if all(has_operators_of_its_own(key.type) for key in keys):
        return tuple_(*keys).in_(every)
    return or_(*(and_(*map(equal, keys, identity)) for identity in every))


_MOST_PARAMETERS: Final = 60_000
"""The protocol counts parameters in 16 bits, 65,535 of them; the rest of a search has some of its own."""


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
