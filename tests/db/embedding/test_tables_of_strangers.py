"""What a role that may only create in the schema has made under the names of our tables runs with nobody's rights."""

from __future__ import annotations

import os

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, MetaData, text

import alembic_ops  # noqa: F401  # registers the operations
from sqlalchemy_vecsearch import VECTOR, WorkTableError, census, refresh
from sqlalchemy_vecsearch.embedding.journal import journal_table
from sqlalchemy_vecsearch.embedding.work_table import creation_of, work_table
from tests.db.embedding.conftest import QUICKLY
from tests.db.embedding.embedded_models import Document

STRANGER = f"stranger{os.getpid()}"  # roles belong to the server


@pytest.fixture
def stranger(tables, fill):
    """Give `stranger(*statements)`, which runs them as a role that may create in public and has nothing else."""
    fill(3)

    def as_owner(*statements):
        with tables.begin() as connection:
            for one in statements:
                connection.execute(text(one) if isinstance(one, str) else one)

    def run(*statements):
        as_owner(f"SET LOCAL ROLE {STRANGER}", *statements)

    as_owner(
        f"CREATE ROLE {STRANGER}", f"GRANT CREATE, USAGE ON SCHEMA public TO {STRANGER}", "CREATE TABLE ran (who name)"
    )
    as_owner("GRANT INSERT ON ran TO PUBLIC", "DROP TABLE vecsearch_embedding_work")
    yield run
    as_owner(f"DROP OWNED BY {STRANGER} CASCADE", f"DROP ROLE {STRANGER}")


TRIGGER = (
    "CREATE FUNCTION harm() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO public.ran VALUES (current_user); RETURN NEW; END'",
    "CREATE TRIGGER harm BEFORE INSERT ON vecsearch_embedding_work FOR EACH ROW EXECUTE FUNCTION harm()",
)


def ran(engine):
    with engine.connect() as connection:
        return connection.execute(text("SELECT who FROM ran")).scalars().all()


def refused(name):
    return (
        f"The table {name} belongs to the role '{STRANGER}', which neither owns document nor may write to it. "
        "What a role has put into its own tables, such as a trigger, runs with the rights of whoever uses them. "
        f"Look at what it is. Then let its owner drop it, or run: ALTER TABLE {name} OWNER TO postgres"
    )


def test_a_worker_uses_no_table_of_a_stranger(tables, calls, stranger):
    stranger(*creation_of(work_table(MetaData(), None)), *TRIGGER)
    with pytest.raises(WorkTableError) as raised:
        refresh(tables, Document.embedding, retry=QUICKLY)
    assert str(raised.value) == refused("vecsearch_embedding_work")
    assert (ran(tables), calls.texts) == ([], [])


def test_a_worker_uses_the_table_of_who_may_write_to_the_embedded_one(tables, calls, stranger):
    stranger(*creation_of(work_table(MetaData(), None)), *TRIGGER)
    with tables.begin() as connection:
        connection.execute(text(f"GRANT UPDATE (embedding) ON document TO {STRANGER}"))
    assert refresh(tables, Document.embedding, retry=QUICKLY).written == 3
    assert len(calls.texts) == 3


def test_a_view_is_not_read_in_place_of_a_table(tables, stranger):
    stranger("CREATE VIEW vecsearch_embedding_work AS SELECT 1 AS one")
    with tables.connect() as connection, pytest.raises(WorkTableError) as raised:
        census(connection, Document.embedding)
    assert str(raised.value) == (
        "vecsearch_embedding_work is no table. "
        "To read it would run what somebody has put into it, with the rights of this role. "
        "Look at whose it is and what it does, drop it, and create the table by the next migration."
    )


def begin(op):
    op.begin_reembedding(
        "j", table_name="document", source=["title", "body"], live="embedding", new=Column("embedding_v2", VECTOR(4)),
        model="new", key=["id"],
    )  # fmt: skip


def test_no_job_begins_in_the_journal_of_a_stranger(tables, stranger):
    stranger(*creation_of(journal_table(MetaData(), None)))
    with tables.connect() as connection:
        context = MigrationContext.configure(connection)
        with context.begin_transaction(), pytest.raises(WorkTableError) as raised:
            begin(Operations(context))
    assert str(raised.value) == refused("vecsearch_reembedding")
