"""What finds the rows of a limited sub-select again in the caller's own statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import CTE, BinaryExpression, Boolean, Select, Subquery
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql import operators

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.building.comparing import equal, equal_or_both_null, has_operators_of_its_own
from sqlalchemy_vecsearch.search.building.subselects import column_of
from sqlalchemy_vecsearch.selects import as_clause, leaves, reads_one_entity, stored_element

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, FromClause, Label
    from sqlalchemy.orm import Mapper
    from sqlalchemy.types import TypeEngine

    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["RowKeys", "entity_key", "identity_of", "mapped_key", "row_keys"]


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
    def typed(self) -> tuple[tuple[str, TypeEngine[Any]], ...]:
        """The names with the types of the columns."""
        return tuple((name, as_clause(column).type) for name, (column, _) in self._named)

    @property
    def _named(self) -> Iterator[tuple[str, tuple[ColumnElement[Any], bool]]]:
        return zip(self.names, self.columns, strict=True)

    @property
    def labelled(self) -> tuple[Label[Any], ...]:
        """The columns under these names."""
        return tuple(column.label(name) for name, (column, _) in self._named)

    def matching(self, rows: FromClause) -> list[ColumnElement[bool]]:
        """Return the conditions that find the rows of a sub-select again in the statement itself."""
        found: list[ColumnElement[bool]] = []
        for name, (column, nullable) in self._named:
            type_ = as_clause(column).type
            other = column_of(rows, name, type_)
            found.append(equal_or_both_null(column, other) if nullable else _equal(column, other, type_))
        return found


def _equal(column: Any, other: ColumnElement[Any], type_: TypeEngine[Any]) -> ColumnElement[bool]:
    """Return ``column = other``, made directly where it can be: to dispatch the operator takes three times as long."""
    if not has_operators_of_its_own(type_):
        return equal(column, other)
    return BinaryExpression(as_clause(column), other, operators.eq, _BOOLEAN, operators.ne)


_BOOLEAN: Final = Boolean()


def entity_key(element: Any) -> tuple[Any, ...]:
    """Return the primary key of the entity, alias or table that a searched element belongs to."""
    stored = stored_element(element)
    if not isinstance(stored, QueryableAttribute):
        return _key_of(stored.table)
    if stored.parent.is_aliased_class and not _key_of(stored.parent.selectable):
        return ()
    return mapped_key(stored.parent.entity, stored.parent.mapper)


def mapped_key(entity: Any, mapper: Mapper[Any]) -> tuple[Any, ...]:  # Any: a mapped class or an alias of one
    """Return the attributes of an entity that are its primary key."""
    return tuple(getattr(entity, mapper.get_property_by_column(column).key) for column in mapper.primary_key)


def _key_of(source: FromClause) -> tuple[ColumnElement[Any], ...]:
    """Return the columns that tell the rows of a table or a sub-select apart, none where that is not known.

    SQLAlchemy says of a sub-select which columns of primary keys it selects: these can be a part of a key, or that of
    one table among several that are joined, whose rows then come more than once. All of all keys are needed, none NULL.
    """
    key = tuple(source.primary_key)
    if not isinstance(source, Subquery | CTE):
        return key
    if not isinstance(source.element, Select):
        return ()
    read = [(_key_of(leaf), nullable) for leaf, nullable in leaves(source.element)]
    selected = {proxied for column in key for proxied in column.proxy_set}
    told = all(within and not nullable and selected.issuperset(within) for within, nullable in read)
    return key if told else ()


def identity_of(statement: Statement, searched: Searched) -> tuple[tuple[ColumnElement[Any], bool], ...] | None:
    """Return the columns that tell each row of the statement from every other, and whether each may be NULL.

    That is the primary key of the searched entity, and with joins the keys of everything that is joined: a document
    that a join returns three times is three rows. None means that something in FROM has no key, such as a function or
    a part of one.
    """
    own = entity_key(searched.element)
    if reads_one_entity(statement):
        return tuple((column, False) for column in own) or None
    own_columns = {getattr(column, "expression", column) for column in own}
    found: list[tuple[ColumnElement[Any], bool]] = []
    for leaf, nullable in leaves(statement, *own):
        key = _key_of(leaf)
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
            "The rows that the index finds are taken in a sub-select and found again by their keys, and a function, a "
            "keyless table or a sub-select that does not select the whole key of what it reads has none. "
            "Search first and join to the result, write the join as an EXISTS, declare the primary key of a table that "
            "has one, or pass exact=True."
        )
    return RowKeys(identity)
