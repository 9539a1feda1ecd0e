"""What a role that may only create in the schema has made under the names of our tables runs with nobody's rights."""

from __future__ import annotations

import os

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, MetaData, text

import alembic_ops  # noqa: F401  # registers the operations
from sqlalchemy_vecsearch import VECTOR, WorkTableError, active, census, refresh
from sqlalchemy_vecsearch.embedding.jobs import jobs_now
from sqlalchemy_vecsearch.embedding.journal import find_reembedding, journal_table
from sqlalchemy_vecsearch.embedding.work_table import creation_of, work_table
from tests.db.embedding.conftest import QUICKLY
from tests.db.embedding.embedded_models import Document

STRANGER = f"stranger{os.getpid()}"  # roles belong to the server
READER = f"reader{os.getpid()}"  # who is no superuser, for whom policies hold


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
        f"CREATE ROLE {READER}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}",
        f"CREATE ROLE {STRANGER}",
        f"GRANT CREATE, USAGE ON SCHEMA public TO {STRANGER}",
        "CREATE TABLE ran (who name)",
    )
    as_owner("GRANT INSERT ON ran TO PUBLIC", "DROP TABLE vecsearch_embedding_work")
    yield run
    as_owner(f"DROP OWNED BY {STRANGER}, {READER} CASCADE", f"DROP ROLE {STRANGER}, {READER}")


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
        "What a role has put into its own tables, such as a trigger or a policy, runs with the rights of whoever uses "
        "them. "
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


HARM = (
    "CREATE FUNCTION harm() RETURNS boolean LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO public.ran VALUES (current_user); RETURN true; END'",
    "CREATE FUNCTION hidden_harm() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.harm(); END'",
)

PLANTED = {
    "policy": (
        "ALTER TABLE {0} ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY planted ON {0} USING (harm())",
    ),
    "expression of an index": ("CREATE INDEX planted ON {0} ((model || hidden_harm()::text))",),
    "condition of an index": ("CREATE INDEX planted ON {0} (model) WHERE hidden_harm()",),
    "statistics": (
        "CREATE STATISTICS planted ON (model || hidden_harm()::text), (model || 'x') FROM {0}",
        "ANALYZE {0}",
    ),
    "child": (
        "CREATE TABLE child () INHERITS ({0})",
        "CREATE INDEX planted ON child (model) WHERE hidden_harm()",
    ),
}
READS = {
    "status": ("vecsearch_reembedding", jobs_now),
    "job": ("vecsearch_reembedding", lambda connection: find_reembedding(connection, "j", None)),
    "pointer": ("vecsearch_reembedding", lambda connection: active(connection, Document.embedding)),
    "census": ("vecsearch_embedding_work", lambda connection: census(connection, Document.embedding)),
}
TABLES = {"vecsearch_reembedding": journal_table, "vecsearch_embedding_work": work_table}


@pytest.mark.parametrize(
    ("planted", "read"),
    [*(("policy", read) for read in READS), *((one, "status") for one in PLANTED if one != "policy")],
)
def test_no_read_runs_what_a_stranger_has_put_into_a_table(tables, stranger, planted, read):
    name, reads = READS[read]
    stranger(*creation_of(TABLES[name](MetaData(), None)), *HARM)
    stranger(*(one.format(name) for one in PLANTED[planted]), f"GRANT SELECT ON {name} TO PUBLIC")
    with tables.begin() as connection:
        connection.execute(text("DELETE FROM ran"))  # what ran with the rights of its owner
    with tables.connect() as connection:
        connection.execute(text(f"SET LOCAL ROLE {READER}"))
        with pytest.raises(WorkTableError, match=f"^The table {name} belongs to the role '{STRANGER}', which neither"):
            reads(connection)
        connection.commit()
    assert ran(tables) == []


PLANTED_JOB = """
INSERT INTO vecsearch_reembedding (job, table_name, live, replacement, live_number, replacement_number, source, digest, model)
VALUES ('j', 'document', 'embedding', 'embedding', 4, 4, '{"sql" : "CAST(harm() AS text)"}', 'md5', 'digits')
"""


def test_nothing_runs_the_source_of_a_job_that_a_stranger_has_written(tables, stranger):
    stranger(
        *creation_of(journal_table(MetaData(), None)),
        *HARM,
        PLANTED_JOB,
    )
    with tables.begin() as connection:
        (found,), (by_name,) = jobs_now(connection), jobs_now(connection, "j")
        assert found.problem == (
            f"The journal belongs to the role '{STRANGER}', which owns neither the schema nor the database. "
            "To count rows runs what that role has written as the source of the job, with the rights of this one."
        )
        assert found.next == "Ask for it by name: vecsearch status j"
        assert by_name.problem == refused("vecsearch_reembedding")
    with tables.connect() as connection:
        operations = Operations(MigrationContext.configure(connection))
        for operation in (operations.swap_embedding, operations.finish_reembedding, operations.abort_reembedding):
            with pytest.raises(WorkTableError) as raised:
                operation("j")
            assert str(raised.value) == refused("vecsearch_reembedding")
            connection.rollback()
    assert ran(tables) == []


def test_a_journal_of_who_owns_the_embedded_table_is_read_under_its_policies(tables, stranger):
    stranger(*creation_of(journal_table(MetaData(), None)), *HARM)
    stranger(*(one.format("vecsearch_reembedding") for one in PLANTED["policy"]))
    with tables.begin() as connection:
        connection.execute(text(f"ALTER TABLE document OWNER TO {STRANGER}"))
        connection.execute(text(f"GRANT SELECT ON vecsearch_reembedding, document TO {READER}"))
    with tables.connect() as connection:
        connection.execute(text(f"SET LOCAL ROLE {READER}"))
        assert active(connection, Document.embedding).column is Document.embedding


def test_no_look_at_all_jobs_runs_what_the_owner_of_a_table_has_written(tables, stranger):
    """He is no stranger to his own table, and whoever asks for his job by its name knows what that is."""
    stranger(*creation_of(journal_table(MetaData(), None)), *HARM, PLANTED_JOB)
    with tables.begin() as connection:
        connection.execute(text(f"ALTER TABLE document OWNER TO {STRANGER}"))
    with tables.begin() as connection:
        (found,) = jobs_now(connection)
        assert (found.job, found.state, found.total) == ("j", "begun", None)
        assert found.problem.startswith("The journal belongs to the role ")
    assert ran(tables) == []
