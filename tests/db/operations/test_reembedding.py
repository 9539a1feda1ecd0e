"""The operations on a job of re-embedding: each leaves the catalog as it says, and its reverse as it was."""

from __future__ import annotations

import pytest

from tests.db.operations.reembedding_jobs import ABORT, BACK, BEGIN, FINISH, PROVENANCE, TABLE, Job, swap


@pytest.fixture
def job(vecsearch_url):
    found = Job(vecsearch_url)
    found.execute(TABLE)
    yield found
    found.engine.dispose()


def test_begin_brings_all_that_a_worker_needs_and_abort_takes_it_back(alembic_project, job):
    before = job.catalog()
    alembic_project.revision(BEGIN, ABORT)
    alembic_project.upgrade()
    columns = job.columns()
    assert columns["embedding_v2"] == ("vector(4)", False)
    assert columns["embedding_v2_source_hash"] == ("character varying(64)", False)
    assert columns["embedding_v2_model"] == ("character varying(200)", False)
    assert columns["embedding_v2_embedded_at"] == ("timestamp with time zone", False)
    assert job.indexes()["ix_document_embedding_v2_pending"][1]
    found = job.found()
    assert (found.state, found.live_number, found.previous_model) == ("begun", 4, None)
    assert found.index_definition == {
        "name": "ix_document_embedding_v2",
        "column": "embedding_v2",
        "method": "hnsw",
        "operator_class": "vector_cosine_ops",
        "with_": {"m": 8},
    }
    alembic_project.downgrade()
    assert job.catalog()[:3] == before[:3]
    assert job.catalog()[3] == []


def test_what_belongs_to_the_names_is_carried_by_the_switch_of_a_job(alembic_project, job):
    job.execute(PROVENANCE)
    job.execute("ALTER TABLE document ADD CONSTRAINT few CHECK (vector_dims(embedding) >= 3)")
    job.execute("CREATE VIEW told AS SELECT id, embedding, embedding_model FROM document")
    job.execute("CREATE POLICY own ON document USING (embedding_model IS NOT NULL)")
    asked = (
        "SELECT pg_get_viewdef('told'::regclass), pg_get_expr(polqual, polrelid), pg_get_constraintdef(c.oid), convalidated"
        " FROM pg_policy, pg_constraint c WHERE conname = 'few'"
    )
    before = job.rows(asked)
    alembic_project.revision(BEGIN, ABORT)
    alembic_project.upgrade()
    job.fill()
    alembic_project.revision(swap("rename"), BACK)
    alembic_project.upgrade()
    assert job.rows(asked) == before
    assert job.rows("SELECT DISTINCT vector_dims(embedding), embedding_model FROM told") == [(4, "new")]
    alembic_project.downgrade()
    assert job.rows(asked) == before
    assert job.rows("SELECT DISTINCT vector_dims(embedding) FROM told WHERE embedding IS NOT NULL") == [(3,)]


@pytest.mark.parametrize(
    "provenance",
    [
        pytest.param(False, id="without provenance"),
        pytest.param(True, id="with provenance", marks=pytest.mark.slow),  # which the scripts are compared with, too
    ],
)
def test_names_are_exchanged_there_and_back_and_the_end_drops_the_former(alembic_project, job, provenance, caplog):
    if provenance:
        job.execute(PROVENANCE)
    alembic_project.revision(BEGIN, ABORT)
    alembic_project.upgrade()
    job.fill()
    before = job.catalog()
    alembic_project.revision(swap("rename"), BACK)
    alembic_project.upgrade()
    columns = job.columns()
    assert columns["embedding"] == ("vector(4)", True)
    assert columns["embedding_v2"] == ("vector(3)", False)
    assert job.found().state == "swapped"
    assert job.rows(
        "SELECT DISTINCT embedding_model, embedding_source_hash = md5(title || E'\\n' || body) FROM document"
    ) == [("new", True)]
    alembic_project.downgrade()
    assert job.catalog() == before
    alembic_project.upgrade()
    alembic_project.revision(FINISH)
    job.execute("ANALYZE document")
    caplog.set_level("INFO", "alembic.alembic_ops")
    alembic_project.upgrade()
    (told,) = [one.getMessage() for one in caplog.records if "have given back" in one.getMessage()]
    assert "finish the job j: the indexes of 'embedding_v2' have given back" in told
    assert "Its vectors take about 1000 bytes, which come back row by row, when one is written next" in told
    assert set(job.columns()) == {
        "id",
        "title",
        "body",
        "embedding",
        "embedding_source_hash",
        "embedding_model",
        "embedded_at",
    }
    assert set(job.indexes()) == {"ix_document_embedding", "ix_document_embedding_pending"}
    assert job.found().state == "finished"


SCRIPTED_BEGIN = BEGIN.replace('model="new"', 'model="new", key=["id"]')


@pytest.mark.parametrize(
    ("mode", "provenance"),
    [
        ("rename", True),
        pytest.param("rename", False, marks=pytest.mark.slow),
        pytest.param("pointer", False, marks=pytest.mark.slow),
        pytest.param("pointer", True, marks=pytest.mark.slow),
    ],
)
def test_scripts_give_the_same_and_pass_over_what_is_done(
    alembic_project, make_project, tmp_path, vecsearch_databases, job, psql, mode, provenance
):
    other_url = vecsearch_databases.create()
    other = Job(other_url)
    other.execute(TABLE)
    online = make_project(tmp_path / "online", other_url)
    if provenance:
        job.execute(PROVENANCE)
        other.execute(PROVENANCE)
    for place, source in enumerate([SCRIPTED_BEGIN, swap(mode), BACK, swap(mode), FINISH]):
        for project in (alembic_project, online):
            project.revision(source)
        script = alembic_project.sql()
        psql(script)
        psql(";\n".join(one for one in script.split(";\n") if "alembic_version" not in one))
        online.upgrade()
        if place == 0:
            job.fill()
            other.fill()
        assert job.catalog() == other.catalog(), source
    other.engine.dispose()
    vecsearch_databases.drop(other_url)
