"""Autogenerate, upgrade and downgrade on the main path, with the stock template and one import in env.py."""

import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, text


def models(*indexes, column=None):
    metadata = MetaData()
    table = Table(
        "items",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("kind", String),
        Column("embedding", VECTOR(3)) if column is None else column,
    )
    for index in indexes:
        index(table)
    return metadata


def hnsw(name="ix_items_embedding", *, operators="vector_l2_ops", **options):
    options.setdefault("postgresql_using", "hnsw")
    return lambda table: Index(name, table.c.embedding, postgresql_ops={"embedding": operators}, **options)


def insert_rows(project):
    with project.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO items (kind, embedding) SELECT 'a', ARRAY[i, i, 1]::vector(3) FROM generate_series(1, 20) i"
            )
        )


def test_a_new_database_gets_the_extension_the_table_and_the_index_in_one_revision(bare_project):
    project = bare_project
    project.metadata = models(hnsw())
    before = project.catalog()
    revision = project.autogenerate()
    assert revision.upgrade == (
        "op.create_vector_extension()\n"
        "op.create_table('items',\n"
        "sa.Column('id', sa.Integer(), nullable=False),\n"
        "sa.Column('kind', sa.String(), nullable=True),\n"
        "sa.Column('embedding', pgvector.sqlalchemy.VECTOR(3), nullable=True),\n"
        "sa.PrimaryKeyConstraint('id')\n"
        ")\n"
        "op.create_vector_index(\n"
        "'ix_items_embedding',\n"
        "'items',\n"
        "'embedding',\n"
        "method='hnsw',\n"
        "operator_class='vector_l2_ops',\n"
        "concurrently=False,\n"
        ")"
    )
    assert (
        "\n    # copy_rows(..., indexes='after') makes the first load fast: it builds this index over the rows"
        "\n    op.create_vector_index(\n"
    ) in revision.whole
    assert "\nimport alembic_ops\n" in revision.whole
    assert "\nimport pgvector.sqlalchemy\n" in revision.whole
    project.upgrade()
    assert project.proposes_nothing()
    assert len(project.catalog()[0]) == 2
    project.downgrade()
    assert project.catalog() == before
    project.upgrade()
    assert project.proposes_nothing()


CHANGES = {
    "added": ([], [hnsw()], "create_vector_index"),
    "removed": ([hnsw(postgresql_with={"m": 24})], [], "drop_vector_index"),
    "m": ([hnsw()], [hnsw(postgresql_with={"m": 24})], "rebuild_vector_index"),
    "operator class": ([hnsw()], [hnsw(operators="vector_cosine_ops")], "rebuild_vector_index"),
    "method": ([hnsw()], [hnsw(postgresql_using="ivfflat", postgresql_with={"lists": 2})], "rebuild_vector_index"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_on_a_table_with_rows_is_one_operation_that_goes_both_ways(project, case):
    old, new, operation = CHANGES[case]
    project.metadata = models(*old)
    project.metadata.create_all(project.engine)
    insert_rows(project)
    before = project.catalog()
    assert project.proposes_nothing()
    project.metadata = models(*new)
    assert project.check_fails()
    revision = project.autogenerate()
    assert revision.upgrade.count("op.") == 1
    assert revision.upgrade.startswith(f"op.{operation}(")
    assert "concurrently" not in revision.upgrade
    project.upgrade()
    assert project.proposes_nothing()
    after = project.catalog()
    assert after != before
    project.downgrade()
    assert project.catalog() == before
    project.upgrade()
    assert project.catalog() == after
