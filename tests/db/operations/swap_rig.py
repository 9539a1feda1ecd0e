"""A swap of columns on a connection, and what the server prints of everything that belongs to their names."""

from __future__ import annotations

import os

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

import alembic_ops

alembic_ops.register()

TABLE = (
    "DROP SCHEMA IF EXISTS app CASCADE",
    "CREATE SCHEMA app",
    "CREATE TABLE app.document (id int PRIMARY KEY, lang text NOT NULL DEFAULT 'en', embedding vector(3), embedding_v2 halfvec(4))",
    "INSERT INTO app.document SELECT i, 'en', ARRAY[i, 1, 2]::vector(3), ARRAY[i, 1, 2, 3]::halfvec(4) FROM generate_series(1, 20) i",
    "CREATE FUNCTION app.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
)
ROLES = tuple(f"carried{os.getpid()}_{name}" for name in ("reader", "writer", "owner"))  # roles belong to the server
CARRIED = {
    "NOT NULL, default": [
        "ALTER TABLE app.document ALTER embedding SET NOT NULL",
        "ALTER TABLE app.document ALTER embedding SET DEFAULT NULL",
    ],
    "comment, statistics target, options, storage, compression": [
        "COMMENT ON COLUMN app.document.embedding IS 'it''s 100% \\ of it: all'",
        "ALTER TABLE app.document ALTER embedding SET STATISTICS 17",
        "ALTER TABLE app.document ALTER embedding SET (n_distinct = -0.5)",
        "ALTER TABLE app.document ALTER embedding SET STORAGE PLAIN",
        "ALTER TABLE app.document ALTER embedding_v2 SET COMPRESSION pglz",
    ],
    "grants on the column, and those made by somebody else": [
        "GRANT SELECT (embedding), UPDATE (embedding, embedding_v2) ON app.document TO carried_writer WITH GRANT OPTION",
        "GRANT USAGE ON SCHEMA app TO carried_writer",
        "SET ROLE carried_writer; GRANT SELECT (embedding) ON app.document TO carried_reader, PUBLIC; RESET ROLE",
    ],
    "check": [
        "ALTER TABLE app.document ADD CONSTRAINT three CHECK (vector_dims(embedding) >= 3 AND embedding IS NOT NULL)",
        "COMMENT ON CONSTRAINT three ON app.document IS 'three'",
        'ALTER TABLE app.document ADD CONSTRAINT "Both" CHECK (embedding IS NULL OR embedding_v2 IS NOT NULL)',
    ],
    "check that is not valid": [
        "ALTER TABLE app.document ADD CONSTRAINT four CHECK (vector_dims(embedding) < 100) NOT VALID",
    ],
    "view": ["CREATE VIEW app.v AS SELECT * FROM app.document"],
    "view with another name, options, comments, grants, owner, default, trigger": [
        "CREATE VIEW app.named WITH (security_barrier, check_option = local) AS SELECT id, embedding AS emb, lang FROM app.document"
        " WHERE embedding IS NOT NULL",
        "COMMENT ON VIEW app.named IS 'it''s'",
        "COMMENT ON COLUMN app.named.emb IS 'the \\ vector'",
        "ALTER VIEW app.named ALTER COLUMN lang SET DEFAULT 'fr'",
        "CREATE TRIGGER added INSTEAD OF INSERT ON app.named FOR EACH ROW EXECUTE FUNCTION app.nothing()",
        "COMMENT ON TRIGGER added ON app.named IS 'added'",
        "GRANT ALL ON SCHEMA app TO carried_owner, carried_reader",
        "GRANT SELECT ON app.document TO carried_owner",
        "GRANT SELECT (emb) ON app.named TO carried_writer",
        "ALTER VIEW app.named OWNER TO carried_owner",
        "REVOKE DELETE ON app.named FROM carried_owner",
        "GRANT SELECT ON app.named TO carried_reader WITH GRANT OPTION",
        "SET ROLE carried_reader; GRANT SELECT ON app.named TO carried_writer; RESET ROLE",
    ],
    "views on views, and default privileges": [
        "CREATE VIEW app.a AS SELECT id, embedding FROM app.document",
        "CREATE VIEW app.b AS SELECT embedding AS e FROM app.a",
        "CREATE RECURSIVE VIEW app.c (n, e) AS SELECT id, embedding FROM app.a WHERE id < 5 AND EXISTS (SELECT FROM app.b) UNION ALL SELECT n + 1, c.e FROM c WHERE n < 3",
        "GRANT SELECT ON app.b TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT ALL ON TABLES TO carried_writer",
    ],
    "policy": [
        "ALTER TABLE app.document ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY one ON app.document AS RESTRICTIVE FOR UPDATE TO carried_reader, carried_writer"
        " USING (embedding IS NOT NULL) WITH CHECK (vector_dims(embedding) > 0)",
        "CREATE POLICY two ON app.document FOR INSERT WITH CHECK (embedding_v2 IS NULL)",
        "COMMENT ON POLICY two ON app.document IS 'two'",
    ],
    "policy of another table": [
        "CREATE TABLE app.other (id int)",
        "CREATE POLICY far ON app.other USING (EXISTS (SELECT FROM app.document d WHERE d.embedding IS NOT NULL AND d.id = other.id))",
    ],
    "triggers on updates of the column": [
        "CREATE TRIGGER changed BEFORE UPDATE OF embedding, lang ON app.document FOR EACH ROW WHEN (new.embedding IS NOT NULL)"
        " EXECUTE FUNCTION app.nothing('embedding')",
        "COMMENT ON TRIGGER changed ON app.document IS 'changed'",
        "ALTER TABLE app.document ENABLE ALWAYS TRIGGER changed",
        "CREATE TRIGGER off AFTER UPDATE OF embedding_v2 ON app.document EXECUTE FUNCTION app.nothing()",
        "ALTER TABLE app.document DISABLE TRIGGER off",
        "CREATE CONSTRAINT TRIGGER checked AFTER UPDATE OF embedding ON app.document DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION app.nothing()",
    ],
    "extended statistics": [
        "CREATE STATISTICS app.pairs ON lang, (embedding IS NULL) FROM app.document",
        "ALTER STATISTICS app.pairs SET STATISTICS 7",
        "ALTER STATISTICS app.pairs OWNER TO carried_owner",
        "COMMENT ON STATISTICS app.pairs IS 'pairs'",
    ],
    "indexes in pairs": [
        "CREATE INDEX near ON app.document USING hnsw (embedding vector_l2_ops)",
        "CREATE INDEX near_v2 ON app.document USING hnsw (embedding_v2 halfvec_l2_ops)",
        "COMMENT ON INDEX app.near IS 'near'",
        "CREATE INDEX missing ON app.document (id) WHERE embedding IS NULL",
        "CREATE INDEX missing_lang ON app.document (lang) WHERE embedding IS NULL",
        "CREATE INDEX a_other ON app.document (lang) WHERE embedding_v2 IS NULL",
        "CREATE INDEX b_other ON app.document (id) WHERE embedding_v2 IS NULL",
        "CREATE INDEX sizes ON app.document USING btree (vector_dims(embedding), lang)",
        "CREATE INDEX sizes_v2 ON app.document USING btree (vector_dims(embedding_v2), lang)",
    ],
}

ACL = """(SELECT array_agg(one ORDER BY one) FROM (SELECT concat_ws(' ', CASE WHEN x.grantee = 0 THEN 'PUBLIC'
     ELSE pg_get_userbyid(x.grantee) END, x.privilege_type, x.is_grantable, pg_get_userbyid(x.grantor)) AS one
     FROM aclexplode({}) x) y)"""
SAID = {
    "views": f"""
        SELECT c.relname, pg_get_viewdef(c.oid), reloptions, pg_get_userbyid(relowner), obj_description(c.oid, 'pg_class'),
               {ACL.format("coalesce(relacl, acldefault('r', relowner))")},
               (SELECT json_agg(json_build_array(attname, col_description(c.oid, attnum), {ACL.format("attacl")},
                       (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = c.oid AND adnum = attnum)) ORDER BY attnum)
                  FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0)
          FROM pg_class c WHERE relkind = 'v' AND relnamespace = 'app'::regnamespace ORDER BY 1""",
    "triggers": """
        SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled, obj_description(oid, 'pg_trigger') FROM pg_trigger
         WHERE NOT tgisinternal ORDER BY 1, 2""",
    "policies": """
        SELECT polrelid::regclass::text, polname, polcmd, polpermissive, polroles::regrole[]::text, pg_get_expr(polqual, polrelid),
               pg_get_expr(polwithcheck, polrelid), obj_description(oid, 'pg_policy') FROM pg_policy ORDER BY 1, 2""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated, conislocal, obj_description(oid, 'pg_constraint')
          FROM pg_constraint WHERE contype <> 'n' AND connamespace = 'app'::regnamespace ORDER BY 1, 2""",
    "statistics": """
        SELECT pg_get_statisticsobjdef(oid), stxstattarget, pg_get_userbyid(stxowner), obj_description(oid, 'pg_statistic_ext')
          FROM pg_statistic_ext ORDER BY 1""",
    "publications": """
        SELECT pubname, tablename, to_jsonb(p)->>'rowfilter', (SELECT jsonb_agg(x ORDER BY x) FROM jsonb_array_elements(
               to_jsonb(p)->'attnames') x)::text FROM pg_publication_tables p ORDER BY 1, 2""",
    "indexes": """
        SELECT i.relname, regexp_replace(pg_get_indexdef(i.oid), '(half|sparse)?(vec|vector)_', ''), obj_description(i.oid, 'pg_class')
          FROM pg_class i WHERE relkind IN ('i', 'I') AND relnamespace = 'app'::regnamespace ORDER BY 1""",
    "columns": f"""
        SELECT attrelid::regclass::text, attname, attnotnull, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum),
               {ACL.format("attacl")}, coalesce(attstattarget, -1), attoptions, attstorage, attcompression
          FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
          LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2""",
}


def said(engine):
    """Return what the server prints of all that belongs to names of columns in the schema app."""
    with engine.connect() as connection:
        return {
            kind: [tuple(row) for row in connection.execute(text(sql.replace(":", r"\:")))]
            for kind, sql in SAID.items()
        }


def types(engine, table="app.document"):
    """Return the type of every embedding column."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = CAST(:table AS regclass)"
                " AND attname LIKE 'embedding%' AND NOT attisdropped"
            ),
            {"table": table},
        )
        return dict(rows.all())


def swap(engine, table="document", **options):
    """Swap embedding and embedding_v2 as a revision does, in the schema app."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        with context.begin_transaction():
            Operations(context).swap_embedding_columns(
                table, live="embedding", replacement="embedding_v2", schema="app", **options
            )


def execute(engine, *statements):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as connection:
        for sql in statements:
            connection.exec_driver_sql(sql)


def carried(*kinds):
    """Return the statements that make what is carried, with this module's own names of roles."""
    return [sql.replace("carried_", f"carried{os.getpid()}_") for kind in kinds for sql in CARRIED[kind]]
