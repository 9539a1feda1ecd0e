"""Runs the operations on columns of vectors: add one, swap two."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from alembic_ops.catalog.columns import find_table, observe_column
from alembic_ops.catalog.reembedding import find_schemas
from alembic_ops.offline.column_addition import addition_script
from alembic_ops.offline.column_swap import swap_script
from alembic_ops.planning.column_addition import addition_step
from alembic_ops.planning.column_settings import not_null_check
from alembic_ops.planning.column_swap import exchange_of, needs_proof
from alembic_ops.running.advisory_lock import advisory_lock
from alembic_ops.running.check_proofs import prove_exchange
from alembic_ops.running.column_exchange import again_where_changed, exchange_columns, planned_exchange
from alembic_ops.running.column_steps import act_on_column
from alembic_ops.running.exchange_look import look_before_exchange
from alembic_ops.running.loop import take_steps
from alembic_ops.running.session import Session, print_script, session
from sqlalchemy_vecsearch.quoting import qualified_name

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from alembic.operations import Operations

    from alembic_ops.model.column_exchange import ColumnExchange
    from alembic_ops.operations import AddEmbeddingColumnOp, SwapEmbeddingColumnsOp

__all__ = ["perform_add_embedding_column", "perform_swap_embedding_columns"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


def perform_add_embedding_column(operations: Operations, operation: AddEmbeddingColumnOp) -> None:
    """Add a column, or make one that is there NOT NULL."""
    if operations.migration_context.as_sql:
        print_script(operations, addition_script(operation), in_transaction=True)
        return
    table = qualified_name(operation.schema, operation.table_name)
    with session(operations, operation, in_transaction=False) as running, _turn_on(running, operation):
        take_steps(
            operation,
            look=partial(
                observe_column,
                running.connection,
                table,
                operation.column.name,
                check=not_null_check(operation.table_name, operation.column.name),
                look_for_rows=not operation.column.nullable and operation.column.server_default is None,
            ),
            decide=partial(addition_step, operation),
            act=partial(act_on_column, running),
        )


def perform_swap_embedding_columns(operations: Operations, operation: SwapEmbeddingColumnsOp) -> None:
    """Let two columns exchange names, in the transaction that also changes the version of the database."""
    if operations.migration_context.as_sql:
        print_script(operations, swap_script(operation), in_transaction=True)
        return
    exchange = exchange_of(operation)
    with session(operations, operation, in_transaction=True) as running:
        schemas = find_schemas(running.connection, {"table": exchange.table})
        exchange = replace(exchange, schema=schemas["table"])  # or it means it on this search path only
        before = look_before_exchange(running, exchange)
    if needs_proof(exchange, before):
        with session(operations, operation, in_transaction=False) as running, _turn_on(running, operation):
            prove_exchange(running, operation, exchange)
    with session(operations, operation, in_transaction=True) as running, _turn_on(running, operation):
        number = before.relations[0].columns[exchange.replacement].number
        again_where_changed(partial(_swap, running, operation, exchange, number), table_name=operation.table_name)


def _turn_on(
    running: Session, operation: AddEmbeddingColumnOp | SwapEmbeddingColumnsOp
) -> AbstractContextManager[None]:
    found = find_table(running.connection, qualified_name(operation.schema, operation.table_name))
    return advisory_lock(running, None if found is None else found[0], subject=f"the table {operation.table_name!r}")


def _swap(
    running: Session, operation: SwapEmbeddingColumnsOp, exchange: ColumnExchange, number_of_replacement: int
) -> None:
    """Where the names have moved since the run began, another process has swapped: a second swap would undo it."""
    with planned_exchange(running, exchange) as planned:
        if planned.facts.relations[0].columns[exchange.live].number == number_of_replacement:
            _LOG.info("%s: another process has done it meanwhile", operation.describe())
            return
        running.shortly(
            partial(exchange_columns, running, planned), table_name=exchange.table_name, schema=exchange.schema
        )
