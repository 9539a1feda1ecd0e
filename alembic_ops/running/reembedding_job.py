"""What the operations on a job of re-embedding look at: its row, its columns, and the rows that are pending."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from alembic_ops.catalog.columns import observe_column
from alembic_ops.catalog.reembedding import find_attributes, find_predicate, find_schemas
from alembic_ops.catalog.tables import observe
from alembic_ops.errors import JobNotReadyError
from alembic_ops.planning.column_addition import not_null_step
from alembic_ops.planning.column_settings import not_null_check
from alembic_ops.planning.job_columns import JobFacts, job_columns
from alembic_ops.running.advisory_lock import advisory_lock
from alembic_ops.running.column_steps import act_on_column
from alembic_ops.running.exchange_look import QUALIFIED
from alembic_ops.running.loop import take_steps
from alembic_ops.running.session import settings
from alembic_ops.sql.statements import verbatim
from alembic_ops.sql.steps import Finished, Step
from sqlalchemy_vecsearch.embedding.declared import pending_index_name
from sqlalchemy_vecsearch.embedding.errors import JobStateError, UnknownJobError
from sqlalchemy_vecsearch.embedding.journal import JOURNAL_TABLE, find_reembedding, known_jobs
from sqlalchemy_vecsearch.embedding.journal_moves import forget_required
from sqlalchemy_vecsearch.embedding.work_table import WORK_TABLE
from sqlalchemy_vecsearch.quoting import PREPARER, literal, qualified_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic_ops.catalog.columns import ColumnFacts
    from alembic_ops.operations import Operation
    from alembic_ops.running.session import Session
    from sqlalchemy_vecsearch.embedding.journal import Reembedding

__all__ = [
    "count_rows_that",
    "forget_refusals",
    "job_named",
    "journal_errors",
    "look_at_job",
    "refusals_exchanged",
    "require_again",
    "turn_on_job",
]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


@contextmanager
def journal_errors() -> Iterator[None]:
    """Let what the journal refuses be an error of the migration."""
    try:
        yield
    except UnknownJobError as error:
        raise JobNotReadyError(str(error), job=error.job, state=None) from error
    except JobStateError as error:
        raise JobNotReadyError(str(error), job=error.job, state=error.state) from error


def job_named(running: Session, job: str, schema: str | None) -> Reembedding:
    """Return a job of the journal.

    Raises:
        JobNotReadyError: there is none of that name.
    """
    with journal_errors():
        return find_reembedding(running.connection, job, schema)


@contextmanager
def turn_on_job(running: Session, job: Reembedding, schema: str | None) -> Iterator[None]:
    """Wait for the turn on the table of a job."""
    table = observe(running.connection, job.table_name, schema).table
    with advisory_lock(running, None if table is None else table.oid, subject=f"the table {job.table_name!r}"):
        yield


def look_at_job(running: Session, job: str, schema: str | None) -> JobFacts:
    """Return what the journal and the catalog say about a job, at the cost of a dozen statements."""
    connection = running.connection
    found = job_named(running, job, schema)
    table = qualified_name(schema, found.table_name)
    attributes = find_attributes(connection, table)
    columns = job_columns(found, attributes)
    facts = observe(connection, found.table_name, schema)
    own = [one for one in facts.indexes if facts.table is not None and one.table_oid == facts.table.oid]
    others = [
        one for one in known_jobs(connection, schema) if one.job != found.job and one.table_name == found.table_name
    ]
    names = {"table": found.table_name, "journal": JOURNAL_TABLE, "work": WORK_TABLE}
    schemas = find_schemas(connection, {one: qualified_name(schema, name) for one, name in names.items()})
    where = qualified_name(schemas["table"], found.table_name)
    with settings(connection, QUALIFIED, local=running.in_transaction):  # or the conditions mean it on this path only
        pending, old_pending = (
            find_predicate(
                connection,
                where,
                qualified_name(schemas["table"], pending_index_name(found.table_name, column)),
            )
            for column in (columns.new, columns.old)
        )
    return JobFacts(
        job=found,
        schema=schemas["table"],
        journal_schema=schemas["journal"],
        work_schema=schemas["work"],
        attributes=attributes,
        pending=pending,
        old_pending=old_pending,
        index_names=frozenset(one.name for one in own),
        usable_indexes=frozenset(one.name for one in own if one.usable),
        other_switches=tuple(sorted((one for one in others if one.swapped_at), key=attrgetter("swapped_at"))),
        not_switched=tuple(one for one in others if not one.swapped_at),
    )


def count_rows_that(running: Session, facts: JobFacts, condition: str, *, most: int | None) -> int:
    """Return how many rows of a job's table meet a condition of the server's, or one more than the most.

    The index of that condition serves it, whose dead entries the first count marks for the second one. The server has
    written it under a search path of pg_catalog alone, and finds its names again under that one only.
    """
    table = qualified_name(facts.schema, facts.job.table_name)
    limit = "" if most is None else f" LIMIT {most + 1:d}"
    rows = f"SELECT FROM {table} WHERE {condition}{limit}"  # a quoted name, and the server's own words
    counted = f"SELECT pg_catalog.count(*) FROM ({rows}) AS counted"  # noqa: S608  # as above
    with settings(running.connection, {"search_path": QUALIFIED["search_path"]}, local=running.in_transaction):
        return int(running.connection.scalar(verbatim(counted)) or 0)


# One statement, because a lock is held meanwhile. The order is no matter of taste: a sort wants all rows, and none is
# written before the last one of the other column, whose key it may take, is gone.
_EXCHANGED: Final = """
WITH gone AS (
    DELETE FROM {work} WHERE target OPERATOR(pg_catalog.=) ANY (ARRAY[CAST({one} AS pg_catalog.text), {other}])
    RETURNING *
)
INSERT INTO {work} (target, row_key, source_hash, model, worker, claimed_until, attempts, retry_at, reason)
SELECT CASE WHEN target OPERATOR(pg_catalog.=) CAST({one} AS pg_catalog.text) THEN {other} ELSE {one} END,
       row_key, source_hash, model, worker, claimed_until, attempts, retry_at, reason
  FROM gone ORDER BY gone.target
"""


def refusals_exchanged(facts: JobFacts) -> list[str]:
    """Return what lets the rows of the work table that speak of one column of a job speak of the other one."""
    if facts.work_schema is None:
        return []
    one, other = (literal(f"{facts.job.table_name}.{name}") for name in (facts.job.live, facts.job.replacement))
    return [_EXCHANGED.format(work=qualified_name(facts.work_schema, WORK_TABLE), one=one, other=other)]


def forget_refusals(running: Session, table_name: str, schema: str | None, column: str) -> None:
    """Delete the rows of the work table that speak of a column."""
    work = qualified_name(schema, WORK_TABLE)
    if find_schemas(running.connection, {"work": work})["work"] is not None:
        gone = literal(f"{table_name}.{column}")
        running.execute(f"DELETE FROM {work} WHERE target OPERATOR(pg_catalog.=) CAST({gone} AS pg_catalog.text)")  # noqa: S608  # quoted


def require_again(running: Session, operation: Operation, job: str, schema: str | None) -> None:
    """Let the columns of a job be NOT NULL again that were so when names were exchanged, once their rows allow it.

    Not in the transaction of the exchange, where the server would read the whole table under its lock. Between the two
    nobody can leave a vector out who could not before: the application names the column in each INSERT.
    """
    required = job_named(running, job, schema).required
    if not required:
        return
    facts = look_at_job(running, job, schema)
    left = [name for name in required if not _is_required(running, operation, facts, name)]
    if not left:
        forget_required(running.connection, job, schema)


def _is_required(running: Session, operation: Operation, facts: JobFacts, column: str) -> bool:
    """Make a column NOT NULL where no row stands in the way; say whether it is."""
    found = facts.attributes.get(column)
    if found is None:
        return True
    name = PREPARER.quote(column)
    if not found.required:
        missing = count_rows_that(running, facts, f"{name} IS NULL", most=None)
        if missing:
            _LOG.warning(
                "The column %r of %r was NOT NULL, and %s rows have no value: they wait for it, or have no text. It"
                " stays nullable. Once they are filled, op.add_embedding_column(..., nullable=False) changes that.",
                column,
                facts.job.table_name,
                f"{missing:,}",
            )
            return False

    def decide(seen: ColumnFacts, _: object) -> Step:
        step = not_null_step(facts.job.table_name, facts.schema, column, seen)
        return step or Finished(remark=f"the column {column!r} is NOT NULL")

    check = not_null_check(facts.job.table_name, column)
    table = qualified_name(facts.schema, facts.job.table_name)
    look = partial(observe_column, running.connection, table, column, check=check)
    take_steps(operation, look=look, decide=decide, act=partial(act_on_column, running))
    return True
