"""Autogenerate on tables whose models get a source: columns without a rewrite, the index concurrently, and back."""

from __future__ import annotations

import re
import threading

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, text

from sqlalchemy_vecsearch import HNSW, embedder, embedding_column, refresh
from tests.db.embedding.embedded_models import DIMENSIONS, MODEL, digits, vector_of

ROWS = "INSERT INTO document SELECT i, 'title ' || i, NULL FROM generate_series(1, 200) i"


def models(**arguments):
    metadata = MetaData()
    Table(
        "document",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("title", Text),
        Column("body", Text),
        *([embedding_column(DIMENSIONS, metric="cosine", **arguments).column] if arguments else []),
    )
    return metadata


def embedded(model=MODEL, source=("title", "body"), **arguments):
    return models(name="embedding", nullable=True, source=list(source), model=model, **arguments)


@pytest.fixture
def project(project):
    project.metadata = models()
    project.autogenerate()
    project.upgrade()
    project.execute(ROWS)
    return project


def file_node(project):
    with project.engine.connect() as connection:
        return connection.scalar(text("SELECT pg_relation_filenode('document')"))


def test_a_plain_table_gets_a_source_without_a_rewrite_and_without_stopping_writers(project):
    embedder(MODEL, dimensions=DIMENSIONS)(digits)
    before = project.catalog()
    project.metadata = embedded(index=HNSW())
    revision = project.autogenerate()
    assert re.findall(r"^ *(?:with )?op\.(\w+)\(", revision.upgrade, re.MULTILINE) == [
        *("add_embedding_column", "create_vector_index", "create_table", "create_table"),
        *("add_column", "add_column", "add_column", "get_context", "drop_index", "create_index"),
    ]
    assert "postgresql_concurrently=True" in revision.upgrade
    node, stop, waits = file_node(project), threading.Event(), []

    def write():
        with project.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = '30s'"))
            while not stop.is_set():
                connection.execute(text("UPDATE document SET body = 'x' WHERE id = 1"))
                waits.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        project.upgrade()
    finally:
        stop.set()
        writer.join()
    assert file_node(project) == node
    assert waits
    assert project.proposes_nothing()
    column = project.metadata.tables["document"].c.embedding
    assert refresh(project.engine, column).written == 200
    with project.engine.connect() as connection:
        found = connection.scalar(text("SELECT embedding FROM document WHERE id = 2"))
    assert found == str(vector_of("title 2\n")).replace(" ", "").replace(".0,", ",").replace(".0]", "]")
    project.downgrade()
    assert project.catalog() == before


def test_the_revision_can_be_run_again_when_the_build_has_failed(project):
    project.metadata = embedded()
    project.autogenerate()
    after = []
    for _ in range(2):
        project.upgrade()
        after.append(project.catalog())
        project.execute("DROP INDEX IF EXISTS ix_document_embedding_pending")
        project.execute("DELETE FROM alembic_version")
        project.execute(f"INSERT INTO alembic_version VALUES ('{first_revision(project)}')")
    assert after[0] == after[1]


def first_revision(project):
    names = [path.read_text() for path in (project.folder / "versions").glob("*.py")]
    (first,) = [re.search(r"^revision: str = '(\w+)'", one, re.MULTILINE)[1] for one in names if "down_revision: Union[str, Sequence[str], None] = None" in one]  # fmt: skip
    return first


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "bge-m3:latest"},
        {"source": ("body",)},
        {"model": "it's \\ another%"},
    ],
)
def test_another_model_or_source_replaces_the_index_and_the_downgrade_brings_the_former_back(project, changed):
    project.metadata = embedded()
    project.autogenerate()
    project.upgrade()
    assert project.proposes_nothing()
    before = project.catalog()
    project.metadata = embedded(**changed)
    revision = project.autogenerate()
    assert re.findall(r"^ *op\.(\w+)\(", revision.upgrade, re.MULTILINE) == ["drop_index", "create_index"]
    project.upgrade()
    assert project.proposes_nothing()
    assert project.catalog() != before
    project.downgrade()
    assert project.catalog() == before


def test_a_new_table_gets_it_in_its_own_transaction(bare_project):
    bare_project.metadata = embedded()
    revision = bare_project.autogenerate()
    assert "concurrently=True" not in revision.upgrade
    bare_project.upgrade()
    assert bare_project.proposes_nothing()
    bare_project.downgrade()
