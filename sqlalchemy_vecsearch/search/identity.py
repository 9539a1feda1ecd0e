"""What finds the rows of a limited sub-select again in the caller's own statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.orm import QueryableAttribute

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.statements import leaves, only_columns, reads_one_entity

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause, Label

    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = ["RowKeys", "entity_key", "identity_of", "row_keys"]


class Searched(Protocol):
    """A column that is searched, with its name for messages."""

    @property
    def element(self) -> Any: ...  # Any: a mapped attribute or a column
    @property
    def label(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RowKeys:
    """The columns that tell each row of a statement from every other, and whether each may be NULL."""

    columns: tuple[tuple[ColumnElement[Any], bool], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the columns have in a sub-select."""
        return tuple(f"key_{number}" for number in range(len(self.columns)))

    @property
    def labelled(self) -> tuple[Label[Any], ...]:
        """The columns under these names."""
        return tuple(column.label(name) for name, (column, _) in zip(self.names, self.columns, strict=True))

    def matching(self, rows: FromClause) -> list[ColumnElement[bool]]:
        """Return the conditions that find the rows of a sub-select again in the statement itself."""
        return [
            column.is_not_distinct_from(rows.c[name]) if nullable else column == rows.c[name]
            for name, (column, nullable) in zip(self.names, self.columns, strict=True)
        ]


def entity_key(element: Any) -> tuple[Any, ...]:
    """Return the primary key of the entity, alias or table that a searched element belongs to."""
    if isinstance(element, QueryableAttribute):
        entity = element.parent
        mapper = entity.mapper
        owner = entity.entity
        return tuple(getattr(owner, mapper.get_property_by_column(column).key) for column in mapper.primary_key)
    return tuple(element.table.primary_key)


def identity_of(statement: Statement, searched: Searched) -> tuple[tuple[ColumnElement[Any], bool], ...] | None:
    """Return the columns that tell each row of the statement from every other, and whether each may be NULL.

    That is the primary key of the searched entity, and with joins the keys of everything that is joined: a document
    that a join returns three times is three rows. None means that something in FROM has no key, such as a sub-select
    or a function.
    """
    own = entity_key(searched.element)
    if reads_one_entity(statement):
        return tuple((column, False) for column in own) or None
    own_columns = {getattr(column, "expression", column) for column in own}
    found: list[tuple[ColumnElement[Any], bool]] = []
    for leaf, nullable in leaves(only_columns(statement, *own)):  # without the joins of eager loaders
        key = tuple(leaf.primary_key)
        if not key:
            return None
        found += [(column, nullable and column not in own_columns) for column in key]
    return tuple(found)


def row_keys(statement: Statement, searched: Searched) -> RowKeys:
    """Return the keys of a statement's rows.

    Raises:
        SearchError: the statement reads something that has no key.
    """
    identity = identity_of(statement, searched)
    if identity is None:
        raise SearchError(
            f"The statement that searches {searched.label!r} reads something without a primary key. "
            "The rows that the index finds are taken in a sub-select and found again by their keys, and a sub-select, "
            "a function or a keyless table has none. "
            "Search first and join to the result, write the join as an EXISTS, or pass exact=True."
        )
    return RowKeys(identity)
