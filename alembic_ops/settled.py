"""Which indexes may differ only in how the server prints their SQL, so that it is worth asking it once more. Pure.

What the server prints of an index is SQL again, and for some SQL it prints something else when it reads its own print:
``kind IN ('a', 'b')`` on a ``varchar`` comes back as an array that is cast, and that as an array of casts. A revision
holds the first print, and the index that it creates has the second.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from alembic_ops.canonical import needs_server

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alembic_ops.state import IndexDefinition, IndexState

__all__ = ["doubtful"]


def doubtful(states: Iterable[IndexState], others: Iterable[IndexState]) -> list[IndexState]:
    """Return the states that the other side does not have, but has on the same table with another SQL.

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
