"""How far the jobs of re-embedding of a database are, by its journals, its catalog and its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import MetaData, select, text

from sqlalchemy_vecsearch.embedding.errors import ReembeddingError, UnknownJobError, WorkTableError
from sqlalchemy_vecsearch.embedding.job_result import next_step_of
from sqlalchemy_vecsearch.embedding.journal import journal_table, known_jobs
from sqlalchemy_vecsearch.embedding.reembedding import held_columns
from sqlalchemy_vecsearch.embedding.stale import failed_rows
from sqlalchemy_vecsearch.embedding.strangers import find_stranger
from sqlalchemy_vecsearch.embedding.verification.subject import COUNT
from sqlalchemy_vecsearch.embedding.work_table import written_name

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from sqlalchemy_vecsearch.embedding.journal import Reembedding
    from sqlalchemy_vecsearch.embedding.reembedding import ReembeddedColumns

__all__ = ["JobProgress", "jobs_now"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How far one job is.

    Args:
        job: its name.
        schema: of its table, where it is not the first one on the search path.
        table: its table.
        live: the present name of the column that was in use when it began, None where it is gone.
        replacement: the present name of the new column.
        model: of the new column.
        state: "begun", "ready", "swapped" or "finished".
        paused: whether it rests.
        total: rows of the table.
        done: rows whose new vector is that of their text.
        pending: rows that need embedding, the refused ones included.
        failed: rows whose text was refused.
        index: the name of the new column's index, None where none is wished.
        index_state: "absent", "invalid" (it is being built, or a build was interrupted) or "valid"; None without one.
        verified: whether the last verification passed, None before the first.
        verified_at: when that was.
        failures: the checks that are in the way.
        problem: what keeps all this from being known, None for nothing.
        begun_at: when ``op.begin_reembedding`` wrote it.
        next: what it needs next, as a sentence.
    """

    job: str
    schema: str | None
    table: str
    live: str | None
    replacement: str | None
    model: str
    state: str
    paused: bool
    total: int | None = None
    done: int | None = None
    pending: int | None = None
    failed: int | None = None
    index: str | None = None
    index_state: str | None = None
    verified: bool | None = None
    verified_at: str | None = None
    failures: tuple[str, ...] = ()
    problem: str | None = None
    begun_at: datetime | None
    next: str


def jobs_now(connection: Connection, job: str | None = None, schema: str | None = None) -> tuple[JobProgress, ...]:
    """Return how far the jobs of a database are; it counts the rows of their tables.

    Args:
        connection: of the database.
        job: only the jobs of this name; None for all. Then no rows are counted for those of a journal whose owner owns
            neither its schema nor the database, which would run what he has written as the source.
        schema: only those of this schema; None for all that have a journal.

    Raises:
        UnknownJobError: there is none of that name.
    """
    there = [one for one in connection.execute(_JOURNALS) if schema in {None, one.schema}]
    places = [None if one.is_first and schema is None else one.schema for one in there]
    known = [(place, one) for place in places for one in known_jobs(connection, place)]
    found = [(place, one) for place, one in known if job in {None, one.job}]
    if job is not None and not found:
        names = tuple(one.job for _, one in known)
        raise UnknownJobError(
            f"There is no job of re-embedding {job!r}. "
            + (f"The journals have {', '.join(map(repr, names))}. " if names else "No journal has any job. ")
            + "Correct the name, or begin the job by op.begin_reembedding() in a revision.",
            job=job,
            known=names,
        )
    return tuple(_progress(connection, one, place, named=job is not None) for place, one in found)


_JOURNALS: Final = text("""
SELECT n.nspname AS schema, pg_catalog.pg_table_is_visible(c.oid) AS is_first
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE c.relname OPERATOR(pg_catalog.=) 'vecsearch_reembedding'::pg_catalog.name
   AND c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char"
   AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
 ORDER BY n.nspname
""")

_INDEX_STATE: Final = text("""
SELECT i.indisvalid AND i.indisready AND i.indislive AS valid
  FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
 WHERE i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table)
   AND c.relname OPERATOR(pg_catalog.=) CAST(:index AS pg_catalog.name)
""")


def _progress(connection: Connection, job: Reembedding, schema: str | None, *, named: bool) -> JobProgress:
    lost: dict[str, Any] = {"live": job.live, "replacement": job.replacement}
    journal = written_name(connection, journal_table(MetaData(), schema))
    if not named and (owner := find_stranger(connection, journal)) is not None:
        lost["problem"] = (
            f"The journal belongs to the role {owner!r}, which owns neither the schema nor the database. "
            "To count rows runs what that role has written as the source of the job, with the rights of this one."
        )
        return JobProgress(**_of_journal(job, schema), **lost, next=f"Ask for it by name: vecsearch status {job.job}")
    try:
        columns = held_columns(connection, job.job, schema)
    except (ReembeddingError, WorkTableError) as error:
        lost["problem"] = str(error)
        return JobProgress(**_of_journal(job, schema), **lost, next="Remove the reason that is named.")
    found = columns.found
    total = connection.scalar(select(COUNT).select_from(found.table)) or 0
    pending = connection.scalar(select(COUNT).select_from(found.table).where(found.pending)) or 0
    failed = failed_rows(connection, found)
    return JobProgress(
        **_of_journal(columns.job, schema),
        live=None if columns.live is None else columns.live.name,
        replacement=found.column.name,
        total=total,
        done=total - pending,
        pending=pending,
        failed=failed,
        **_index(connection, columns),
        next=next_step_of(columns.job, pending=pending, failed=failed),
    )


def _of_journal(job: Reembedding, schema: str | None) -> dict[str, Any]:  # Any: for keyword arguments
    report: dict[str, Any] = job.verification or {}
    held = {check["name"] for check in report.get("checks", ()) if not (check["passed"] or check["waived"])}
    return {
        "job": job.job,
        "schema": schema,
        "table": job.table_name,
        "model": job.model,
        "state": job.state,
        "paused": job.paused,
        "verified": report.get("passed"),
        "verified_at": report.get("measured_at"),
        "failures": tuple(sorted(held)),
        "begun_at": job.begun_at,
    }


def _index(connection: Connection, columns: ReembeddedColumns) -> dict[str, Any]:  # Any: for keyword arguments
    """Return the index that the new column waits for; after an exchange of names it is another one's."""
    wished = columns.job.index_definition
    if wished is None or columns.job.renamed:
        return {"index": None, "index_state": None}
    name = written_name(connection, columns.found.table)
    valid = connection.scalar(_INDEX_STATE, {"table": name, "index": wished["name"]})
    states = {None: "absent", True: "valid", False: "invalid"}
    return {"index": wished["name"], "index_state": states[valid]}
