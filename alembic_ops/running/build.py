"""One build: its settings and its rows, and somebody who watches it."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from alembic_ops.catalog.server import count_rows, find_build_facts
from alembic_ops.catalog.tables import observe
from alembic_ops.catalog.unfit_rows import count_unfit_rows
from alembic_ops.model.build_settings import (
    build_settings,
    expected_spill,
    graph_bytes,
    refuse_unfit_rows,
    require_rows,
)
from alembic_ops.running.progress import reporter
from alembic_ops.running.session import settings
from alembic_ops.running.watching import watched
from sqlalchemy_vecsearch.methods import IVFFlat, lists_for
from sqlalchemy_vecsearch.quoting import qualified_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from alembic_ops.model.build import Build
    from alembic_ops.model.index_state import IndexDefinition
    from alembic_ops.operations import CreateVectorIndexOp
    from alembic_ops.running.session import Session

__all__ = ["BuildOrder", "build", "with_counted_lists"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOrder:
    """What is built, on which table, and with how much."""

    name: str
    table_name: str
    schema: str | None
    definition: IndexDefinition
    build: Build
    on_live_table: bool


def build(running: Session, order: BuildOrder, execute: Callable[[], None]) -> None:
    """Run a build with the settings that fit it, and report how far it is.

    In a transaction it has a savepoint, so that a build that the server gives up does not end the transaction.

    Raises:
        BuildError: an IVFFlat index would be trained on some rows, but fewer than it has lists; or rows have more
            elements than an index holds.
    """
    connection = running.connection
    table = qualified_name(order.schema, order.table_name)
    facts = find_build_facts(connection, table, order.definition)
    if facts is None:  # the server has the better words for a table that is gone
        execute()
        return
    if order.definition.method == IVFFlat.name and order.on_live_table:
        _require_rows_unless_empty(order, count_rows(connection, table))
    wished = build_settings(order.build, order.definition, facts)
    if wished:
        chosen = ", ".join(f"{name} = {value}" for name, value in wished.items())
        _LOG.info("building %s (about %s rows) with %s", order.name, f"{facts.rows:,}", chosen)
    if spill := expected_spill(order.build, order.definition, facts):
        _LOG.warning("building %s: %s", order.name, spill)
    hint = "each further row takes 5 to 6 times as long"
    needed = graph_bytes(order.definition, facts)
    if needed is not None:
        hint += f', which build=alembic_ops.Build(memory="{needed * 11 // 10 // 1024 // 1024 + 1}MB") avoids'
    with (
        settings(connection, wished, local=running.in_transaction),
        reporter(running.options) as report,
        watched(connection, index=order.name, report=report, hint=hint),
        connection.begin_nested() if running.in_transaction else nullcontext(),
    ):
        refuse_unfit_rows(
            count_unfit_rows(connection, table, order.definition),
            order.definition,
            name=order.name,
            table_name=order.table_name,
        )
        execute()


def _require_rows_unless_empty(order: BuildOrder, rows: int) -> None:
    """Let an empty table pass: there, all revisions run one after the other before the first row is loaded."""
    if rows:
        require_rows(order.definition, rows, name=order.name, table_name=order.table_name)
        return
    _LOG.warning(
        "The table %r is empty, so that the lists of %s have no rows to learn from. IVFFlat finds almost nothing of the"
        " rows that come later. Build the index again once they are loaded: op.rebuild_vector_index().",
        order.table_name,
        order.name,
    )


def with_counted_lists(connection: Connection, operation: CreateVectorIndexOp) -> CreateVectorIndexOp:
    """Return an operation whose number of lists follows from the rows, at the cost of a scan.

    Raises:
        BuildError: there are no rows to count.
    """
    facts = observe(connection, operation.table_name, operation.schema)
    if facts.table is None:
        return operation
    rows = count_rows(connection, qualified_name(facts.table.schema, facts.table.name))
    leaves = [one for one in facts.partitions if not one.partitioned]
    lists = lists_for(rows // max(1, len(leaves)))
    counted = replace(operation.definition, parameters=(("lists", lists),))
    if not rows:
        require_rows(counted, rows, name=operation.name, table_name=operation.table_name)
    return replace(operation, definition=counted)
