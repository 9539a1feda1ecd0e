import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateIndex, CreateTable

from sqlalchemy_vecsearch import (
    HNSW,
    ChunkMixin,
    DeclarationError,
    Embedding,
    FullText,
    FullTextMixin,
    ProvenanceMixin,
    VersionedEmbeddingMixin,
    embedding_column,
)
from sqlalchemy_vecsearch.mixins import fulltext_of


class Base(DeclarativeBase):
    pass


class Page(FullTextMixin, VersionedEmbeddingMixin, Base):
    __tablename__ = "page"
    __embedding__ = Embedding(3, metric="cosine", index=HNSW())
    __fulltext__ = FullText("title", "body", language="english")
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str | None]


class Chunk(ChunkMixin, Base):
    __tablename__ = "chunk"
    __parent__ = "page.id"
    __embedding__ = Embedding(3, metric="cosine", index=HNSW())
    id: Mapped[int] = mapped_column(primary_key=True)


def ddl(element):
    return " ".join(str(element.compile(dialect=postgresql.dialect())).split())


def test_a_versioned_embedding_knows_model_time_and_source():
    assert ddl(CreateTable(Page.__table__)) == (
        "CREATE TABLE page ( id SERIAL NOT NULL, title VARCHAR NOT NULL, body VARCHAR, "
        "fts TSVECTOR GENERATED ALWAYS AS (to_tsvector(CAST('english' AS REGCONFIG), "
        "coalesce(title, '') || ' ' || coalesce(body, ''))) STORED NOT NULL, "
        "embedding_model VARCHAR(200), embedded_at TIMESTAMP WITH TIME ZONE, embedding_source_hash VARCHAR(64), "
        "embedding VECTOR(3), PRIMARY KEY (id) )"
    )


def test_the_full_text_column_has_a_gin_index():
    assert sorted(ddl(CreateIndex(index)) for index in Page.__table__.indexes) == [
        "CREATE INDEX ix_page_embedding ON page USING hnsw (embedding vector_cosine_ops)",
        "CREATE INDEX ix_page_fts ON page USING gin (fts)",
    ]


def test_the_full_text_column_is_not_loaded_with_the_row_and_knows_its_source():
    assert "fts" not in str(select(Page))
    assert fulltext_of(Page.__table__.c.fts) == FullText("title", "body", language="english")
    assert fulltext_of(Page.__table__.c.title) is None


def test_a_chunk_belongs_to_its_parent():
    assert ddl(CreateTable(Chunk.__table__)) == (
        "CREATE TABLE chunk ( id SERIAL NOT NULL, parent_id INTEGER NOT NULL, position INTEGER NOT NULL, "
        "content TEXT NOT NULL, embedding VECTOR(3), PRIMARY KEY (id), "
        "FOREIGN KEY(parent_id) REFERENCES page (id) ON DELETE CASCADE )"
    )
    assert {index.name for index in Chunk.__table__.indexes} == {"ix_chunk_parent_id", "ix_chunk_embedding"}


def test_the_mixin_of_provenance_declares_the_columns_that_a_source_brings():
    class Alone(DeclarativeBase):
        pass

    class Unnamed(Alone):
        __tablename__ = "unnamed"
        id: Mapped[int] = mapped_column(primary_key=True)
        body: Mapped[str]
        embedding: Mapped[list[float] | None] = embedding_column(3, metric="l2", source=["body"], model="m")

    class Named(ProvenanceMixin, Alone):
        __tablename__ = "named"
        id: Mapped[int] = mapped_column(primary_key=True)
        body: Mapped[str]
        embedding: Mapped[list[float] | None] = embedding_column(3, metric="l2", source=["body"], model="m")

    def columns(entity):
        dialect = postgresql.dialect()
        return {one.name: (one.type.compile(dialect=dialect), one.nullable) for one in entity.__table__.c}

    assert columns(Named) == columns(Unnamed)
    assert columns(Named)["embedded_at"] == ("TIMESTAMP WITH TIME ZONE", True)


def test_a_full_text_declaration_names_columns():
    with pytest.raises(DeclarationError) as caught:
        FullText()
    assert str(caught.value) == (
        "FullText() names no column. The tsvector column is computed from the text columns of its row. "
        'Name them: FullText("title", "body", language="english").'
    )


def test_a_missing_parent_says_what_to_add():
    with pytest.raises(DeclarationError, match=r'Add __parent__ = "document\.id" to the class'):

        class Piece(ChunkMixin, Base):
            __tablename__ = "piece"
            __embedding__ = Embedding(3, metric="cosine")
            id: Mapped[int] = mapped_column(primary_key=True)
