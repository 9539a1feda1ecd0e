"""Columns of a job that were NOT NULL when names were exchanged, made so again by a script."""

from __future__ import annotations

from alembic_ops.offline.reembedding_job import job_block, journal_of
from sqlalchemy_vecsearch.names import NOT_NULL_PROOF
from sqlalchemy_vecsearch.quoting import literal

__all__ = ["required_again"]


def required_again(job: str, schema: str | None) -> list[str]:
    """Return the blocks that make columns NOT NULL again which were so, a transaction each, so that nobody waits."""
    check = f"pg_catalog.concat(base, '{NOT_NULL_PROOF}')"
    each = """
    IF job.required IS NULL THEN RETURN; END IF;
    FOR base IN SELECT n.name FROM pg_catalog.jsonb_array_elements_text(job.required) AS n (name) LOOP
        EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM %s WHERE %I IS NULL)', target, base) INTO missing;
        IF missing THEN
            RAISE WARNING 'The column % was NOT NULL, and rows have no value. It stays nullable.', base;
            left_over := true;
            CONTINUE;
        END IF;"""
    add = f"""{each}
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS c WHERE c.conrelid OPERATOR(pg_catalog.=) target
                          AND c.conname OPERATOR(pg_catalog.=) {check}) THEN
            EXECUTE pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%I IS NOT NULL) NOT VALID', target,
                                      {check}, base);
        END IF;
    END LOOP;"""
    validate = f"""{each}
        EXECUTE pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I', target, {check});
    END LOOP;"""
    require = f"""{each}
        EXECUTE pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', target, base);
        EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', target, {check});
    END LOOP;
    IF NOT left_over THEN
        UPDATE {journal_of(schema)} AS j SET required = NULL WHERE j.job OPERATOR(pg_catalog.=) {literal(job)};
    END IF;"""
    more = "missing pg_catalog.bool; left_over pg_catalog.bool := false;"
    return [
        job_block(job, schema, body, tag=tag, more=more)
        for tag, body in (("check", add), ("validate", validate), ("require", require))
    ]
