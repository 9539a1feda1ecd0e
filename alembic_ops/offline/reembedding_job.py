"""Blocks of a script about a job of re-embedding, which find its table and columns by the journal when they are run."""

from __future__ import annotations

from typing import Final

from sqlalchemy_vecsearch.embedding.journal import JOURNAL_TABLE
from sqlalchemy_vecsearch.embedding.work_table import WORK_TABLE
from sqlalchemy_vecsearch.quoting import PREPARER, dollar_quoted, literal, qualified_name

__all__ = ["forget_refusals", "job_block", "journal_of", "raising", "work_table_of"]

_HEAD: Final = """DECLARE
    job record; target pg_catalog.regclass; old pg_catalog.text; new pg_catalog.text; base pg_catalog.text;
    names pg_catalog.text[]; of_old pg_catalog.text[]; of_new pg_catalog.text[]; said pg_catalog.text;
    counted pg_catalog.int8; waits pg_catalog.text; pair record; {more}
BEGIN
    IF pg_catalog.to_regclass({journal_name}) IS NULL THEN {missing} END IF;
    SELECT j.* INTO job FROM {journal} AS j WHERE j.job OPERATOR(pg_catalog.=) {job} FOR UPDATE;
    IF NOT FOUND THEN {missing} END IF;
    target := pg_catalog.to_regclass(pg_catalog.format({table}, job.table_name));
    IF target IS NULL THEN {no_table} END IF;
    IF pg_catalog.octet_length(job.live) OPERATOR(pg_catalog.>) {longest}
       OR pg_catalog.octet_length(job.replacement) OPERATOR(pg_catalog.>) {longest} THEN {too_long} END IF;
    SELECT a.attname INTO old FROM pg_catalog.pg_attribute AS a
     WHERE a.attrelid OPERATOR(pg_catalog.=) target AND a.attnum OPERATOR(pg_catalog.=) job.live_number;
    SELECT a.attname INTO new FROM pg_catalog.pg_attribute AS a
     WHERE a.attrelid OPERATOR(pg_catalog.=) target AND a.attnum OPERATOR(pg_catalog.=) job.replacement_number;
    names := ARRAY[CAST(job.live AS pg_catalog.text), CAST(job.replacement AS pg_catalog.text)];
    IF NOT COALESCE(old OPERATOR(pg_catalog.<>) new AND old OPERATOR(pg_catalog.=) ANY (names)
                    AND new OPERATOR(pg_catalog.=) ANY (names), false) THEN
        old := job.live; new := job.replacement;
        IF COALESCE(job.mode OPERATOR(pg_catalog.=) 'rename', false)
           AND job.state OPERATOR(pg_catalog.=) ANY (ARRAY['swapped', 'finished'])
        THEN old := job.replacement; new := job.live; END IF;
    END IF;
    FOREACH base IN ARRAY pg_catalog.array_cat(ARRAY[new, names[2], names[1]], ARRAY[old]) LOOP
        names := ARRAY[pg_catalog.concat(base, '_source_hash'), pg_catalog.concat(base, '_model'),
                       CASE WHEN base OPERATOR(pg_catalog.=) 'embedding' THEN 'embedded_at'
                            ELSE pg_catalog.concat(base, '_embedded_at') END];
        SELECT pg_catalog.count(*) INTO counted
          FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
         WHERE a.attrelid OPERATOR(pg_catalog.=) target AND NOT a.attisdropped
           AND a.attname OPERATOR(pg_catalog.=) ANY (names)
           AND t.typname OPERATOR(pg_catalog.=) ANY (CASE WHEN a.attname OPERATOR(pg_catalog.=) names[3]
                                                          THEN ARRAY['timestamptz'] ELSE ARRAY['varchar', 'text'] END);
        CONTINUE WHEN counted OPERATOR(pg_catalog.<>) 3;
        of_new := COALESCE(of_new, names);
        IF base OPERATOR(pg_catalog.=) old AND of_new OPERATOR(pg_catalog.<>) names THEN of_old := names; END IF;
    END LOOP;"""

_LONGEST: Final = 51
"""Bytes of a column's name beside which ``_source_hash`` has room: beyond it names hold a digest."""


def job_block(job: str, schema: str | None, body: str, *, tag: str, missing: str | None = None, more: str = "") -> str:
    """Return a block that finds a job with its columns, and then runs a body of plpgsql.

    The body sees ``job``, its row; ``target``, the table; ``old`` and ``new``, the names that the columns have now;
    ``of_old`` and ``of_new``, the names of their provenance, NULL where there is none; and ``names``, ``said``,
    ``counted``, ``waits`` and ``pair`` to work with.

    Args:
        job: the name of the job.
        schema: the schema of its table.
        body: statements of plpgsql.
        tag: what the block is called between dollar signs.
        missing: what is done where there is no such job, None to stop.
        more: declarations of the body.
    """
    journal = journal_of(schema)
    prefix = "" if schema is None else PREPARER.quote(schema).replace("%", "%%") + "."
    head = _HEAD.format(
        journal_name=literal(journal),
        journal=journal,
        job=literal(job),
        table=literal(f"{prefix}%I"),
        more=more,
        longest=_LONGEST,
        missing=missing
        or raising(
            f"There is no job of re-embedding {job!r}. "
            "The journal does not have it, or there is no journal. "
            "Correct the name, or begin the job by op.begin_reembedding() in an earlier revision."
        ),
        no_table=raising(
            f"The table %s of the job {job!r} is not there. "
            "The journal is in its schema, and has outlived it. "
            "Restore the table, or delete the row of the job.",
            "job.table_name",
        ),
        too_long=raising(
            f"The job {job!r} is about columns with names of more than {_LONGEST} bytes. "
            "The names of their provenance hold a digest then, which a script can not work out. "
            "Run the revision online."
        ),
    )
    return f"DO {dollar_quoted(f'{head}{body} END', tag=tag)}"


def journal_of(schema: str | None) -> str:
    """Return the name of the journal, quoted."""
    return qualified_name(schema, JOURNAL_TABLE)


def work_table_of(schema: str | None) -> str:
    """Return the name of the work table, quoted."""
    return qualified_name(schema, WORK_TABLE)


def raising(message: str, *parts: str) -> str:
    """Return the statement that stops with a message, in which ``%s`` stands for parts, expressions of plpgsql."""
    text = literal(message if parts else message.replace("%", "%%"))
    given = "".join(f", {part}" for part in parts)
    return f"RAISE EXCEPTION USING MESSAGE = pg_catalog.format({text}{given});"


def forget_refusals(schema: str | None, column: str) -> str:
    """Return what deletes the rows of the work table that speak of a column, an expression of plpgsql."""
    work = work_table_of(schema)
    delete = literal(f"DELETE FROM {work} WHERE target OPERATOR(pg_catalog.=) ".replace("%", "%%") + "%L")
    return f"""
    IF pg_catalog.to_regclass({literal(work)}) IS NOT NULL THEN
        EXECUTE pg_catalog.format({delete}, pg_catalog.concat(job.table_name, '.', {column}));
    END IF;"""
