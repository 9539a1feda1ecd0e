"""How searches are switched between the two columns of a job of re-embedding, and what refuses it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from alembic_ops.errors import JobNotReadyError, PendingRowsError
from sqlalchemy_vecsearch.quoting import PREPARER

if TYPE_CHECKING:
    from alembic_ops.operations import SwapEmbeddingBackOp, SwapEmbeddingOp
    from alembic_ops.planning.job_columns import JobColumns, JobFacts
    from sqlalchemy_vecsearch.embedding.journal import Reembedding, SwitchMode

__all__ = [
    "COUNTED",
    "chosen_mode",
    "is_switched",
    "is_switched_back",
    "refuse_left",
    "refuse_not_ready",
    "refuse_pending",
    "refuse_stale",
    "refuse_switched_since",
    "stale_condition",
]

REEMBED: Final = "vecsearch reembed {job} --embedder module:function"


def chosen_mode(operation: SwapEmbeddingOp, facts: JobFacts, columns: JobColumns) -> SwitchMode:
    """Return how searches are switched: where the model of a question must change with the column, by the pointer."""
    if operation.mode is not None:
        return operation.mode
    old, new = (_dimensions(facts.attributes[name].type) for name in (columns.old, columns.new))
    same = old == new and facts.job.previous_model == facts.job.model
    return "rename" if same else "pointer"


def is_switched(operation: SwapEmbeddingOp, facts: JobFacts) -> bool:
    """Say whether searches use the new column already.

    Raises:
        JobNotReadyError: they were switched in the other way.
    """
    job = facts.job
    if job.state not in {"swapped", "finished"}:
        return False
    if operation.mode in {None, job.mode}:
        return True
    raise JobNotReadyError(
        f"The job {job.job!r} is {job.state}, by {job.mode!r} and not by {operation.mode!r}. "
        "The application follows either the names or the pointer. "
        f"Switch back by op.swap_embedding_back({job.job!r}) first, or write mode={job.mode!r}.",
        job=job.job,
        state=job.state,
    )


def is_switched_back(operation: SwapEmbeddingBackOp, facts: JobFacts) -> bool:
    """Say whether searches use the former column.

    Raises:
        JobNotReadyError: the job is finished, so that they cannot.
    """
    if facts.job.state == "finished":
        raise JobNotReadyError(
            f"The job {operation.job!r} is finished, and searches can not be switched back. "
            "The former column is gone, or nobody has kept its vectors true to their texts. "
            "Begin a job with the former model by op.begin_reembedding().",
            job=operation.job,
            state="finished",
        )
    return facts.job.state != "swapped"


def refuse_left(facts: JobFacts, columns: JobColumns) -> None:
    """Refuse a switch from a column that searches have left by another job, or do not use yet: none would follow it.

    Raises:
        JobNotReadyError: with the job by which they have.
    """
    numbers = {one.number: one.name for one in facts.attributes.values()}
    left = None
    for other in facts.other_switches:
        former, new = other.names_now(numbers)
        if columns.old in {former, new}:
            left = None if columns.old == new else (other, new)
    if left is None:
        _refuse_unused(facts)
        return
    other, new = left
    raise JobNotReadyError(
        f"Searches of the job {facts.job.job!r} were not switched: they have left {columns.old!r} for {new!r} by the "
        f"job {other.job!r}. "
        "A second switch from the same column would be followed by none of them. "
        f"Switch back by op.swap_embedding_back({other.job!r}) first, or, where that is finished, begin a job with "
        f"live={new!r}.",
        job=facts.job.job,
        state=facts.job.state,
    )


def _refuse_unused(facts: JobFacts) -> None:
    """Refuse a switch from the new column of a job that is not switched; its number tells it whatever its name is."""
    other = next((one for one in facts.not_switched if one.replacement_number == facts.job.live_number), None)
    if other is None:
        return
    raise JobNotReadyError(
        f"Searches of the job {facts.job.job!r} were not switched: it goes on from the new column of the job "
        f"{other.job!r}, which searches do not use. "
        f"The job {other.job!r} is not switched, or was switched back, so that none of them would follow. "
        f"Switch it by op.swap_embedding({other.job!r}) first, or begin a job with the column in use as live.",
        job=facts.job.job,
        state=facts.job.state,
    )


def refuse_switched_since(facts: JobFacts, columns: JobColumns) -> None:
    """Refuse a way back from a column that another job has switched since: the ways back are taken in their order.

    Raises:
        JobNotReadyError: with that job.
    """
    numbers = {one.number: one.name for one in facts.attributes.values()}
    since = [one for one in facts.other_switches if _later(one, facts.job)]
    other = next((one for one in reversed(since) if columns.new in one.names_now(numbers)), None)
    if other is None:
        return
    raise JobNotReadyError(
        f"Searches of the job {facts.job.job!r} were not switched back: the job {other.job!r} has switched them since. "
        f"They went on from the column of {facts.job.job!r}, and the way back leads through it. "
        f"Switch back by op.swap_embedding_back({other.job!r}) first.",
        job=facts.job.job,
        state=facts.job.state,
    )


def _later(one: Reembedding, other: Reembedding) -> bool:
    return one.swapped_at is not None and other.swapped_at is not None and one.swapped_at > other.swapped_at


def refuse_not_ready(facts: JobFacts, columns: JobColumns, pending: int) -> None:
    """Refuse a switch to a column that is not complete, or that the journal and the catalog know under other names.

    Args:
        facts: what was found.
        columns: the columns of the job.
        pending: rows that are pending, counted to ``COUNTED``.

    Raises:
        JobNotReadyError: with what is missing, and the command that does it.
    """
    job = facts.job
    if columns.new != job.replacement:
        raise JobNotReadyError(
            f"The columns {job.live!r} and {job.replacement!r} of {job.table_name!r} have exchanged names, and the job "
            f"{job.job!r} has not done it. "
            "The journal says which column searches use, and would be wrong. "
            "Swap them back by op.swap_embedding_columns(), and run the upgrade again.",
            job=job.job,
            state=job.state,
        )
    missing = []
    if facts.pending is None or not facts.pending.usable:
        raise JobNotReadyError(
            f"The job {job.job!r} has no valid index of pending rows on {columns.new!r}. "
            "Without it nobody could count, under a lock, the rows that have no new vector. "
            "Run the revision with its op.begin_reembedding() again, which builds it.",
            job=job.job,
            state=job.state,
        )
    index = None if job.index_definition is None else job.index_definition["name"]
    if job.state != "ready" and pending:
        missing.append(f"{_counted(pending)} are pending")
    if index is not None and index not in facts.usable_indexes:
        missing.append(f"the index {index!r} is {'not valid' if index in facts.index_names else 'missing'}")
    if job.state != "ready":
        missing.append("its vectors were not compared" if job.verification is None else "its comparison did not pass")
    if not missing:
        return
    raise JobNotReadyError(
        f"The job {job.job!r} is not ready: {', '.join(missing)}. "
        "Searches are switched to vectors that are complete, indexed, and compared with those in use. "
        f"Run `{REEMBED.format(job=job.job)}` until it says that the job is ready, and run the upgrade again.",
        job=job.job,
        state=job.state,
    )


COUNTED: Final = 10_000
"""As far as pending rows are counted for a message."""


def refuse_pending(operation: SwapEmbeddingOp, pending: int) -> None:
    """Refuse a switch while more rows than allowed have no new vector.

    Raises:
        PendingRowsError: with their number, as far as it was counted.
    """
    if pending <= operation.max_pending:
        return
    raise PendingRowsError(
        f"Searches of the job {operation.job!r} were not switched: {_counted(pending)} are pending, and "
        f"max_pending={operation.max_pending}. "
        "They have no vector of the new model for the text that they have now, and nothing is embedded under a lock. "
        f"Let `{REEMBED.format(job=operation.job)}` catch up, or allow some by max_pending.",
        job=operation.job,
        pending=pending,
    )


def refuse_stale(operation: SwapEmbeddingBackOp, columns: JobColumns, stale: int) -> None:
    """Refuse a way back to vectors that are missing or older than their texts.

    Raises:
        PendingRowsError: with their number.
    """
    if not stale or operation.allow_stale:
        return
    raise PendingRowsError(
        f"Searches of the job {operation.job!r} were not switched back: {_rows(stale)} of {columns.old!r} "
        f"{'is' if stale == 1 else 'are'} stale. "
        "They were inserted or changed since the switch, and their vectors of the former model are missing or older. "
        "Embed them with the former model by `vecsearch embed package.module:Entity.column`, or write "
        "allow_stale=True.",
        job=operation.job,
        pending=stale,
    )


def stale_condition(facts: JobFacts, columns: JobColumns) -> str:
    """Return the condition of the rows whose former vector is stale.

    By the pending index of the former column, where it has one; else these are the rows whose new vector was made after
    the switch, or waits to be made.
    """
    if facts.old_pending is not None and facts.old_pending.usable:
        return f"({facts.old_pending.condition})"
    since = "false"
    if columns.new_provenance is not None and facts.job.swapped_at is not None:
        at = PREPARER.quote(columns.new_provenance.embedded_at)
        since = f"{at} OPERATOR(pg_catalog.>) CAST('{facts.job.swapped_at.isoformat()}' AS pg_catalog.timestamptz)"
    pending = "false" if facts.pending is None else f"({facts.pending.condition})"
    return f"({since}) OR {pending}"


def _dimensions(type_: str) -> str | None:
    found = re.search(r"\((\d+)\)$", type_)
    return None if found is None else found[1]


def _counted(rows: int) -> str:
    return f"more than {COUNTED:,} rows" if rows > COUNTED else _rows(rows)


def _rows(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"
