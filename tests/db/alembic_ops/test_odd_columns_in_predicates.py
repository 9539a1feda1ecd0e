"""Columns of odd names in the predicates and expressions of indexes."""

from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, cast

NAMES = ["a\tb", "a  b", "a\nb", "Ünder", 'quo"te', "it's", "100%", ":colon", "a\\b", "--dash", "select", "$1"]


def models(*, wished=True, value="x"):
    """Declare a table for each name."""
    metadata = MetaData()
    for number, name in enumerate(NAMES):
        columns = [Column(name, String, key="kind"), Column("embedding", VECTOR(3))]
        items = Table(f"items_{number}", metadata, Column("id", Integer, primary_key=True), *columns)
        if wished:
            half = cast(items.c.embedding, HALFVEC(3)).label("half")
            Index(f"ix_{number}", half, postgresql_using="hnsw", postgresql_ops={"half": "halfvec_l2_ops"},
                  postgresql_where=items.c.kind == value)  # fmt: skip
    return metadata


def test_partial_indexes_are_created_and_then_equal(project):
    models(wished=False).create_all(project.engine)
    project.metadata = models()
    project.cycle(*["create_vector_index"] * len(NAMES))
    project.upgrade()
    project.metadata = models(value="a\tb")
    project.cycle(*["rebuild_vector_index"] * len(NAMES))
