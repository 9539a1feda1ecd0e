"""No operation calls an overload that a stranger has planted, wherever the search path leads."""

from __future__ import annotations

import io
import subprocess
from contextlib import nullcontext

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import event

import alembic_ops  # noqa: F401  # registers the operations
from sqlalchemy_vecsearch import HALFVEC, VECTOR
from tests.db.mined_database import ANSWERS_ERRORS
from tests.db.planted_overloads import qualified_names, without_qualification

HALF = {"column": sa.text("(embedding::halfvec(3))"), "operator_class": "halfvec_l2_ops"}
TABLE = (
    "CREATE TABLE public.document (id int PRIMARY KEY, ready bool NOT NULL DEFAULT true, embedding vector(3),"
    " embedding_v2 vector(3), unbounded vector, list vector[])",
    "INSERT INTO document(id, embedding, embedding_v2, unbounded, list)"
    " SELECT i, ARRAY[i, 1, 2]::vector(3), ARRAY[i, 1, 2]::vector(3), '[1,2,3]', ARRAY['[1,2,3]'::vector]"
    " FROM generate_series(1, 50) i",
    "CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)",
    "CREATE INDEX ix_beside ON document USING hnsw (embedding vector_l2_ops) WITH (m = 8)",
    "CREATE INDEX ix_of_v2 ON document USING hnsw (embedding_v2 vector_l2_ops)",
    "CREATE INDEX ix_of_v2_beside ON document USING hnsw (embedding_v2 vector_l2_ops)",
    "COMMENT ON COLUMN document.embedding IS 'live'",
    "GRANT SELECT (embedding, unbounded, list) ON document TO pg_monitor",
    "CREATE INDEX ix_of_expression ON document USING hnsw ((unbounded::halfvec(3)) halfvec_l2_ops)",
    "CREATE TABLE public.measured (id int, embedding vector(3)) PARTITION BY LIST (id)",
    "CREATE TABLE public.measured_1 PARTITION OF measured FOR VALUES IN (1)",
)

CARRIED = (
    "ALTER TABLE document ADD CONSTRAINT three CHECK (vector_dims(embedding) >= 3)",
    "CREATE VIEW v AS SELECT id, embedding FROM document",
    "GRANT SELECT ON v TO pg_monitor",
    "COMMENT ON VIEW v IS 'v'",
    "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER changed AFTER UPDATE OF embedding ON document FOR EACH ROW EXECUTE FUNCTION nothing()",
    "CREATE POLICY own ON document TO pg_monitor USING (embedding IS NOT NULL)",
    "CREATE STATISTICS both_of ON ready, (embedding IS NULL) FROM document",
)
"""One of each kind that a swap of columns drops and creates again."""

OPERATIONS = {
    "create": lambda op: op.create_vector_index("ix_new", "document", "embedding", operator_class="vector_cosine_ops"),
    "create of an expression": lambda op: op.create_vector_index("ix_new", "document", where="ready", **HALF),
    "create in the transaction": lambda op: op.create_vector_index("ix_new", "document", concurrently=False, **HALF),
    "create with automatic lists": lambda op: op.create_vector_index(
        "ix_new", "document", "embedding", method="ivfflat", operator_class="vector_l2_ops", with_={"lists": "auto"}
    ),
    "create on partitions": lambda op: op.create_vector_index(
        "ix_new", "measured", "embedding", operator_class="vector_l2_ops"
    ),
    "rebuild": lambda op: op.rebuild_vector_index("ix", "document"),
    "rebuild by another definition": lambda op: op.rebuild_vector_index("ix", "document", **HALF),
    "swap": lambda op: op.swap_vector_index("ix", replacement="ix_beside", table_name="document"),
    "rename": lambda op: op.rename_vector_index("ix", "ix_new", table_name="document"),
    "drop": lambda op: op.drop_vector_index("ix", "document"),
    "add": lambda op: op.add_embedding_column("document", sa.Column("added", VECTOR(3))),
    "add as not null": lambda op: op.add_embedding_column(
        "document", sa.Column("embedding", VECTOR(3), nullable=False)
    ),
    "alter": lambda op: op.alter_embedding_type("document", "embedding", existing_type=VECTOR(3), type_=HALFVEC(3)),
    "alter to dimensions": lambda op: op.alter_embedding_type(
        "document", "unbounded", existing_type=VECTOR(), type_=VECTOR(3)
    ),
    "alter an array to dimensions": lambda op: op.alter_embedding_type(
        "document", "list", existing_type=sa.ARRAY(VECTOR()), type_=sa.ARRAY(VECTOR(3))
    ),
    "alter and discard": lambda op: op.alter_embedding_type(
        "document", "embedding", existing_type=VECTOR(3), type_=VECTOR(4), discard_vectors=True
    ),
    "swap columns": lambda op: op.swap_embedding_columns("document", live="embedding", replacement="embedding_v2"),
    "create the extension": lambda op: op.create_vector_extension(minimum_version="0.7"),
    "update the extension": lambda op: op.update_vector_extension(),
}

NAMES = {
    "=", "<>", ">", "<", "+", "-", "/", "||", "->", "->>", "?",
    "pg_try_advisory_lock", "pg_try_advisory_xact_lock", "pg_advisory_unlock", "pg_blocking_pids", "jsonb_typeof", "to_jsonb",
    "array_append", "cardinality", "col_description", "concat", "concat_ws", "jsonb_agg", "md5", "pg_stat_clear_snapshot", "count", "current_database", "current_schemas", "current_setting", "format",
    "format_type", "has_database_privilege", "inet_server_addr", "octet_length", "pg_backend_pid", "pg_describe_object", "pg_get_expr",
    "pg_get_indexdef", "pg_get_userbyid", "pg_is_in_recovery", "pg_my_temp_schema", "pg_opclass_is_visible",
    "pg_read_file", "pg_relation_size", "pg_table_is_visible", "quote_ident", "set_config", "to_regclass", "unnest",
    "array_to_string", "jsonb_array_elements_text", "jsonb_build_object", "string_agg", "bool_and", "bool_or",
    "acldefault", "array_agg", "max", "min", "obj_description", "pg_get_constraintdef", "pg_get_statisticsobjdef",
    "pg_get_triggerdef", "pg_get_viewdef", "rtrim", "starts_with", "substr", "strpos",
}  # fmt: skip
IN_SCRIPTS = {
    "current_schema", "regexp_replace", "split_part", "string_to_array",
    "substring", "to_regtype",
}  # fmt: skip
CANNOT_BE_PLANTED = {
    "pg_options_to_table",
    "row_number",
    "aclexplode",
    "dense_rank",
    "jsonb_array_elements",
    "record_send",
}
"""What takes or returns types of which only C can be a function, or is a window function."""

SOON = {"vector_lock_timeout": 0.05, "vector_lock_deadline": 0.5}
"""A lock that a planted function does not give is not waited for as long as one that another process has."""

NOT_ANSWERED = {
    "<>", "format", "pg_describe_object", "jsonb_build_object", "to_jsonb", "->", "jsonb_typeof", "jsonb_array_elements_text",
}  # fmt: skip
"""What is evaluated only while another process builds, to refuse an operation, or for a table that is published; and a call
with 16 arguments."""


def run(engine, operation, *, keep=True, change=str):
    """Run an operation as a revision does, and return its statements, without those of Alembic and of the driver.

    `change` changes each statement before it is run; without `keep` what was done in the transaction is undone.
    """
    statements = []

    def note(connection, cursor, statement, values, context, many):
        statements.append(statement)
        return change(statement), values

    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        connection.commit()
        event.listen(engine, "before_cursor_execute", note, retval=True)
        try:
            context = MigrationContext.configure(connection, opts=SOON)
            with context.begin_transaction() if keep else connection.begin() as transaction:
                OPERATIONS[operation](Operations(context))
                if not keep:
                    transaction.rollback()
        finally:
            event.remove(engine, "before_cursor_execute", note)
    return statements


def lay_out(catalog):
    for statement in TABLE:
        catalog.execute(statement)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_operation_calls_a_planted_overload(planted, engine, catalog, operation):
    lay_out(catalog)
    for statement in CARRIED if operation == "swap columns" else ():
        catalog.execute(statement)
    planted.plant(NAMES, first=True)
    before = planted.calls()
    statements = run(engine, operation)
    assert planted.calls() == before
    named = set().union(*map(qualified_names, statements))
    assert named - CANNOT_BE_PLANTED <= NAMES, "these are not planted"


def test_each_qualification_of_a_block_that_answers_errors_is_found(planted, engine, catalog):
    """Those of every other statement are in test_operations_in_a_mined_database.py, where an error is enough to find one."""
    lay_out(catalog)
    planted.plant(NAMES, first=True)
    statements = run(engine, "create in the transaction", keep=False)
    named = set().union(*(qualified_names(sql) for sql in statements if ANSWERS_ERRORS.match(sql))) - CANNOT_BE_PLANTED
    assert len(named) >= 20
    found = set()
    for name in sorted(named):
        before = planted.calls().get(name, 0)
        try:
            run(engine, "create in the transaction", keep=False, change=lambda sql, name=name: in_block(sql, name))
        except Exception:  # noqa: BLE001  # an answer of another type, or NULL in its place, leads anywhere
            found.add(name)
        found |= {name} if planted.calls().get(name, 0) > before else set()
    assert named - found <= NOT_ANSWERED


def in_block(sql, name):
    return without_qualification(sql, name) if ANSWERS_ERRORS.match(sql) else sql


NO_SCRIPT = {"create on partitions", "create with automatic lists"}
"""What cannot be SQL for later."""


@pytest.mark.parametrize("operation", sorted(OPERATIONS.keys() - NO_SCRIPT))
def test_no_script_calls_a_planted_overload(planted, engine, catalog, psql, operation):
    lay_out(catalog)
    if operation == "alter":  # an index on the column stops the script
        catalog.execute("DROP INDEX ix, ix_beside")
    if operation == "swap columns":  # what they differ in stops it
        catalog.execute("COMMENT ON COLUMN document.embedding IS NULL")
        catalog.execute("REVOKE SELECT (embedding) ON document FROM pg_monitor")
    output = io.StringIO()
    options = {"as_sql": True, "output_buffer": output, "literal_binds": True}
    context = MigrationContext.configure(dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, opts=options)
    with context.begin_transaction():
        OPERATIONS[operation](Operations(context))
    script = output.getvalue()
    names = NAMES | IN_SCRIPTS
    assert qualified_names(script) - CANNOT_BE_PLANTED <= names, "these are not planted"
    planted.plant(names, first=True)
    before = planted.calls()
    needs_a_run_online = operation == "add as not null"
    with pytest.raises(subprocess.CalledProcessError) if needs_a_run_online else nullcontext():
        psql(script)
    assert planted.calls() == before
