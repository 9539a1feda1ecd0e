"""What has to change so that the database has the wished indexes: (current, wished) -> sorted changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from alembic_ops.catalog.normalize import needs_server
from alembic_ops.model.differences import added_index, changed_index, removed_index, renamed_index

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alembic_ops.model.index_state import IndexDefinition, IndexState

__all__ = [
    "Change",
    "CreateIndex",
    "DropIndex",
    "IndexBeingBuilt",
    "IndexLeftOver",
    "RebuildIndex",
    "RenameIndex",
    "differing_in_print",
    "in_words",
    "index_changes",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateIndex:
    """An index is declared that the database does not have."""

    wished: IndexState


@dataclass(frozen=True, slots=True, kw_only=True)
class DropIndex:
    """The database has an index that is not declared any more."""

    current: IndexState


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildIndex:
    """An index has another definition than is declared, or the same one and is INVALID."""

    current: IndexState
    wished: IndexState


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameIndex:
    """A declared index is there under another name."""

    current: IndexState
    wished: IndexState


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexBeingBuilt:
    """A backend is building or rebuilding this index now: it is for nobody else to touch."""

    current: IndexState


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexLeftOver:
    """An INVALID index that no declaration asks for: what a cancelled concurrent build or drop left behind."""

    current: IndexState


Change: TypeAlias = CreateIndex | DropIndex | RebuildIndex | RenameIndex | IndexBeingBuilt | IndexLeftOver

_ORDER: Final = (IndexBeingBuilt, IndexLeftOver, RenameIndex, CreateIndex, RebuildIndex, DropIndex)


def index_changes(current: Iterable[IndexState], wished: Iterable[IndexState]) -> list[Change]:
    """Return the changes from the current to the wished indexes, new ones before the dropping of old ones.

    Both sides must be canonical. A name that is both gone and new with one definition on one table is a rename.
    """
    here = {_key(state): state for state in current}
    there = {_key(state): state for state in wished}
    changes: list[Change] = []
    for key in here.keys() & there.keys():
        changes.extend(_of_both(here[key], there[key]))
    gone = [here[key] for key in sorted(here.keys() - there.keys(), key=_sortable)]
    new = {key: there[key] for key in sorted(there.keys() - here.keys(), key=_sortable)}
    changes.extend([_of_gone(state, new) for state in gone])
    changes.extend(CreateIndex(wished=state) for state in new.values())
    return sorted(changes, key=_order)


def in_words(change: Change) -> str | None:
    """Return what ``Detected`` stands before in the log, None where something else is said of the change."""
    match change:
        case CreateIndex(wished=state):
            return added_index(state.schema, state.table_name, state.name)
        case DropIndex(current=state):
            return removed_index(state.schema, state.table_name, state.name)
        case RenameIndex(current=state, wished=wished):
            return renamed_index(state.schema, state.table_name, state.name, wished.name)
        case RebuildIndex(current=state, wished=wished) if state.definition != wished.definition:
            return changed_index(state.schema, state.table_name, state.name, state.definition, wished.definition)
        case RebuildIndex(current=state) if not state.valid:
            return changed_index(state.schema, state.table_name, state.name, state.definition, None)
        case _:
            return None


_Key: TypeAlias = tuple[str | None, str, str]


def _key(state: IndexState) -> _Key:
    return state.schema, state.table_name, state.name


def _sortable(key: _Key) -> tuple[str, str, str]:
    return key[0] or "", key[1], key[2]


def _of_both(current: IndexState, wished: IndexState) -> list[Change]:
    if current.building:
        return [IndexBeingBuilt(current=current)]
    usable = current.valid or current.partitioned
    if usable and current.definition == wished.definition:
        return []
    return [RebuildIndex(current=current, wished=wished)]


def _of_gone(state: IndexState, new: dict[_Key, IndexState]) -> Change:
    if state.building:
        return IndexBeingBuilt(current=state)
    if not state.valid and not state.partitioned:
        return IndexLeftOver(current=state)
    for key, wished in new.items():
        if (state.schema, state.table_name) == key[:2] and state.definition == wished.definition:
            del new[key]
            return RenameIndex(current=state, wished=wished)
    return DropIndex(current=state)


def _order(change: Change) -> tuple[int, str, str, str]:
    state = change.wished if isinstance(change, CreateIndex) else change.current
    return _ORDER.index(type(change)), state.schema or "", state.table_name, state.name


def differing_in_print(states: Iterable[IndexState], others: Iterable[IndexState]) -> list[IndexState]:
    """Return the states that the other side does not have, but has on the same table with another SQL.

    It is worth asking the server for these once more. What it prints of an index is SQL again, and for some SQL it
    prints something else when it reads its own print: ``kind IN ('a', 'b')`` on a ``varchar`` comes back as an array
    that is cast, and that as an array of casts. A revision holds the first print, the index that it creates the second.
    Both sides must be canonical.
    """
    definitions = {(*_table(other), other.definition) for other in others}
    alike = {(*table, _without_sql(definition)) for *table, definition in definitions if needs_server(definition)}
    return [
        state
        for state in states
        if needs_server(state.definition)
        and (*_table(state), state.definition) not in definitions
        and (*_table(state), _without_sql(state.definition)) in alike
    ]


def _table(state: IndexState) -> tuple[str | None, str]:
    return state.schema, state.table_name


def _without_sql(definition: IndexDefinition) -> IndexDefinition:
    """Return the rest of a definition, which says still whether it has an expression and a predicate."""
    return replace(
        definition,
        expression=definition.expression and "",
        predicate=definition.predicate and "",
    )
