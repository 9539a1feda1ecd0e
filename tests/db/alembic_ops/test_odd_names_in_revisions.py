"""Revisions on tables, columns and indexes whose names need quotes, or are as long as a name can be."""

import pytest
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Index, Integer, MetaData, Table, cast

from alembic_ops.errors import VectorMigrationWarning

LONG = "é" * 31 + "x"
SETS = {
    "quoted": ('My "Items" %s :x', 'The "Embedding" %(a)s', 'Ix "e" 100%', "Ix_Two::x", "My Schema"),
    "reserved": ("table", "order", "index", "select", "user"),
    "long": (LONG, LONG, LONG[:-1] + "y", LONG[:-1] + "z", LONG),
    "apostrophes": ("it's", "o'clock", "'ix'", "$gate$", "it's"),
}


def models(names, *, schema, type_=None, column=None, half=False, operators="vector_l2_ops", index=None, **parameters):
    table, named, ix, other, _ = names
    metadata = MetaData()
    embedding = Column(column or named, type_ or VECTOR(3), key="embedding")
    items = Table(
        table, metadata, Column("id", Integer, primary_key=True, autoincrement=False), embedding, schema=schema
    )
    Index(
        index or ix,
        embedding,
        postgresql_using="hnsw",
        postgresql_ops={"embedding": operators},
        postgresql_with=parameters,
    )
    if half:
        expression = cast(embedding, HALFVEC(3)).label("x")
        Index(
            other,
            expression,
            postgresql_using="hnsw",
            postgresql_ops={"x": "halfvec_l2_ops"},
            postgresql_where=items.c.id > 1,
        )
    return metadata


CREATE, DROP, REBUILD, RENAME, RETYPE = (
    "create_vector_index",
    "drop_vector_index",
    "rebuild_vector_index",
    "rename_vector_index",
    "alter_embedding_type",
)


@pytest.mark.share(0, 2)  # each set of names in one of the two schemas
@pytest.mark.parametrize("in_schema", [False, True], ids=["default schema", "other schema"])
@pytest.mark.parametrize("names", SETS.values(), ids=SETS)
def test_odd_names(project, names, in_schema):
    quote = project.engine.dialect.identifier_preparer.quote
    schema = names[-1] if in_schema else None
    if schema is not None:
        project.execute(f"CREATE SCHEMA {quote(schema)}")
        project.options = {"include_schemas": True}
    project.metadata = models(names, schema=schema, half=True)
    project.cycle("create_table", CREATE, CREATE)
    with project.engine.begin() as connection:
        items = next(iter(project.metadata.tables.values()))
        connection.execute(items.insert(), [{"id": i, "embedding": [i, 1, 2]} for i in range(20)])
    project.metadata = models(names, schema=schema, half=True, m=24)
    project.cycle(REBUILD)
    project.metadata = models(names, schema=schema, index="x y", m=24)
    project.cycle(DROP, RENAME)
    project.metadata = models(names, schema=schema, index="x y", m=24, type_=HALFVEC(3), operators="halfvec_l2_ops")
    project.cycle(DROP, RETYPE, CREATE)
    project.metadata = models(
        names, schema=schema, index="x y", m=24, type_=HALFVEC(3), operators="halfvec_l2_ops", column="Other one"
    )
    with pytest.warns(VectorMigrationWarning):
        project.cycle("alter_column")
    project.metadata = MetaData()
    project.cycle(DROP, "drop_table")
