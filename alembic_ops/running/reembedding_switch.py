"""Runs the switch of searches to the new column of a job, and the switch back."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from alembic_ops.catalog.reembedding import find_parts
from alembic_ops.offline.reembedding_switch import swap_back_script, swap_script
from alembic_ops.planning.job_columns import job_columns, require_job_columns
from alembic_ops.planning.job_renaming import rename_statements, renaming_of
from alembic_ops.planning.reembedding_switch import (
    COUNTED,
    chosen_mode,
    is_switched,
    is_switched_back,
    refuse_left,
    refuse_not_ready,
    refuse_pending,
    refuse_stale,
    refuse_switched_since,
    stale_condition,
)
from alembic_ops.running.check_proofs import prove_constraints
from alembic_ops.running.column_exchange import (
    Bound,
    ChangedMeanwhile,
    again_where_changed,
    exchange_columns,
    planned_exchange,
)
from alembic_ops.running.reembedding_job import (
    count_rows_that,
    job_named,
    journal_errors,
    look_at_job,
    refusals_exchanged,
    require_again,
    turn_on_job,
)
from alembic_ops.running.session import print_script, session
from sqlalchemy_vecsearch.embedding.journal_moves import Move, make

if TYPE_CHECKING:
    from alembic.operations import Operations

    from alembic_ops.operations import SwapEmbeddingBackOp, SwapEmbeddingOp
    from alembic_ops.planning.job_columns import JobColumns, JobFacts
    from alembic_ops.planning.job_renaming import Renaming
    from alembic_ops.running.session import Session
    from sqlalchemy_vecsearch.embedding.journal import SwitchMode

__all__ = ["perform_swap_embedding", "perform_swap_embedding_back"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


def perform_swap_embedding(operations: Operations, operation: SwapEmbeddingOp) -> None:
    """Switch searches to the new column of a job, or finish what an earlier attempt has left."""
    if operations.migration_context.as_sql:
        print_script(operations, swap_script(operation), in_transaction=False)
        return
    with session(operations, operation, in_transaction=False) as running:
        job = job_named(running, operation.job, operation.schema)
        with turn_on_job(running, job, operation.schema):
            facts = look_at_job(running, operation.job, operation.schema)
            columns = job_columns(facts.job, facts.attributes)
            if is_switched(operation, facts):
                _LOG.info("%s: the job is %s already", operation.describe(), facts.job.state)
            else:
                require_job_columns(facts, columns)
                again_where_changed(
                    partial(_switch, running, operation, facts, columns), table_name=facts.job.table_name
                )
            require_again(running, operation, operation.job, operation.schema)


def perform_swap_embedding_back(operations: Operations, operation: SwapEmbeddingBackOp) -> None:
    """Switch searches back to the former column of a job, or finish what an earlier attempt has left."""
    if operations.migration_context.as_sql:
        print_script(operations, swap_back_script(operation), in_transaction=False)
        return
    with session(operations, operation, in_transaction=False) as running:
        job = job_named(running, operation.job, operation.schema)
        with turn_on_job(running, job, operation.schema):
            facts = look_at_job(running, operation.job, operation.schema)
            columns = job_columns(facts.job, facts.attributes)
            if is_switched_back(operation, facts):
                _LOG.info("%s: the job is %s, and searches use %r", operation.describe(), facts.job.state, columns.old)
            else:
                require_job_columns(facts, columns)
                again_where_changed(
                    partial(_switch_back, running, operation, facts, columns), table_name=facts.job.table_name
                )
            require_again(running, operation, operation.job, operation.schema)


def _switch(running: Session, operation: SwapEmbeddingOp, facts: JobFacts, columns: JobColumns) -> None:
    pending, bound = 0, None
    if facts.pending is not None and facts.pending.usable:  # which refuse_not_ready refuses
        bound = Bound(condition=f"({facts.pending.condition})", most=operation.max_pending)
        pending = count_rows_that(running, facts, bound.condition, most=max(COUNTED, bound.most))
    refuse_not_ready(facts, columns, pending)
    refuse_left(facts, columns)
    refuse_pending(operation, pending)
    if chosen_mode(operation, facts, columns) == "pointer":
        _point(running, facts, Move.SWAP, bound)
    else:
        renaming = renaming_of(facts, columns, published=operation.published, forward=True)
        _rename(running, facts, renaming, Move.SWAP, bound)
    _LOG.info("%s: %s rows are pending; searches use %r", operation.describe(), f"{pending:,}", columns.new)


def _switch_back(running: Session, operation: SwapEmbeddingBackOp, facts: JobFacts, columns: JobColumns) -> None:
    refuse_switched_since(facts, columns)
    condition = stale_condition(facts, columns)
    stale = count_rows_that(running, facts, condition, most=None)
    refuse_stale(operation, columns, stale)
    by_index = facts.old_pending is not None and facts.old_pending.usable
    bound = Bound(condition=condition, most=0) if by_index and not operation.allow_stale else None
    if facts.job.mode == "pointer":
        _point(running, facts, Move.SWAP_BACK, bound)
    else:
        renaming = renaming_of(facts, columns, published=operation.published, forward=False)
        _rename(running, facts, renaming, Move.SWAP_BACK, bound)
    _LOG.info("%s: %s of its rows are stale", operation.describe(), f"{stale:,}")


def _point(running: Session, facts: JobFacts, move: Move, bound: Bound | None) -> None:
    """Let the row of the job name the other column; searches follow it in their own transactions."""

    def act(own: Session) -> None:
        _move(own, facts, move, "pointer")
        if bound is not None and count_rows_that(own, facts, bound.condition, most=bound.most) > bound.most:
            raise ChangedMeanwhile

    running.atomically(act, table_name=facts.job.table_name, schema=facts.schema)


def _rename(running: Session, facts: JobFacts, renaming: Renaming, move: Move, bound: Bound | None) -> None:
    """Let the columns exchange names, in the transaction in which the journal says so."""
    exchange = renaming.exchange
    with planned_exchange(running, exchange, bound=bound) as planned:
        if any(one.unproven for one in planned.facts.dependents):
            prove_constraints(running, exchange)
            raise ChangedMeanwhile  # by the proofs
        names = rename_statements(renaming, find_parts(running.connection, facts.schema, renaming.indexes))
        after = [*names, *refusals_exchanged(facts)]

        def act(own: Session) -> None:
            # before the lock: nobody waits for the row of a job, and an exchange under way has the only turn on it
            _move(own, facts, move, "rename", tuple(sorted(exchange.nullable)))
            exchange_columns(own, planned, after=after)

        running.atomically(act, table_name=exchange.table_name, schema=exchange.schema)


def _move(own: Session, facts: JobFacts, move: Move, mode: SwitchMode, required: tuple[str, ...] = ()) -> None:
    with journal_errors():
        make(
            own.connection,
            move,
            facts.job.job,
            facts.journal_schema,
            mode=mode if move is Move.SWAP else None,
            required=required,
        )
