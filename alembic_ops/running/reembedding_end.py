"""Runs the ends of a job of re-embedding: its finish, and its abortion."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from alembic_ops.catalog.dependents import find_proofs
from alembic_ops.catalog.reembedding import find_attributes, find_space
from alembic_ops.catalog.relations import find_relations
from alembic_ops.catalog.tables import observe
from alembic_ops.offline.reembedding_end import abort_script, finish_script
from alembic_ops.operations import FinishReembeddingOp
from alembic_ops.planning.reembedding_end import (
    EndFacts,
    EndOperation,
    bytes_of_vectors,
    end_step,
    going_columns,
    space_words,
)
from alembic_ops.running.index_steps import IndexSteps
from alembic_ops.running.loop import take_steps
from alembic_ops.running.reembedding_job import (
    forget_refusals,
    job_named,
    journal_errors,
    require_again,
    turn_on_job,
)
from alembic_ops.running.session import print_script, session
from alembic_ops.sql.statements import in_one, verbatim
from alembic_ops.sql.steps import EndJob, ServerStep, Step, WaitForBuild, WaitForTable
from sqlalchemy_vecsearch.embedding.errors import UnknownJobError
from sqlalchemy_vecsearch.embedding.journal import find_reembedding
from sqlalchemy_vecsearch.embedding.journal_moves import Move, forget, make
from sqlalchemy_vecsearch.quoting import PREPARER, qualified_name

if TYPE_CHECKING:
    from alembic.operations import Operations

    from alembic_ops.operations import AbortReembeddingOp
    from alembic_ops.running.session import Session
    from sqlalchemy_vecsearch.embedding.journal import Reembedding

__all__ = ["perform_abort_reembedding", "perform_finish_reembedding"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


def perform_finish_reembedding(operations: Operations, operation: FinishReembeddingOp) -> None:
    """End a job, and drop its former column unless it is kept."""
    if operations.migration_context.as_sql:
        print_script(operations, finish_script(operation), in_transaction=False)
        return
    with session(operations, operation, in_transaction=False) as running:
        job = job_named(running, operation.job, operation.schema)
        with turn_on_job(running, job, operation.schema):
            require_again(running, operation, job.job, operation.schema)
            _end(running, operation, job)


def perform_abort_reembedding(operations: Operations, operation: AbortReembeddingOp) -> None:
    """Take back what a begin has brought; where there is no job, nothing is left of it."""
    if operations.migration_context.as_sql:
        print_script(operations, abort_script(operation), in_transaction=False)
        return
    with session(operations, operation, in_transaction=False) as running:
        job = _job(running, operation)
        if job is None:
            _end(running, operation, None)
            return
        with turn_on_job(running, job, operation.schema):
            require_again(running, operation, job.job, operation.schema)
            _end(running, operation, job)


def _end(running: Session, operation: EndOperation, job: Reembedding | None) -> None:
    look = _Look(running, operation)
    take_steps(
        operation,
        look=look,
        decide=lambda facts, _: end_step(operation, facts),
        act=_End(running, operation, "" if job is None else job.table_name),
    )


def _job(running: Session, operation: EndOperation) -> Reembedding | None:
    try:
        return find_reembedding(running.connection, operation.job, operation.schema)
    except UnknownJobError:
        return None


class _Look:
    """What reads the facts of an end; the vectors are counted once, before anything is dropped."""

    def __init__(self, running: Session, operation: EndOperation) -> None:
        self.running = running
        self.operation = operation
        self.vectors: int | None = None

    def __call__(self) -> EndFacts:
        connection, operation = self.running.connection, self.operation
        job = _job(self.running, operation)
        if job is None:
            return EndFacts(job=None)
        table = qualified_name(operation.schema, job.table_name)
        facts = EndFacts(
            job=job,
            facts=observe(connection, job.table_name, operation.schema),
            attributes=find_attributes(connection, table),
        )
        going = going_columns(operation, facts)
        relations = find_relations(connection, table, going) if going else []
        return replace(
            facts,
            going=frozenset(one.oid for relation in relations for one in relation.indexes if not one.unique),
            vectors=self._vectors(table, going),
        )

    def _vectors(self, table: str, going: tuple[str, ...]) -> int:
        """Return how many vectors an abortion would throw away."""
        if self.vectors is None:
            self.vectors = 0
            if not isinstance(self.operation, FinishReembeddingOp) and not self.operation.discard_vectors and going:
                name = PREPARER.quote(going[0])
                counted = f"SELECT pg_catalog.count(*) FROM {table} WHERE {name} IS NOT NULL"  # noqa: S608  # quoted names
                self.vectors = int(self.running.connection.scalar(verbatim(counted)) or 0)
        return self.vectors


class _End:
    """What takes the steps of an end."""

    def __init__(self, running: Session, operation: EndOperation, table_name: str) -> None:
        self.running = running
        self.operation = operation
        self.on_indexes = IndexSteps(running, table_name, operation.schema)
        self.index_bytes: int | None = None

    def __call__(self, step: Step, facts: EndFacts) -> bool:
        rows, index_bytes = self._space(facts)
        if self.index_bytes is None:
            self.index_bytes = index_bytes
        if not isinstance(step, EndJob):
            assert isinstance(step, ServerStep | WaitForBuild | WaitForTable), "an end has no other steps"
            return self.on_indexes(step)
        self.running.atomically(partial(self._end, step), table_name=step.table_name, schema=self.operation.schema)
        if step.columns and isinstance(self.operation, FinishReembeddingOp):
            size = bytes_of_vectors(facts.attributes[step.columns[0]].type, rows)
            _LOG.info("%s: %s", self.operation.describe(), space_words(self.index_bytes, size, step.columns))
        return True

    def _space(self, facts: EndFacts) -> tuple[int, int]:
        found = facts.facts
        if found is None or found.table is None:
            return 0, 0
        tables = [one.oid for one in (found.table, *found.partitions) if not one.partitioned]
        return find_space(self.running.connection, tables, list(facts.going))

    def _end(self, step: EndJob, own: Session) -> None:
        """Drop the columns last: what comes after it would be waited for by readers and writers."""
        operation = self.operation
        table = qualified_name(operation.schema, step.table_name)
        left = [f"ALTER TABLE {one} DROP CONSTRAINT {name}" for one, name in find_proofs(own.connection, table)]
        with journal_errors():
            if isinstance(operation, FinishReembeddingOp):
                make(own.connection, Move.FINISH, operation.job, operation.schema)
            else:
                forget(own.connection, operation.job, operation.schema)
        if step.columns:
            forget_refusals(own, step.table_name, operation.schema, step.columns[0])
            sql = f"ALTER TABLE {table} " + ", ".join(f"DROP COLUMN {PREPARER.quote(one)}" for one in step.columns)
            left.append(sql)
        if left:  # what a swap that did not come has left, and the columns
            _LOG.info("%s", "; ".join(left))
            own.execute(in_one(left))
