"""An embedding that is assigned to a mapped object brings the hash of its text, its model and its time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, String, TextClause, bindparam, event, inspect, update
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.attributes import set_attribute, set_committed_value
from sqlalchemy.sql import ClauseElement, visitors
from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch.columns import declaration_of
from sqlalchemy_vecsearch.embedding.comparing import key_is
from sqlalchemy_vecsearch.embedding.declared import embedded_column
from sqlalchemy_vecsearch.provenance import SEPARATOR

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import InstanceState

    from sqlalchemy_vecsearch.embedding.declared import EmbeddedColumn

__all__: list[str] = []

_ASSIGNED: Final = "sqlalchemy_vecsearch_assigned"
"""In the ``info`` of an object's state: embedding attribute -> the hash of the text that it had, None if unknown."""


@event.listens_for(Mapper, "mapper_configured")
def _listen(mapper: Mapper[Any], entity: type) -> None:
    """Listen to the embedding attributes with a source of each mapped class."""
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        declaration = declaration_of(column) if isinstance(column, Column) else None
        if declaration is None or declaration.source is None:
            continue
        found = embedded_column(column)
        mapped = {one for each in mapper.column_attrs for one in each.columns}
        needed = (found.source_hash, found.made_by, found.embedded_at, *_columns_of(found))
        if mapped.issuperset(needed):  # a class may leave columns of its table out
            _listen_to(mapper, entity, attribute.key, found)


def _listen_to(mapper: Mapper[Any], entity: type, key: str, found: EmbeddedColumn) -> None:
    keys = _Keys(mapper, found)

    def assigned(target: object, value: Any, *_: object) -> None:
        state: InstanceState[Any] = inspect(target)
        if value is None or isinstance(value, ClauseElement):  # a vector of the server's is of an unknown text
            state.info.get(_ASSIGNED, {}).pop(key, None)
            keys.set(target, None, None, None)
            return
        text_hash = keys.hash_of_values(state.dict)
        state.info.setdefault(_ASSIGNED, {})[key] = text_hash
        keys.set(target, text_hash, found.model, datetime.now(UTC))

    def flushing(_: object, __: object, target: object) -> None:
        state: InstanceState[Any] = inspect(target)
        waiting = state.info.get(_ASSIGNED, {})
        if key in waiting and state.dict.get(keys.source_hash) is None:
            known = waiting[key]
            text_hash = known if known is not None else keys.hash_at_flush(state)
            if text_hash is not None:
                keys.set(target, text_hash, found.model, datetime.now(UTC))
        waiting.pop(key, None)

    def flushed(_: object, connection: Connection, target: object) -> None:
        state: InstanceState[Any] = inspect(target)
        if key in state.info.get(_ASSIGNED, {}):
            state.info[_ASSIGNED].pop(key)
            if state.dict.get(keys.source_hash) is None:
                keys.hash_in_row(connection, target)

    event.listen(getattr(entity, key), "set", assigned)
    by_text = isinstance(found.source, TextClause)  # its columns are not known, so only the row itself has its text
    for when, listener in (("after", flushed),) if by_text else (("before", flushing),):
        event.listen(mapper, f"{when}_insert", listener)
        event.listen(mapper, f"{when}_update", listener)


class _Keys:
    """The attributes of a mapped class that hold the texts of an embedding and its provenance."""

    def __init__(self, mapper: Mapper[Any], found: EmbeddedColumn) -> None:
        self.found = found
        self.source_hash = mapper.get_property_by_column(found.source_hash).key
        self.model = mapper.get_property_by_column(found.made_by).key
        self.embedded_at = mapper.get_property_by_column(found.embedded_at).key
        self.keys = {column: mapper.get_property_by_column(column).key for column in _columns_of(found)}
        self.plain = isinstance(found.source, tuple) and all(
            isinstance(column.type, String) and not isinstance(column.type, TypeDecorator) for column in self.keys
        )

    def set(self, target: object, text_hash: Any, model: str | None, at: datetime | None) -> None:
        for key, value in ((self.source_hash, text_hash), (self.model, model), (self.embedded_at, at)):
            set_attribute(target, key, value)

    def hash_of_values(self, values: dict[str, Any]) -> str | None:
        """Return the hash of the text of an object, None where its parts are not all here as texts."""
        parts = [values.get(key, _ABSENT) for key in self.keys.values()]
        if not self.plain or not all(part is None or isinstance(part, str) for part in parts):
            return None
        return self.found.hash_of(SEPARATOR.join(part or "" for part in parts))

    def hash_at_flush(self, state: InstanceState[Any]) -> Any:
        """Return the hash as an SQL expression over the values that are written, None where they are not known.

        An object that is in the database is read there for what it has not loaded, and so has not changed either.
        """
        values = {key: state.dict.get(key, _ABSENT) for key in self.keys.values()}
        if not state.persistent:
            values = {key: None if value is _ABSENT else value for key, value in values.items()}
            if any(values[key] is None and _has_default(column) for column, key in self.keys.items()):
                return None

        def written(element: Any, **_: Any) -> Any:  # any part of an expression
            value = values.get(self.keys.get(element, ""), _ABSENT) if isinstance(element, Column) else _ABSENT
            if value is _ABSENT or isinstance(value, ClauseElement):
                return value if isinstance(value, ClauseElement) else None
            return bindparam(None, value, type_=element.type)

        return visitors.replacement_traverse(self.found.text_hash, {}, written)

    def hash_in_row(self, connection: Connection, target: object) -> None:
        """Let the server hash the text of a row that it has now, in a statement of its own."""
        found, mapper = self.found, inspect(type(target))
        row = [getattr(target, mapper.get_property_by_column(column).key) for column in found.key]
        hashed = (
            update(found.table)
            .where(key_is(found.key, row), found.column.is_not(None))
            .values({found.source_hash: found.text_hash, found.made_by: found.model})
            .returning(found.source_hash)
        )
        for key, value in ((self.source_hash, connection.scalar(hashed)), (self.model, found.model)):
            set_committed_value(target, key, value)


_ABSENT: Final = object()


def _has_default(column: Column[Any]) -> bool:
    return column.default is not None or column.server_default is not None


def _columns_of(found: EmbeddedColumn) -> list[Column[Any]]:
    """Return the columns of the source, in their order."""
    if isinstance(found.source, tuple):
        by_name = {name: column for column in found.table.c for name in (column.key, column.name)}
        return [by_name[name] for name in found.source]
    return [one for one in visitors.iterate(found.text) if isinstance(one, Column)]
