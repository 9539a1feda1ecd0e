"""A generated revision that loses its connection at any concurrent statement, either way, is run again and ends well."""

import re
from contextlib import contextmanager

import pytest
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, cast, event, text
from sqlalchemy.exc import DBAPIError

from alembic_ops.errors import MigrationError, VectorMigrationWarning

ROWS = "INSERT INTO items (lang, embedding) SELECT 'en', ARRAY[i, 7 - i, 1]::vector(3) FROM generate_series(1, 20) i"


def table(metadata, *columns, name="items"):
    return Table(name, metadata, Column("id", Integer, primary_key=True), *columns)


def hnsw(name, column, operators="vector_l2_ops", **options):
    Index(name, column, postgresql_using="hnsw", postgresql_ops={column.key: operators}, **options)


def half(name, column):
    hnsw(name, cast(column, HALFVEC(3)).label("x"), "halfvec_l2_ops")


def old_models():
    metadata = MetaData()
    items = table(metadata, Column("lang", String(2)), Column("embedding", VECTOR(3)))
    hnsw("ix_changed", items.c.embedding)
    hnsw("ix_gone", items.c.embedding, "vector_ip_ops")
    hnsw("ix_former", items.c.embedding, "vector_l1_ops")
    return metadata


def new_models():
    metadata = MetaData()
    items = table(
        metadata, Column("lang", String(2)), Column("embedding", VECTOR(3)), Column("note", String), Column("second", VECTOR(3))
    )  # fmt: skip
    hnsw("ix_changed", items.c.embedding, postgresql_with={"m": 24})
    hnsw("ix_named", items.c.embedding, "vector_l1_ops")
    half("ix_new", items.c.embedding)
    hnsw("ix_second", items.c.second)
    others = table(metadata, Column("embedding", VECTOR(3)), name="others")
    hnsw("ix_others", others.c.embedding)
    return metadata


@contextmanager
def connection_lost_at(engine, number):
    """End the session at the first, second, ... statement that is concurrent; yield how many there have been."""
    seen = []

    def end(connection, cursor, statement, parameters, context, many):
        if re.search(r"^(CREATE|DROP|REINDEX) INDEX CONCURRENTLY", statement):
            seen.append(statement)
            if len(seen) == number:
                with engine.connect() as other:
                    other.execute(
                        text("SELECT pg_terminate_backend(:pid, 20000)"),
                        {"pid": connection.connection.driver_connection.info.backend_pid},
                    )

    event.listen(engine, "before_cursor_execute", end)
    yield seen
    event.remove(engine, "before_cursor_execute", end)


def operations(text_):
    return re.findall(r"^op\.(\w+)\(", text_, re.MULTILINE)


def test_a_revision_of_every_operation_either_way(project):
    old_models().create_all(project.engine)
    project.execute(ROWS)
    project.metadata = new_models()
    revision = project.autogenerate()
    assert operations(revision.upgrade) == [
        "add_embedding_column",
        "create_vector_index",
        "create_vector_index",
        "rebuild_vector_index",
        "drop_vector_index",
        "create_table",
        "create_vector_index",
        "add_column",
        "rename_vector_index",
    ]
    assert operations(revision.downgrade) == [
        "create_vector_index",
        "rebuild_vector_index",
        "drop_vector_index",
        "drop_vector_index",
        "rename_vector_index",
        "drop_column",
        "drop_vector_index",
        "drop_table",
        "drop_column",
    ]
    before = project.catalog()
    ends_well(project, project.upgrade, project.downgrade)
    assert project.proposes_nothing()
    ends_well(project, project.downgrade, project.upgrade)
    assert project.catalog() == before


def ends_well(project, move, back):
    """Move to the other side without, and then with each possible failure, from the same start."""
    before = project.catalog()
    with connection_lost_at(project.engine, 0) as seen:
        move()
    after = project.catalog()
    assert len(seen) == 5
    for number in range(1, len(seen) + 1):
        back()
        assert project.catalog() == before
        with connection_lost_at(project.engine, number), pytest.raises((MigrationError, DBAPIError)):
            move()
        assert project.catalog() != after
        move()
        assert project.catalog() == after


def test_the_table_of_a_failed_downgrade_is_still_there(project):
    old_models().create_all(project.engine)
    project.metadata = new_models()
    project.autogenerate()
    project.upgrade()
    with connection_lost_at(project.engine, 2), pytest.raises((MigrationError, DBAPIError)):
        project.downgrade()
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT to_regclass('others')")) is not None
    project.downgrade()


def test_an_index_changes_before_the_column_that_it_needed_goes(project):
    metadata = MetaData()
    items = table(metadata, Column("lang", String(2)), Column("embedding", VECTOR(3)))
    hnsw("ix_e", items.c.embedding, postgresql_where=items.c.lang == "en")
    metadata.create_all(project.engine)
    project.metadata = MetaData()
    hnsw("ix_e", table(project.metadata, Column("embedding", VECTOR(3))).c.embedding)
    with pytest.warns(VectorMigrationWarning) as caught:
        revision = project.cycle("rebuild_vector_index", "drop_column", rows=ROWS)
    assert operations(revision.downgrade) == ["add_column", "rebuild_vector_index"]
    assert {str(one.message) for one in caught} == {
        "The downgrade gives a table its former columns and then builds the index 'ix_e', which needs them. "
        "A concurrent build commits what came before it, so that the downgrade could not be run again if it failed. "
        "Move the operation on the index into a revision of its own, before this one."
    }


def test_an_index_that_changes_while_its_column_gets_another_name(project):
    metadata = MetaData()
    items = table(metadata, Column("lang", String(2)), Column("embedding", VECTOR(3)))
    half("ix_e", items.c.embedding)
    metadata.create_all(project.engine)
    project.metadata = MetaData()
    renamed = table(project.metadata, Column("lang", String(2)), Column("vector", VECTOR(3)))
    hnsw("ix_e", renamed.c.vector, postgresql_with={"m": 24})
    with pytest.warns(VectorMigrationWarning) as caught:
        revision = project.cycle("alter_column", "rebuild_vector_index", rows=ROWS)
    assert len({str(one.message).partition("'")[0] for one in caught}) == 2
    assert operations(revision.downgrade) == ["rebuild_vector_index", "alter_column"]
