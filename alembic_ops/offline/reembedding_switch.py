"""The switch of searches between the columns of a job, and the switch back, as SQL for later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic_ops.offline.reembedding_exchange import exchange_block
from alembic_ops.offline.reembedding_job import job_block, journal_of, raising
from alembic_ops.offline.reembedding_required import required_again
from sqlalchemy_vecsearch.quoting import literal

if TYPE_CHECKING:
    from alembic_ops.operations import SwapEmbeddingBackOp, SwapEmbeddingOp

__all__ = ["swap_back_script", "swap_script"]

_PENDING_INDEX: Final = """(SELECT {what} FROM pg_catalog.pg_index AS x
       JOIN pg_catalog.pg_class AS i ON i.oid OPERATOR(pg_catalog.=) x.indexrelid
      WHERE x.indrelid OPERATOR(pg_catalog.=) target AND x.indpred IS NOT NULL AND x.indisvalid AND x.indisready
        AND i.relname OPERATOR(pg_catalog.=) pg_catalog.concat('ix_', job.table_name, '_', {column}, '_pending'))"""
_CONDITION: Final = "pg_catalog.pg_get_expr(x.indpred, x.indrelid)"
"""By its name, which a script knows as long as it is not too long for one."""

_OTHERS: Final = """SELECT o.job, o.was, o.became INTO pair FROM (
        SELECT j.job, j.swapped_at,
               CASE WHEN j.mode OPERATOR(pg_catalog.=) 'rename' THEN j.replacement ELSE j.live END AS was,
               CASE WHEN j.mode OPERATOR(pg_catalog.=) 'rename' THEN j.live ELSE j.replacement END AS became
          FROM {journal} AS j
         WHERE j.table_name OPERATOR(pg_catalog.=) job.table_name AND j.job OPERATOR(pg_catalog.<>) job.job
           AND j.swapped_at IS NOT NULL {since}) AS o
     WHERE {column} OPERATOR(pg_catalog.=) o.was OR {column} OPERATOR(pg_catalog.=) o.became
     ORDER BY o.swapped_at DESC LIMIT 1;"""
"""The last of the other jobs that has switched searches from or to a column, by the names of now."""

_UNUSED: Final = """SELECT j.job INTO pair FROM {journal} AS j
     WHERE j.table_name OPERATOR(pg_catalog.=) job.table_name AND j.swapped_at IS NULL
       AND j.replacement_number OPERATOR(pg_catalog.=) job.live_number ORDER BY j.job LIMIT 1;"""
"""The job that has made the column in use of this one, and is not switched."""

_MORE: Final = (
    "had pg_catalog.text[]; pairs pg_catalog.text[]; home pg_catalog.text; place pg_catalog.int4;"
    " chosen pg_catalog.text; between pg_catalog.text := 'alembic_ops__swap';"
)


_MARK: Final = """
    UPDATE {journal} AS j SET {what},
           required = CASE WHEN pg_catalog.cardinality(had) OPERATOR(pg_catalog.>) 0 THEN pg_catalog.to_jsonb(had) END
     WHERE j.job OPERATOR(pg_catalog.=) {job};"""

_LOCK: Final = """
    IF {mode} OPERATOR(pg_catalog.=) 'rename' THEN
        EXECUTE pg_catalog.format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', target);
    END IF;"""


def swap_script(operation: SwapEmbeddingOp) -> list[str]:
    """Return the blocks that switch searches to the new column, and pass over a job that is swapped already."""
    job, journal = operation.job, journal_of(operation.schema)
    wished = literal(operation.mode)
    names = exchange_block(operation, name_of_new="job.live", of_live="of_old")
    body = (
        _swapped_already(job, wished)
        + _not_ready(job)
        + _left_the_column(job, journal)
        + _unused_column(job, journal)
        + _chosen_mode(job, wished)
        + _LOCK.format(mode="chosen")
        + _too_many_pending(job, operation.max_pending)
        + f"\n    IF chosen OPERATOR(pg_catalog.=) 'rename' THEN{names}\n    END IF;"
        + _MARK.format(
            journal=journal, job=literal(job), what="state = 'swapped', mode = chosen, swapped_at = pg_catalog.now()"
        )
    )
    return [job_block(job, operation.schema, body, tag="swap", more=_MORE), *required_again(job, operation.schema)]


def _refused_where(condition: str, refusal: str) -> str:
    return f"""
    IF {condition} THEN
        {refusal}
    END IF;"""


def _swapped_already(job: str, wished: str) -> str:
    """Return what ends the block of a job that is swapped, and refuses another mode than its own."""
    other_mode = raising(
        f"The job {job!r} is %s, by %s. "
        "The application follows either the names or the pointer. "
        "Switch back by op.swap_embedding_back() first, or write that mode.",
        "job.state",
        "job.mode",
    )
    return f"""
    IF job.state OPERATOR(pg_catalog.=) ANY (ARRAY['swapped', 'finished']) THEN
        IF COALESCE({wished}, job.mode) OPERATOR(pg_catalog.<>) job.mode THEN
            {other_mode}
        END IF;
        RETURN;
    END IF;"""


def _not_ready(job: str) -> str:
    """Return what refuses a job whose vectors or whose index are not complete."""
    unfinished = raising(
        f"The job {job!r} is not ready: its state is %s. "
        "Searches are switched to vectors that are complete, indexed, and compared with those in use. "
        f"Run `vecsearch reembed {job} --embedder module:function` until it says that the job is ready, and run "
        "this script again.",
        "job.state",
    )
    no_index = raising(
        f"The index of the job {job!r} is missing or not valid. "
        "After the switch every search would read the whole table. "
        f"Run `vecsearch reembed {job} --embedder module:function`, which builds it, and run this script again.",
    )
    return _refused_where(
        "job.state OPERATOR(pg_catalog.<>) 'ready' OR new OPERATOR(pg_catalog.<>) job.replacement", unfinished
    ) + _refused_where(
        """job.index_definition IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_index AS x
              JOIN pg_catalog.pg_class AS i ON i.oid OPERATOR(pg_catalog.=) x.indexrelid
             WHERE x.indrelid OPERATOR(pg_catalog.=) target AND x.indisvalid
               AND i.relname OPERATOR(pg_catalog.=) (job.index_definition OPERATOR(pg_catalog.->>) 'name'))""",
        no_index,
    )


def _left_the_column(job: str, journal: str) -> str:
    """Return what refuses a job whose live column searches have left by another job."""
    left = raising(
        f"Searches of the job {job!r} were not switched: they have left %s for %s by the job %s. "
        "A second switch from the same column would be followed by none of them. "
        "Switch back by op.swap_embedding_back() of that job first, or, where it is finished, begin a job with the "
        "column in use as live.",
        "old",
        "pair.became",
        "pair.job",
    )
    others = _OTHERS.format(journal=journal, column="old", since="")
    return f"\n    {others}{_refused_where('pair.was OPERATOR(pg_catalog.=) old', left)}"


def _unused_column(job: str, journal: str) -> str:
    """Return what refuses a job whose live column another job has made and searches do not use."""
    unused = raising(
        f"Searches of the job {job!r} were not switched: it goes on from the new column of the job %s, which "
        "searches do not use. "
        "That job is not switched, or was switched back, so that none of them would follow. "
        "Switch it by op.swap_embedding() first, or begin a job with the column in use as live.",
        "pair.job",
    )
    return f"\n    {_UNUSED.format(journal=journal)}{_refused_where('pair.job IS NOT NULL', unused)}"


def _chosen_mode(job: str, wished: str) -> str:
    """Return what finds the condition of pending rows, and chooses how the application is to follow."""
    uncounted = raising(
        f"The job {job!r} has no valid index of pending rows. "
        "Without it nobody could count the rows that have no new vector. "
        "Run the revision with its op.begin_reembedding() again, which builds it.",
    )
    return f"""
    waits := {_PENDING_INDEX.format(what=_CONDITION, column="new")};{_refused_where("waits IS NULL", uncounted)}
    chosen := COALESCE({wished}, CASE
        WHEN job.previous_model OPERATOR(pg_catalog.=) job.model AND 1 OPERATOR(pg_catalog.=) (
             SELECT pg_catalog.count(DISTINCT pg_catalog.substring(
                        pg_catalog.format_type(a.atttypid, a.atttypmod), '[(][0-9]+[)]$'))
               FROM pg_catalog.pg_attribute AS a WHERE a.attrelid OPERATOR(pg_catalog.=) target
                AND a.attname OPERATOR(pg_catalog.=) ANY (ARRAY[old, new])) THEN 'rename' ELSE 'pointer' END);"""


def _too_many_pending(job: str, most: int) -> str:
    """Return what counts the pending rows up to a bound, and refuses more."""
    pending = raising(
        f"Searches of the job {job!r} were not switched: more than {most} rows are pending. "
        "They have no vector of the new model for the text that they have now. "
        f"Let `vecsearch reembed {job} --embedder module:function` catch up, or allow some by max_pending.",
    )
    return f"""
    EXECUTE pg_catalog.format('SELECT pg_catalog.count(*) FROM (SELECT FROM %s WHERE %s LIMIT %s) AS waiting',
                              target, waits, {most + 1}) INTO counted;{
        _refused_where(f"counted OPERATOR(pg_catalog.>) {most}", pending)
    }"""


def swap_back_script(operation: SwapEmbeddingBackOp) -> list[str]:
    """Return the blocks that switch searches back, and pass over a job that uses the former column."""
    job, journal = operation.job, journal_of(operation.schema)
    names = exchange_block(operation, name_of_new="job.replacement", of_live="of_new")
    body = (
        _not_swapped(job)
        + _switched_since(job, journal)
        + _LOCK.format(mode="job.mode")
        + _stale_rows(job, allowed=operation.allow_stale)
        + f"\n    IF job.mode OPERATOR(pg_catalog.=) 'rename' THEN{names}\n    END IF;"
        + _MARK.format(journal=journal, job=literal(job), what="state = 'ready', mode = NULL, swapped_at = NULL")
    )
    return [job_block(job, operation.schema, body, tag="back", more=_MORE), *required_again(job, operation.schema)]


def _not_swapped(job: str) -> str:
    """Return what refuses a finished job, and ends the block of one that is not swapped."""
    finished = raising(
        f"The job {job!r} is finished, and searches can not be switched back. "
        "The former column is gone, or nobody has kept its vectors true to their texts. "
        "Begin a job with the former model by op.begin_reembedding()."
    )
    return f"""{_refused_where("job.state OPERATOR(pg_catalog.=) 'finished'", finished)}
    IF job.state OPERATOR(pg_catalog.<>) 'swapped' THEN RETURN; END IF;"""


def _switched_since(job: str, journal: str) -> str:
    """Return what refuses a job whose new column searches have left by a later one."""
    since = raising(
        f"Searches of the job {job!r} were not switched back: the job %s has switched them since. "
        f"They went on from the column of {job!r}, and the way back leads through it. "
        "Switch back by op.swap_embedding_back() of that job first.",
        "pair.job",
    )
    others = _OTHERS.format(
        journal=journal, column="new", since="AND j.swapped_at OPERATOR(pg_catalog.>) job.swapped_at"
    )
    return f"\n    {others}{_refused_where('FOUND', since)}"


def _stale_rows(job: str, *, allowed: bool) -> str:
    """Return what counts the rows whose former vectors are stale, and refuses any unless they are allowed."""
    since = literal("%I OPERATOR(pg_catalog.>) CAST(%L AS pg_catalog.timestamptz) OR ")
    stale = raising(
        f"Searches of the job {job!r} were not switched back: %s rows of %s are stale. "
        "They were inserted or changed since the switch, and their vectors of the former model are missing or "
        "older. "
        "Embed them with the former model by `vecsearch embed`, or write allow_stale=True.",
        "counted",
        "old",
    )
    refused = "" if allowed else _refused_where("counted OPERATOR(pg_catalog.>) 0", stale)
    return f"""
    waits := {_PENDING_INDEX.format(what=_CONDITION, column="old")};
    IF waits IS NULL THEN
        waits := pg_catalog.concat(
            pg_catalog.format({since}, of_new[3], job.swapped_at),
            COALESCE({_PENDING_INDEX.format(what=_CONDITION, column="new")}, 'false'));
    END IF;
    EXECUTE pg_catalog.format('SELECT pg_catalog.count(*) FROM %s WHERE %s', target, waits) INTO counted;
    RAISE NOTICE '% rows of the former column are stale', counted;{refused}"""
