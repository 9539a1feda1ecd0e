"""Models of one table with one column of vectors, and rows for it."""

from sqlalchemy import Column, Index, Integer, MetaData, Table

VALUES = {
    "vector": "INSERT INTO items (embedding) SELECT ARRAY[i, 7 - i, 1]::vector(3) FROM generate_series(1, 20) i",
    "bit": "INSERT INTO items (embedding) SELECT '101' FROM generate_series(1, 20) i",
    "array": "INSERT INTO items (embedding) SELECT ARRAY['[1,2,3]'::vector, '[4,5,6]'::vector]",
    "floats": "INSERT INTO items (embedding) SELECT ARRAY[i, 7 - i, 1]::float8[] FROM generate_series(1, 20) i",
    "text": "INSERT INTO items (embedding) SELECT '[1,2,3]'",
}


def models(type_=None, *, operators=None, name="embedding", using="hnsw", element=None, **options):
    metadata = MetaData()
    items = Table("items", metadata, Column("id", Integer, primary_key=True))
    if type_ is not None:
        column = Column(name, type_, key="embedding", **options)
        items.append_column(column)
        if operators is not None:
            indexed = column if element is None else element(column).label("embedding")
            Index("ix_e", indexed, postgresql_using=using, postgresql_ops={"embedding": operators})
    return metadata


L2, HALF = "vector_l2_ops", "halfvec_l2_ops"
ALTER, CREATE, DROP, REBUILD = (
    "alter_embedding_type",
    "create_vector_index",
    "drop_vector_index",
    "rebuild_vector_index",
)
