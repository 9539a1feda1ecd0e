"""What the comparators find equal, hide, and leave to Alembic."""

from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, cast, func, text

from sqlalchemy_vecsearch import HNSW, Subvector, vector_index


def test_indexes_of_every_form_are_equal_to_themselves(project):
    project.metadata = MetaData()
    items = Table(
        "items",
        project.metadata,
        Column("id", Integer, primary_key=True),
        Column("kind", String(10)),
        Column("Embedding", VECTOR(4)),
        Column("loose", VECTOR()),
        Index("ix_kind", "kind", postgresql_where=text("kind <> 'a'")),
    )
    embedding = items.c.Embedding
    vector_index(
        "ix_plain", embedding, metric="cosine", method=HNSW(m=24), where=(items.c.kind == "100%") & (items.c.id > 1)
    )
    vector_index("ix_half", embedding, metric="l2", quantize="halfvec")
    vector_index("ix_bits", embedding, metric="cosine", quantize="binary")
    vector_index("ix_part", embedding, metric="l1", quantize=Subvector(1, 2))
    Index("ix_text", text('("Embedding"::halfvec(4)) halfvec_l2_ops'), _table=items, postgresql_using="hnsw")
    Index(
        "ix_unit",
        cast(func.l2_normalize(embedding), HALFVEC(4)).label("x"),
        postgresql_ops={"x": "halfvec_ip_ops"},
        postgresql_using="ivfflat",
    )
    Index(
        "ix_model",
        cast(items.c.loose, VECTOR(5)).label("x"),
        postgresql_ops={"x": "public.vector_l2_ops"},
        postgresql_using="hnsw",
        postgresql_where=text("id%2=1"),
    )
    project.metadata.create_all(project.engine)
    assert project.proposes_nothing()


def test_other_indexes_are_still_compared_by_alembic(project):
    project.metadata = MetaData()
    items = Table("items", project.metadata, Column("id", Integer, primary_key=True), Column("embedding", VECTOR(3)))
    project.metadata.create_all(project.engine)
    Index("ix_items_id", items.c.id)
    assert project.autogenerate().upgrade == "op.create_index('ix_items_id', 'items', ['id'], unique=False)"
