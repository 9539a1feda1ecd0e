"""The exchange of names between the columns of a job, as a part of a script, which refuses what it cannot carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic_ops.catalog.dependents import DEPENDENTS
from alembic_ops.catalog.publications import PUBLICATIONS
from alembic_ops.offline.reembedding_job import raising, work_table_of
from alembic_ops.sql.statements import written
from sqlalchemy_vecsearch.quoting import literal

if TYPE_CHECKING:
    from alembic_ops.operations import SwapEmbeddingBackOp, SwapEmbeddingOp

__all__ = ["exchange_block"]

_EXCHANGE: Final = """
    IF EXISTS (SELECT FROM pg_catalog.pg_inherits AS h WHERE h.inhparent OPERATOR(pg_catalog.=) target) THEN
        {relatives}
    END IF;
    {published}
    SELECT pg_catalog.string_agg(pg_catalog.concat(d.description, ' uses ', d.used), '; ') INTO said
      FROM ({dependents}) AS d;
    IF said IS NOT NULL THEN {tied} END IF;
    had := ARRAY(SELECT CAST(l.attname AS pg_catalog.text) FROM pg_catalog.pg_attribute AS l
                       WHERE l.attrelid OPERATOR(pg_catalog.=) target AND l.attnotnull
                         AND l.attname OPERATOR(pg_catalog.=) ANY (pg_catalog.array_cat(
                             ARRAY[CAST(job.live AS pg_catalog.text)],
                             CASE WHEN of_old IS NOT NULL THEN {of_live} END)));
    FOREACH base IN ARRAY had LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', target, base);
    END LOOP;
    SELECT pg_catalog.string_agg(what, ', ') INTO said
      FROM pg_catalog.pg_attribute AS l
      JOIN pg_catalog.pg_attribute AS o ON o.attrelid OPERATOR(pg_catalog.=) target
       AND o.attname OPERATOR(pg_catalog.=) job.replacement, LATERAL (VALUES
           ('NOT NULL', l.attnotnull OPERATOR(pg_catalog.=) o.attnotnull),
           ('the default', l.atthasdef OPERATOR(pg_catalog.=) o.atthasdef AND NOT l.atthasdef),
           ('the comment', COALESCE(pg_catalog.col_description(target, l.attnum), '') OPERATOR(pg_catalog.=)
                           COALESCE(pg_catalog.col_description(target, o.attnum), '')),
           ('the statistics settings',
            COALESCE(l.attstattarget, -1) OPERATOR(pg_catalog.=) COALESCE(o.attstattarget, -1)
            AND l.attoptions IS NULL AND o.attoptions IS NULL),
           ('the column privileges', l.attacl IS NULL AND o.attacl IS NULL)) AS compared (what, alike)
     WHERE l.attrelid OPERATOR(pg_catalog.=) target AND l.attname OPERATOR(pg_catalog.=) job.live AND NOT alike;
    IF said IS NOT NULL THEN {different} END IF;
    pairs := ARRAY[CAST(job.live AS pg_catalog.text), CAST(job.replacement AS pg_catalog.text)];
    IF of_old IS NOT NULL AND of_new IS NOT NULL THEN
        pairs := pg_catalog.array_cat(pairs, ARRAY[of_old[1], of_new[1], of_old[2], of_new[2], of_old[3], of_new[3]]);
    END IF;
    home := (SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_class AS t
               JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
              WHERE t.oid OPERATOR(pg_catalog.=) target);
    FOR pair IN
        WITH tied AS (
            SELECT DISTINCT i.relname AS name, a.attname AS column_name,
                   m.amname OPERATOR(pg_catalog.=) 'btree' AS waits,
                   pg_catalog.regexp_replace(o.opcname, '^(vector|halfvec|sparsevec|bit)_', '') AS metric,
                   x.indisvalid AND x.indisready AND x.indislive AS usable
              FROM pg_catalog.pg_attribute AS a
              JOIN pg_catalog.pg_depend AS d ON d.refobjid OPERATOR(pg_catalog.=) a.attrelid
               AND d.refobjsubid OPERATOR(pg_catalog.=) a.attnum
               AND d.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
               AND d.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
              JOIN pg_catalog.pg_index AS x ON x.indexrelid OPERATOR(pg_catalog.=) d.objid
              JOIN pg_catalog.pg_class AS i ON i.oid OPERATOR(pg_catalog.=) x.indexrelid
              JOIN pg_catalog.pg_am AS m ON m.oid OPERATOR(pg_catalog.=) i.relam
              JOIN pg_catalog.pg_opclass AS o ON o.oid OPERATOR(pg_catalog.=) x.indclass[0]
             WHERE a.attrelid OPERATOR(pg_catalog.=) target
               AND a.attname OPERATOR(pg_catalog.=) ANY (pairs)
        ), ranked AS (
            SELECT t.*, pg_catalog.row_number() OVER (
                   PARTITION BY t.column_name, t.waits, t.metric ORDER BY t.name) AS number FROM tied AS t)
        SELECT l.name AS first, o.name AS second, l.waits, COALESCE(o.usable, false) AS usable
          FROM ranked AS l LEFT JOIN ranked AS o ON o.column_name OPERATOR(pg_catalog.=) job.replacement
           AND o.waits OPERATOR(pg_catalog.=) l.waits AND o.number OPERATOR(pg_catalog.=) l.number
           AND (l.waits OR o.metric OPERATOR(pg_catalog.=) l.metric)
         WHERE l.column_name OPERATOR(pg_catalog.=) job.live
    LOOP
        IF NOT pair.usable AND NOT pair.waits THEN {no_partner} END IF;
        CONTINUE WHEN pair.second IS NULL;
        EXECUTE pg_catalog.format('ALTER INDEX %s.%I RENAME TO %I', home, pair.first, between);
        EXECUTE pg_catalog.format('ALTER INDEX %s.%I RENAME TO %I', home, pair.second, pair.first);
        EXECUTE pg_catalog.format('ALTER INDEX %s.%I RENAME TO %I', home, between, pair.second);
    END LOOP;
    FOR place IN 1 .. pg_catalog.cardinality(pairs) BY 2 LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s RENAME COLUMN %I TO %I', target, pairs[place], between);
        EXECUTE pg_catalog.format('ALTER TABLE %s RENAME COLUMN %I TO %I', target,
                                  pairs[place OPERATOR(pg_catalog.+) 1], pairs[place]);
        EXECUTE pg_catalog.format('ALTER TABLE %s RENAME COLUMN %I TO %I', target, between,
                                  pairs[place OPERATOR(pg_catalog.+) 1]);
    END LOOP;
    names := ARRAY[pg_catalog.concat({name_of_new}, '_source_hash'), pg_catalog.concat({name_of_new}, '_model'),
                   CASE WHEN {name_of_new} OPERATOR(pg_catalog.=) 'embedding' THEN 'embedded_at'
                        ELSE pg_catalog.concat({name_of_new}, '_embedded_at') END];
    IF of_old IS NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid OPERATOR(pg_catalog.=) target AND a.attname OPERATOR(pg_catalog.=) ANY (names)) THEN
        FOR place IN 1 .. 3 LOOP
            EXECUTE pg_catalog.format('ALTER TABLE %s RENAME COLUMN %I TO %I', target, of_new[place], names[place]);
        END LOOP;
    END IF;
    said := pg_catalog.concat('ix_', job.table_name, '_', new, '_pending');
    base := pg_catalog.concat('ix_', job.table_name, '_', {name_of_new}, '_pending');
    IF pg_catalog.octet_length(base) OPERATOR(pg_catalog.<=) 63
       AND pg_catalog.to_regclass(pg_catalog.format('%s.%I', home, base)) IS NULL
       AND pg_catalog.to_regclass(pg_catalog.format('%s.%I', home, said)) IS NOT NULL THEN
        EXECUTE pg_catalog.format('ALTER INDEX %s.%I RENAME TO %I', home, said, base);
    END IF;
    IF pg_catalog.to_regclass({work_name}) IS NOT NULL THEN
        FOR pair IN SELECT moved.* FROM (VALUES (1, pairs[1], between), (2, pairs[2], pairs[1]), (3, between, pairs[2]))
                                  AS moved (number, first, second) ORDER BY 1 LOOP
            EXECUTE pg_catalog.format({move}, pg_catalog.concat(job.table_name, '.', pair.second),
                                      pg_catalog.concat(job.table_name, '.', pair.first));
        END LOOP;
    END IF;"""


def exchange_block(operation: SwapEmbeddingOp | SwapEmbeddingBackOp, *, name_of_new: str, of_live: str) -> str:
    """Return the exchange of names, which refuses what a script cannot carry."""
    job = operation.job
    refused = f"The columns of the job {job!r} were not swapped: "
    names = ["\1live", "\1replacement"]
    dependents = written(DEPENDENTS, table="\1target", names=names, ours=[""])
    published = "" if operation.published else _refused_where_published(refused, names)
    work = work_table_of(operation.schema)
    move = f"UPDATE {work} SET target = \0L WHERE target OPERATOR(pg_catalog.=) \0L"  # quoted
    text = _EXCHANGE.format(
        relatives=raising(
            f"{refused}the table has partitions or child tables. "
            "Their indexes would keep their names. "
            "Switch by mode='pointer', or run the revision online."
        ),
        published=published,
        dependents=dependents,
        tied=raising(
            f"{refused}%s. PostgreSQL ties these objects to the column and not to its name, and a script can not carry "
            "them. Drop them before and create them again after it, or run the revision online.",
            "said",
        ),
        different=raising(
            f"{refused}they differ in %s. These belong to the name, and a script can not move them. "
            "Make both columns alike before, or run the revision online.",
            "said",
        ),
        no_partner=raising(
            f"{refused}the new column has no valid index like %s. After the swap every search would read the whole "
            "table. Build it with the same metric, and run this script again.",
            "pair.first",
        ),
        name_of_new=name_of_new,
        of_live=of_live,
        work_name=literal(work),
        move=literal(move.replace("%", "%%").replace("\0", "%")),
    )
    # what the queries of the catalog have as literals is known when the script is run
    for sign, expression in (
        ("target", "CAST(target AS pg_catalog.text)"),
        ("live", "CAST(job.live AS pg_catalog.text)"),
        ("replacement", "CAST(job.replacement AS pg_catalog.text)"),
    ):
        text = text.replace(f"'\1{sign}'", expression)
    return text


def _refused_where_published(refused: str, names: list[str]) -> str:
    query = written(PUBLICATIONS, table="\1target", columns=names)
    return f"""SELECT pg_catalog.string_agg(CAST(p.name AS pg_catalog.text), ', ') INTO said
      FROM ({query}) AS p;
    IF said IS NOT NULL THEN {
        raising(
            f"{refused}the table is published by %s. "
            "A rename is not replicated: a subscriber would mix the vectors of two models in one column. "
            "Change the subscribers at the same time, and write published=True.",
            "said",
        )
    } END IF;"""
