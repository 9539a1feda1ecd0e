"""The ends of a job of re-embedding as SQL for later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic_ops.offline.reembedding_job import forget_refusals, job_block, journal_of, raising
from sqlalchemy_vecsearch.quoting import literal

if TYPE_CHECKING:
    from alembic_ops.operations import AbortReembeddingOp, FinishReembeddingOp

__all__ = ["abort_script", "finish_script"]

# The indexes go with their columns, under the same short lock: what a script drops concurrently it must name.
_DROP: Final = """
    EXECUTE (SELECT pg_catalog.format('ALTER TABLE %s %s', target, pg_catalog.string_agg(
                        pg_catalog.format('DROP COLUMN IF EXISTS %I', going.name), ', '))
               FROM pg_catalog.unnest(names) AS going (name));"""


def finish_script(operation: FinishReembeddingOp) -> list[str]:
    """Return the block that ends a job, and passes over one that is finished."""
    job = operation.job
    drop = (
        ""
        if operation.keep_old
        else f"""
    names := pg_catalog.array_cat(ARRAY[old], COALESCE(of_old, CAST('{{}}' AS pg_catalog.text[])));{_DROP}
    {forget_refusals(operation.schema, "old")}"""
    )
    body = f"""
    IF job.state OPERATOR(pg_catalog.=) 'finished' THEN RETURN; END IF;
    IF job.state OPERATOR(pg_catalog.<>) 'swapped' THEN
        {
        raising(
            f"The job {job!r} can not be finished: its state is %s. "
            "Searches use the former column, which would be dropped. "
            "Switch them by op.swap_embedding() in an earlier revision, or abort the job.",
            "job.state",
        )
    }
    END IF;{drop}
    UPDATE {journal_of(operation.schema)} AS j SET state = 'finished', finished_at = pg_catalog.now()
     WHERE j.job OPERATOR(pg_catalog.=) {literal(job)};"""
    return [job_block(job, operation.schema, body, tag="finish")]


def abort_script(operation: AbortReembeddingOp) -> list[str]:
    """Return the block that takes back what a begin has brought; it passes over a job that is not there."""
    job = operation.job
    count = (
        ""
        if operation.discard_vectors
        else f"""
    EXECUTE pg_catalog.format('SELECT pg_catalog.count(*) FROM %s WHERE %I IS NOT NULL', target, new) INTO counted;
    IF counted OPERATOR(pg_catalog.>) 0 THEN
        {
            raising(
                f"The job {job!r} was not aborted: %s rows have a vector of the model %s in %s. "
                "They may have cost money and hours, and would be gone. "
                "Write discard_vectors=True to throw them away.",
                "counted",
                "job.model",
                "new",
            )
        }
    END IF;"""
    )
    body = f"""
    IF job.state OPERATOR(pg_catalog.<>) ALL (ARRAY['begun', 'ready']) THEN
        {
        raising(
            f"The job {job!r} can not be aborted: its state is %s. "
            "Searches use its column. "
            "Switch back by op.swap_embedding_back() first.",
            "job.state",
        )
    }
    END IF;{count}
    names := pg_catalog.array_cat(ARRAY[new], COALESCE(of_new, CAST('{{}}' AS pg_catalog.text[])));{_DROP}
    {forget_refusals(operation.schema, "new")}
    DELETE FROM {journal_of(operation.schema)} AS j WHERE j.job OPERATOR(pg_catalog.=) {literal(job)};"""
    return [job_block(job, operation.schema, body, tag="abort", missing="RETURN;")]
