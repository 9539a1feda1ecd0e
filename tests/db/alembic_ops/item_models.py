"""Models of one table with an embedding, and of indexes on it."""

from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, cast, text


def models(*indexes, name="items", schema=None, metadata=None, dimensions=3):
    metadata = MetaData() if metadata is None else metadata
    items = Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True),
        Column("kind", String(10)),
        Column("embedding", VECTOR(dimensions)),
        schema=schema,
    )
    for index in indexes:
        index(items)
    return metadata


def ix(name="ix_e", operators="vector_l2_ops", **options):
    given = {f"postgresql_{key.rstrip('_')}": value for key, value in options.items()} | {"postgresql_using": "hnsw"}
    return lambda table: Index(name, table.c.embedding, postgresql_ops={"embedding": operators}, **given)


def half(name="ix_h"):
    def declare(table):
        Index(name, cast(table.c.embedding, HALFVEC(3)).label("x"), postgresql_using="hnsw",
              postgresql_ops={"x": "halfvec_l2_ops"}, postgresql_where=text("id > 1"))  # fmt: skip

    return declare
