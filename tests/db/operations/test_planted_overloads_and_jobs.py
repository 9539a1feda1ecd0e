"""No operation on a job of re-embedding calls an overload that a stranger has planted, online or in a script."""

from __future__ import annotations

import io

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import event

import alembic_ops  # noqa: F401  # registers the operations
from sqlalchemy_vecsearch import VECTOR
from tests.db.operations.reembedding_jobs import PROVENANCE, TABLE, Job
from tests.db.operations.test_planted_overloads_and_operations import CANNOT_BE_PLANTED, IN_SCRIPTS, NAMES
from tests.db.planted_overloads import qualified_names

MORE = {
    "array_cat", "btrim", "jsonb_array_elements_text", "md5", "min", "now", "octet_length", "pg_advisory_xact_lock",
    "sum", "to_jsonb", "obj_description", "array_agg", "substr", "strpos", "<=", "pg_has_role",
    "has_any_column_privilege", "row_security_active",
}  # fmt: skip


def begin(op):
    op.begin_reembedding(
        "j", table_name="document", source=["title", "body"], live="embedding", new=sa.Column("embedding_v2", VECTOR(4)),
        model="new", index={"with_": {"m": 8}}, key=["id"],
    )  # fmt: skip


STEPS = (
    begin,
    lambda op: op.swap_embedding("j", mode="pointer"),
    lambda op: op.swap_embedding_back("j"),
    lambda op: op.swap_embedding("j", mode="rename"),
    lambda op: op.swap_embedding_back("j", allow_stale=True),
    lambda op: op.swap_embedding("j", mode="rename"),
    lambda op: op.finish_reembedding("j"),
)
ENDS = (begin, lambda op: op.abort_reembedding("j", discard_vectors=True))


def online(engine, step):
    statements = []

    def note(connection, cursor, statement, *_):
        statements.append(statement)

    with engine.connect() as connection:
        event.listen(engine, "before_cursor_execute", note)
        try:
            context = MigrationContext.configure(connection)
            with context.begin_transaction():
                step(Operations(context))
        finally:
            event.remove(engine, "before_cursor_execute", note)
    return statements


def script(psql, step):
    output = io.StringIO()
    options = {"as_sql": True, "output_buffer": output, "literal_binds": True}
    context = MigrationContext.configure(dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, opts=options)
    with context.begin_transaction():
        step(Operations(context))
    psql(output.getvalue())
    return [output.getvalue()]


@pytest.mark.parametrize(
    ("steps", "way"),
    [
        pytest.param(STEPS, "online", id="to the end, online"),
        pytest.param(STEPS, "script", id="to the end, in scripts"),
        pytest.param(ENDS, "online", id="aborted, online", marks=pytest.mark.slow),
        pytest.param(ENDS, "script", id="aborted, in a script", marks=pytest.mark.slow),
    ],
)
def test_no_step_of_a_job_calls_a_planted_overload(planted, engine, psql, vecsearch_url, steps, way):
    job = Job(vecsearch_url)
    job.execute(TABLE, PROVENANCE)
    names = NAMES | MORE | (IN_SCRIPTS if way == "script" else set())
    planted.plant(names, first=True)
    for step in steps:
        before = planted.calls()
        statements = online(engine, step) if way == "online" else script(psql, step)
        assert planted.calls() == before, statements
        named = set().union(*map(qualified_names, statements))
        assert named - CANNOT_BE_PLANTED <= names, "these are not planted"
        if step is begin:
            job.fill()
    job.engine.dispose()
