"""What autogenerate says of each difference: one line of the log, and the same words in `alembic check`."""

import logging

import pytest
from alembic import command
from alembic.util import CommandError
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Computed, Index, Integer, MetaData, String, Table

LOGGERS = ("alembic.alembic_ops", "alembic.autogenerate.compare.tables")


def models(*indexes, columns=(), schema=None, type_=None):
    metadata = MetaData()
    table = Table(
        "items",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("kind", String),
        *(columns or [Column("embedding", type_ or VECTOR(3))]),
        schema=schema,
    )
    for name, given in indexes:
        options = {"postgresql_using": "hnsw", "postgresql_ops": {"embedding": "vector_l2_ops"}} | given
        Index(name, table.c.embedding, **options)
    return metadata


IX = ("ix", {})
OTHER = ("ix", {"postgresql_ops": {"embedding": "vector_cosine_ops"}, "postgresql_with": {"m": 24}})
IVFFLAT = ("ix", {"postgresql_using": "ivfflat", "postgresql_with": {"lists": 2}})


def half():
    return models(("ix", {"postgresql_ops": {"embedding": "halfvec_l2_ops"}}), type_=HALFVEC(3))


CASES = {
    "added": (models(), models(IX), ["added vector index 'ix' on 'items'"]),
    "removed": (models(IX), models(), ["removed vector index 'ix' on 'items'"]),
    "renamed": (models(IX), models(("ix_new", {})), ["renamed vector index 'ix' to 'ix_new' on 'items'"]),
    "m": (
        models(("ix", {"postgresql_with": {"m": 16}})),
        models(("ix", {"postgresql_with": {"m": 24}})),
        ["changed vector index 'ix' on 'items': m 16 -> 24"],
    ),
    "from the server's default": (
        models(IX),
        models(OTHER),
        ["changed vector index 'ix' on 'items': operator class vector_l2_ops -> vector_cosine_ops, m 16 -> 24"],
    ),
    "method": (
        models(IX),
        models(IVFFLAT),
        ["changed vector index 'ix' on 'items': method hnsw -> ivfflat, lists 2"],
    ),
    "predicate": (
        models(IX),
        models(("ix", {"postgresql_where": models().tables["items"].c.kind == "a"})),
        ["changed vector index 'ix' on 'items': where all rows -> kind::text = 'a'::text"],
    ),
    "type, with its index": (
        models(IX),
        half(),
        [
            "type change from VECTOR(dim=3) to HALFVEC(dim=3) on 'items.embedding'",
            "changed vector index 'ix' on 'items': operator class vector_l2_ops -> halfvec_l2_ops",
        ],
    ),
    "column": (
        models(),
        models(columns=[Column("embedding", VECTOR(3)), Column("embedding_v2", VECTOR(4))]),
        ["added column 'items.embedding_v2'"],
    ),
    "generated column": (
        models(
            columns=[
                Column("embedding", VECTOR(3)),
                Column("unit", VECTOR(3), Computed("l2_normalize(embedding)", persisted=True)),
            ]
        ),
        models(
            columns=[
                Column("embedding", VECTOR(3)),
                Column("unit", VECTOR(3), Computed("embedding + embedding", persisted=True)),
            ]
        ),
        ["changed generated column 'items.unit'"],
    ),
    "another schema": (
        models(schema="app"),
        models(IX, schema="app"),
        ["added vector index 'ix' on 'app.items'"],
    ),
}
PARTS_IN_CHECK = {"type, with its index", "generated column"}
"""Differences that are several operations, of which `alembic check` shows each by itself."""


@pytest.mark.parametrize("case", CASES)
def test_each_difference_is_one_line_and_check_has_its_words(project, caplog, case):
    old, new, lines = CASES[case]
    project.execute("CREATE SCHEMA app")
    project.options = {"include_schemas": True}
    old.create_all(project.engine)
    project.metadata = new
    with caplog.at_level(logging.INFO, logger="alembic"), pytest.raises(CommandError) as error:
        command.check(project.config())
    detected = [record.message for record in caplog.records if record.message.startswith("Detected")]
    assert [line for line in detected if "sequence" not in line] == [f"Detected {line}" for line in lines]
    assert {record.name for record in caplog.records if "vector index" in record.message} <= {"alembic.alembic_ops"}
    if case not in PARTS_IN_CHECK:
        assert all(repr(line)[1:-1] in str(error.value) for line in lines)
    assert "IndexDefinition" not in str(error.value)


def test_an_invalid_index_is_named_as_such(project, caplog):
    models(IX).create_all(project.engine)
    project.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix'::regclass")
    project.metadata = models(IX)
    with (
        caplog.at_level(logging.INFO, logger="alembic"),
        pytest.raises(CommandError, match="INVALID vector index 'ix'"),
    ):
        command.check(project.config())
    assert "Detected INVALID vector index 'ix' on 'items'" in caplog.messages


def test_a_missing_extension_and_a_renamed_column_are_named(bare_project, caplog):
    project = bare_project
    project.metadata = models()
    with caplog.at_level(logging.INFO, logger="alembic"):
        project.check_fails()
    assert "Detected missing extension 'vector'" in caplog.messages
    project.execute("CREATE EXTENSION vector")
    models().create_all(project.engine)
    project.metadata = models(columns=[Column("vectors", VECTOR(3))])
    with caplog.at_level(logging.INFO, logger="alembic"), pytest.warns(match="is taken to be renamed"):
        project.check_fails()
    assert "Detected renamed column 'items.embedding' to 'vectors'" in caplog.messages


def test_the_first_revision_says_that_it_does_not_create_an_extension_that_is_there(project, caplog):
    there = (
        "The extension 'vector' is in this database already, so that the revision does not create it. "
        "Write op.create_vector_extension() at its head for databases that do not have it; here it changes nothing."
    )
    project.metadata = models(IX)
    with caplog.at_level(logging.INFO, logger="alembic"):
        project.autogenerate()
    assert there in caplog.messages
    project.upgrade()
    caplog.clear()
    project.metadata = models(OTHER)
    with caplog.at_level(logging.INFO, logger="alembic"):
        project.autogenerate()
    assert there not in caplog.messages


def test_the_context_names_its_implementation_as_stock_alembic_does(project, caplog):
    project.metadata = MetaData()
    with caplog.at_level(logging.INFO, logger="alembic"):
        command.check(project.config())
    assert "Context impl PostgresqlImpl." in caplog.messages
