"""A change of model by names and by the pointer, there and back, on each driver, over what a swap has to carry; and given up."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

import alembic_ops
from sqlalchemy_vecsearch import VECTOR
from tests.db.operations.reembedding_jobs import PROVENANCE, TABLE, Job

alembic_ops.register()

CARRIED = (
    "CREATE VIEW shown AS SELECT id, embedding FROM document",
    "ALTER TABLE document ADD CONSTRAINT three CHECK (vector_dims(embedding) > 2)",
)


@pytest.fixture
def job(vecsearch_url):
    found = Job(vecsearch_url)
    found.execute(TABLE, PROVENANCE, *CARRIED)
    yield found
    found.engine.dispose()


def begin(connection):
    """Begin a job that takes the place of one that was given up."""
    op = _operations(connection)
    _begin(op)
    op.abort_reembedding("j")
    _begin(op)


def _begin(op):
    op.begin_reembedding(
        "j", table_name="document", source=["title", "body"], live="embedding", new=sa.Column("embedding_v2", VECTOR(4)),
        model="new", index={"with_": {"m": 8}},
    )  # fmt: skip


def switch_there_and_back_and_finish(connection):
    op = _operations(connection)
    op.swap_embedding("j", mode="pointer")
    op.swap_embedding_back("j", allow_stale=True)
    op.swap_embedding("j", mode="rename")
    op.swap_embedding_back("j", allow_stale=True)
    op.swap_embedding("j", mode="rename")
    op.finish_reembedding("j")


def _operations(connection):
    return Operations(MigrationContext.configure(connection, opts={"vector_progress": "none"}))


def assert_changed(job):
    assert job.found().state == "finished"
    assert job.columns()["embedding"] == ("vector(4)", True)
    assert job.rows("SELECT DISTINCT vector_dims(embedding) FROM shown") == [(4,)]
    assert [definition for name, definition, valid in job.catalog()[2] if name == "three"] == [
        "CHECK ((vector_dims(embedding) > 2))"
    ]


@pytest.mark.parametrize("driver", ["pg8000", pytest.param("psycopg2", marks=pytest.mark.slow)])
def test_a_change_of_model_runs_on_every_driver(make_engine, job, driver):
    engine = make_engine(driver)
    with engine.connect() as connection:
        begin(connection)
    job.fill()
    with engine.connect() as connection:
        switch_there_and_back_and_finish(connection)
    assert_changed(job)


@pytest.mark.parametrize("driver", ["asyncpg", pytest.param("psycopg_async", marks=pytest.mark.slow)])
async def test_a_change_of_model_runs_on_every_async_driver(make_engine, job, driver):
    engine = make_engine(driver)
    async with engine.connect() as connection:
        await connection.run_sync(begin)
    job.fill()
    async with engine.connect() as connection:
        await connection.run_sync(switch_there_and_back_and_finish)
    await engine.dispose()
    assert_changed(job)
