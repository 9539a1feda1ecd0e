"""What finds the rows of a limited sub-select again in the caller's own statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import QueryableAttribute

from sqlalchemy_vecsearch.search.statements import leaves, reads_one_entity

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from sqlalchemy_vecsearch.search.searched import SearchedColumn
    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = ["entity_key", "identity_of"]


def entity_key(element: Any) -> tuple[Any, ...]:
    """Return the primary key of the entity, alias or table that a searched element belongs to."""
    if isinstance(element, QueryableAttribute):
        entity = element.parent
        mapper = entity.mapper
        owner = entity.entity
        return tuple(getattr(owner, mapper.get_property_by_column(column).key) for column in mapper.primary_key)
    return tuple(element.table.primary_key)


def identity_of(statement: Statement, searched: SearchedColumn) -> tuple[tuple[ColumnElement[Any], bool], ...] | None:
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
    for leaf, nullable in leaves(statement):
        key = tuple(leaf.primary_key)
        if not key:
            return None
        found += [(column, nullable and column not in own_columns) for column in key]
    return tuple(found)
