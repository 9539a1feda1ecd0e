"""Runs the begin of a job of re-embedding."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import MetaData

from alembic_ops.catalog.probe import answers
from alembic_ops.catalog.publications import find_publications
from alembic_ops.catalog.reembedding import (
    READERS,
    BeginFacts,
    find_attributes,
    find_metric,
    find_model,
    find_predicate,
    find_primary_key,
    has_other_relatives,
)
from alembic_ops.catalog.tables import observe
from alembic_ops.offline.reembedding import begin_script
from alembic_ops.planning.reembedding import begin_step, pending_index_of, refuse_begin, wished_job
from alembic_ops.running.advisory_lock import advisory_lock
from alembic_ops.running.index_steps import IndexSteps
from alembic_ops.running.loop import take_steps
from alembic_ops.running.session import Session, print_script, session
from alembic_ops.sql.steps import BeginJob, ServerStep, Step, WaitForBuild, WaitForTable
from sqlalchemy_vecsearch.embedding.declared import pending_index_name
from sqlalchemy_vecsearch.embedding.journal import JOURNAL_TABLE, create_journal, known_jobs, record
from sqlalchemy_vecsearch.embedding.strangers import refuse_tables_of_strangers
from sqlalchemy_vecsearch.embedding.work_table import create_missing_tables, model_table, work_table
from sqlalchemy_vecsearch.provenance import Provenance
from sqlalchemy_vecsearch.quoting import PREPARER, qualified_name

if TYPE_CHECKING:
    from alembic.operations import Operations

    from alembic_ops.operations import BeginReembeddingOp
    from alembic_ops.planning.pending_index import PendingIndex

__all__ = ["perform_begin_reembedding"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


def perform_begin_reembedding(operations: Operations, operation: BeginReembeddingOp) -> None:
    """Begin a job, or finish what an earlier attempt has left of its begin."""
    if operations.migration_context.as_sql:
        print_script(
            operations,
            begin_script(operation, operations.migration_context.opts.get("target_metadata")),
            in_transaction=False,
        )
        return
    with session(operations, operation, in_transaction=False) as running:
        table = observe(running.connection, operation.table_name, operation.schema).table
        with advisory_lock(
            running, None if table is None else table.oid, subject=f"the table {operation.table_name!r}"
        ):
            take_steps(
                operation,
                look=_Look(running, operation),
                decide=partial(begin_step, operation),
                act=_Begin(running, operation),
            )


class _Look:
    """What reads the facts of a begin: what the rows say of the live column is asked for once."""

    def __init__(self, running: Session, operation: BeginReembeddingOp) -> None:
        self.connection = running.connection
        self.operation = operation
        self.table = qualified_name(operation.schema, operation.table_name)
        self.first: BeginFacts | None = None

    def __call__(self) -> BeginFacts:
        connection, operation = self.connection, self.operation
        name = pending_index_name(operation.table_name, operation.replacement)
        found = observe(connection, operation.table_name, operation.schema, names=[name])
        if found.table is None:
            return BeginFacts(facts=found)
        jobs = known_jobs(connection, operation.schema)
        facts = BeginFacts(
            facts=found,
            attributes=find_attributes(connection, self.table),
            key=find_primary_key(connection, self.table),
            job=next((one for one in jobs if one.job == operation.job), None),
            others=tuple(one for one in jobs if one.job != operation.job and one.table_name == operation.table_name),
            is_part=has_other_relatives(connection, self.table),
            publications=find_publications(connection, self.table, []),
        )
        if self.first is None:
            refuse_begin(operation, facts)  # before the rows are read
            self.first = replace(
                facts,
                metric=find_metric(connection, self.table, operation.live),
                previous_model=self._model(facts) if operation.previous_model is None else None,
            )
        facts = replace(facts, metric=self.first.metric, previous_model=self.first.previous_model)
        current = find_predicate(connection, self.table, qualified_name(found.table.schema, name))
        if current is None:
            return facts
        wished = pending_index_of(operation, facts.key, facts.attributes)
        return replace(
            facts, condition=current.condition, wished_condition=self._normal_form(wished, current.condition)
        )

    def _model(self, facts: BeginFacts) -> str | None:
        column = Provenance().named_for(self.operation.live).model
        return find_model(self.connection, self.table, column) if column in facts.attributes else None

    def _normal_form(self, wished: PendingIndex, otherwise: str) -> str:
        """Return the wished condition in the server's form; where it is not told, nobody can say that it differs."""
        key = PREPARER.quote(wished.key[0])
        question: dict[str, object] = {
            "table": self.table,
            "copy": f"{self.table} as it is",
            "names": [],
            "actions": [],
            "index": f"btree ({key}) WHERE {wished.condition}",
            "actions_after": [],
        }
        (answer,) = answers(self.connection, [question], None)
        return str(answer.get("predicate") or otherwise)


class _Begin:
    """What takes the steps of a begin."""

    def __init__(self, running: Session, operation: BeginReembeddingOp) -> None:
        self.running = running
        self.operation = operation
        self.on_indexes = IndexSteps(running, operation.table_name, operation.schema)

    def __call__(self, step: Step, facts: BeginFacts) -> bool:
        if isinstance(step, BeginJob):
            self.running.atomically(
                partial(self._begin, step, facts), table_name=step.table_name, schema=self.operation.schema
            )
            return True
        assert isinstance(step, ServerStep | WaitForBuild | WaitForTable), "a begin has no other steps"
        return self.on_indexes(step)

    def _begin(self, step: BeginJob, facts: BeginFacts, running: Session) -> None:
        operation, connection = self.operation, running.connection
        table = qualified_name(operation.schema, operation.table_name)
        _create_journal(running, operation.schema, table)
        if step.columns:
            sql = f"ALTER TABLE {table} " + ", ".join(f"ADD COLUMN {one}" for one in step.columns)
            _LOG.info("%s", sql)
            running.execute(sql)
        numbers = {name: one.number for name, one in find_attributes(connection, table).items()}
        if facts.job is None:
            record(connection, wished_job(operation, facts, numbers), operation.schema)


def _create_journal(running: Session, schema: str | None, table: str) -> None:
    """Create the journal and the worker's tables where they are missing; let those read it who may read the table."""
    create_journal(running.connection, schema)
    beside = MetaData()
    of_worker = [work_table(beside, schema), model_table(beside, schema)]
    create_missing_tables(running.connection, of_worker)
    journal = qualified_name(schema, JOURNAL_TABLE)
    names = [journal, *(qualified_name(schema, one.name) for one in of_worker)]
    refuse_tables_of_strangers(running.connection, names, beside=table)
    for reader in running.connection.scalars(READERS, {"table": table}).all():
        running.execute(f"GRANT SELECT ON {journal} TO {reader}")
