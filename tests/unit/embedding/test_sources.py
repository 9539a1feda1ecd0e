"""What a source brings to a table, and which sources are refused."""

from __future__ import annotations

import enum
from typing import ClassVar

import pytest
from sqlalchemy import Column, DateTime, ForeignKey, Index, Integer, MetaData, String, Table, Text, func, select, text
from sqlalchemy import column as named
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column
from sqlalchemy.schema import CreateIndex
from sqlmodel import Field, SQLModel

from sqlalchemy_vecsearch import (
    HNSW,
    DeclarationError,
    Embedding,
    EmbeddingMixin,
    Provenance,
    VersionedEmbeddingMixin,
    embedding_column,
    source_hash,
    stale,
)

WORK = {"vecsearch_embedding_work", "vecsearch_embedding_model"}


def new_base(**arguments):
    class Base(DeclarativeBase):
        metadata = MetaData(**arguments)

    return Base


def sql(statement):
    return " ".join(str(statement.compile(dialect=postgresql.dialect())).split())


def pending_indexes(table):
    return {one.name: one for one in table.indexes if one.name.endswith("_pending")}


def embedded(**arguments):
    given = {"metric": "cosine", "source": ["title", "body"], "model": "toy"} | arguments
    return embedding_column(3, **given)


def documents(base=None, **arguments):
    class Document(base or new_base()):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]
        body: Mapped[str | None] = mapped_column(Text)
        embedding: Mapped[list[float] | None] = embedded(**arguments)

    return Document


def test_a_source_brings_three_columns_and_the_pending_index():
    table = documents().__table__
    assert list(table.c.keys()) == [
        *("id", "title", "body", "embedding"),
        *("embedding_source_hash", "embedding_model", "embedded_at"),
    ]
    assert [str(table.c[name].type) for name in ("embedding_source_hash", "embedding_model", "embedded_at")] == [
        "VARCHAR(64)", "VARCHAR(200)", "DATETIME",
    ]  # fmt: skip
    assert all(type(one) is Column and one.nullable for one in list(table.c)[4:])
    (index,) = table.indexes
    assert type(index) is Index
    assert sql(CreateIndex(index)) == (
        "CREATE INDEX ix_document_embedding_pending ON document (id) WHERE (embedding IS NOT NULL AND "
        "(pg_catalog.md5((coalesce(CAST(title AS pg_catalog.text), CAST('' AS pg_catalog.text)) OPERATOR(pg_catalog.||) "
        "CAST(' ' AS pg_catalog.text)) OPERATOR(pg_catalog.||) coalesce(CAST(body AS pg_catalog.text), CAST('' AS "
        "pg_catalog.text))) OPERATOR(pg_catalog.=) CAST(embedding_source_hash AS pg_catalog.text)) AND "
        "(CAST(embedding_model AS pg_catalog.text) OPERATOR(pg_catalog.=) CAST('toy' AS pg_catalog.text)) OR embedding "
        "IS NULL AND coalesce(pg_catalog.btrim((coalesce(CAST(title AS pg_catalog.text), CAST('' AS pg_catalog.text)) "
        "OPERATOR(pg_catalog.||) CAST(' ' AS pg_catalog.text)) OPERATOR(pg_catalog.||) coalesce(CAST(body AS "
        "pg_catalog.text), CAST('' AS pg_catalog.text)), CAST(' ' AS pg_catalog.text)) OPERATOR(pg_catalog.=) "
        "CAST('' AS pg_catalog.text), true)) IS NOT true"
    )


def test_the_condition_of_the_select_is_that_of_the_index_word_for_word():
    document = documents()
    (index,) = document.__table__.indexes
    of_index = sql(CreateIndex(index)).partition(" WHERE ")[2]
    assert sql(stale(document.embedding)).partition(" WHERE ")[2].replace("document.", "") == of_index


def test_two_models_do_not_share_a_compiled_statement():
    one, other = documents(model="one"), documents(model="other")
    keys = [stale(each.embedding)._generate_cache_key() for each in (one, one, other)]
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]
    assert keys[0].bindparams == []


def test_a_column_of_another_name_gets_names_of_its_own():
    class Document(new_base()):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]
        short: Mapped[list[float] | None] = embedded(source=["title"])
        long: Mapped[list[float] | None] = embedded(source=["title"], model="other")

    table = Document.__table__
    assert set(table.c.keys()) >= {"short_source_hash", "short_model", "short_embedded_at", "long_source_hash"}
    assert set(pending_indexes(table)) == {"ix_document_short_pending", "ix_document_long_pending"}


def test_a_table_may_name_its_own_columns_and_have_them_already():
    class Document(new_base()):
        __tablename__ = "document"
        embedding: Mapped[list[float] | None] = embedded(
            source="body", provenance=Provenance(source_hash="digest", model="made_by", digest="sha256")
        )
        id: Mapped[int] = mapped_column(primary_key=True)
        body: Mapped[str]
        digest: Mapped[str | None] = mapped_column(String(100))

    assert list(Document.__table__.c.keys()) == ["embedding", "id", "body", "digest", "made_by", "embedded_at"]
    assert Document.__table__.c.digest.type.length == 100
    assert sql(source_hash(Document.embedding)).startswith(
        "pg_catalog.encode(pg_catalog.sha256(CAST(pg_catalog.replace("
    )


def test_the_versioned_mixin_keeps_its_columns():
    class Note(VersionedEmbeddingMixin, new_base()):
        __tablename__ = "note"
        __embedding__ = Embedding(3, metric="cosine", source=["body"], model="toy")
        id: Mapped[int] = mapped_column(primary_key=True)
        body: Mapped[str]

    assert sorted(Note.__table__.c.keys()) == [
        *("body", "embedded_at", "embedding", "embedding_model", "embedding_source_hash", "id"),
    ]
    assert set(pending_indexes(Note.__table__)) == {"ix_note_embedding_pending"}


def test_mixins_and_abstract_bases_bring_it_to_each_table():
    base = new_base()

    class Abstract(EmbeddingMixin, base):
        __abstract__ = True
        __table_args__: ClassVar = {"info": {"shared": True}}
        __embedding__ = Embedding(3, metric="l2", index=HNSW(), source=["body"], model="toy")
        id: Mapped[int] = mapped_column(primary_key=True)
        body: Mapped[str]

    tables = [type(name, (Abstract,), {"__tablename__": name}).__table__ for name in ("one", "two")]
    for table in tables:
        assert {one.name for one in table.indexes} == {
            f"ix_{table.name}_embedding", f"ix_{table.name}_embedding_pending",
        }  # fmt: skip
        assert "embedding_source_hash" in table.c


def test_to_metadata_copies_everything_once():
    document, copies = documents(), MetaData()
    for table in document.metadata.sorted_tables:
        table.to_metadata(copies)
    assert set(copies.tables) == {"document", *WORK}
    copy = copies.tables["document"]
    assert list(copy.c.keys()) == list(document.__table__.c.keys())
    assert [sql(CreateIndex(one)) for one in copy.indexes] == [
        sql(CreateIndex(one)) for one in document.__table__.indexes
    ]


def test_the_work_tables_stand_in_the_schema_of_the_table():
    base = new_base(schema="app")
    documents(base)
    assert set(base.metadata.tables) == {"app.document", *(f"app.{name}" for name in WORK)}


def test_tables_without_a_source_bring_nothing():
    base = new_base()

    class Plain(base):
        __tablename__ = "plain"
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[list[float] | None] = embedding_column(3, metric="l2", model="toy")

    assert set(base.metadata.tables) == {"plain"}


def test_dataclasses_and_sqlmodel_have_the_attributes():
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Document(Base):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        title: Mapped[str]
        embedding: Mapped[list[float] | None] = embedded(source=["title"], default=None)

    class Item(SQLModel, table=True):
        __tablename__ = "item_with_a_source"
        id: int | None = Field(default=None, primary_key=True)
        body: str
        embedding: list[float] | None = Field(
            default=None, sa_column=embedded(source=["body"], name="embedding", nullable=True).column
        )

    for entity in (Document, Item):
        assert sql(select(entity.embedding_source_hash)).startswith("SELECT ")
        assert len(pending_indexes(entity.__table__)) == 1


def test_a_composite_key_is_the_key_of_the_index():
    class Chunk(new_base()):
        __tablename__ = "chunk"
        document_id: Mapped[int] = mapped_column(primary_key=True)
        position: Mapped[int] = mapped_column(primary_key=True)
        content: Mapped[str]
        embedding: Mapped[list[float] | None] = embedded(source=["content"])

    (index,) = Chunk.__table__.indexes
    assert [one.name for one in index.columns] == ["document_id", "position"]


def test_a_subclass_in_a_table_of_its_own_embeds_its_own_columns():
    base = new_base()

    class Item(base):
        __tablename__ = "item"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        title: Mapped[str]
        __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "item"}

    class Article(Item):
        __tablename__ = "article"
        id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
        body: Mapped[str]
        embedding: Mapped[list[float] | None] = embedded(source=["body"])
        __mapper_args__: ClassVar = {"polymorphic_identity": "article"}

    assert set(pending_indexes(Article.__table__)) == {"ix_article_embedding_pending"}
    assert "FROM item JOIN article ON item.id = article.id" in sql(stale(Article.embedding))
    with pytest.raises(DeclarationError, match="has no column 'title'"):

        class Other(Item):
            __tablename__ = "other"
            id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
            embedding: Mapped[list[float] | None] = embedded(source=["title"])


def test_a_subclass_in_its_parents_table_brings_it_when_its_columns_are_there():
    class Item(new_base()):
        __tablename__ = "item"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "item"}

    class Article(Item):
        embedding: Mapped[list[float] | None] = embedded(source=["summary"])
        summary: Mapped[str | None]
        __mapper_args__: ClassVar = {"polymorphic_identity": "article"}

    assert set(pending_indexes(Item.__table__)) == {"ix_item_embedding_pending"}
    assert "item.kind IN" in sql(stale(Article.embedding))


def test_long_names_of_tables_keep_the_suffix():
    table = Table(
        "t" * 63,
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("body", Text),
        embedding_column(3, metric="l2", source=["body"], model="toy", name="embedding").column,
    )
    (name,) = pending_indexes(table)
    assert len(name) == 63
    assert name.endswith("_pending")


def test_an_expression_is_the_source_of_the_table_that_it_comes_to():
    class Mixin:
        body: Mapped[str] = mapped_column()
        embedding: Mapped[list[float] | None] = embedded(source=func.lower(named("body", Text)))

    class Document(Mixin, new_base()):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert sql(source_hash(Document.embedding)) == "pg_catalog.md5(CAST(lower(document.body) AS pg_catalog.text))"
    source = Table("other", MetaData(), Column("body", Text))
    table = Table(
        "document",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("body", Text),
        embedding_column(3, metric="l2", source=func.trim(source.c.body), model="toy", name="embedding").column,
    )
    assert sql(source_hash(table.c.embedding)) == "pg_catalog.md5(CAST(trim(document.body) AS pg_catalog.text))"


class Kind(enum.Enum):
    ONE = 1


REFUSED = [
    (
        {"source": ["body"]},
        "A source is declared without the model that embeds it. A vector is as old as its text and its model, and rows "
        'of another model have to be found too. Add model="...", the name under which the embedder is registered.',
    ),
    (
        {"source": [], "model": "toy"},
        "source=[] is no source of an embedding. What is embedded is made of columns of the row, by their names, or by "
        'one SQL expression. Write source=["title", "body"], or source=text("trim(body)").',
    ),
    (
        {"provenance": Provenance(model="made_by")},
        "provenance=Provenance(source_hash=None, model='made_by', embedded_at=None, digest='md5') has nothing to name. "
        "The columns that it names keep the hash and the model of a text, and no source says which text. "
        'Add source=["title", "body"], or leave provenance out.',
    ),
    (
        {"source": text("concat_ws(' ', title, body)"), "model": "toy"},
        "The source \"concat_ws(' ', title, body)\" calls concat_ws(), which is not immutable. PostgreSQL refuses such a "
        "function in an index, and an index finds the rows whose text has changed. Write || and coalesce() instead, or "
        "wrap it in a function of your own that is declared IMMUTABLE.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_what_cannot_be_a_source_is_refused_at_declaration(arguments, message):
    with pytest.raises(DeclarationError) as raised:
        embedding_column(3, metric="l2", **arguments)
    assert str(raised.value) == message


def test_functions_that_are_not_immutable_are_found_in_expressions_too():
    with pytest.raises(DeclarationError, match=r"calls concat\(\), which is not immutable"):
        embedding_column(3, metric="l2", source=func.concat(named("a"), named("b")), model="toy")


@pytest.mark.parametrize("type_", [DateTime(), postgresql.ENUM(Kind), postgresql.ARRAY(Text), postgresql.BYTEA()])
def test_columns_whose_text_depends_on_settings_are_refused(type_):
    with pytest.raises(DeclarationError, match=r"^The column document.at of type .* can not be part of the source"):
        Table(
            "document",
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column("at", type_),
            embedding_column(3, metric="l2", source=["at"], model="toy", name="embedding").column,
        )


def test_a_table_without_a_key_is_refused():
    with pytest.raises(DeclarationError) as raised:
        Table("log", MetaData(), Column("body", Text), embedded(source=["body"], name="embedding").column)
    assert str(raised.value) == (
        "The table 'log' has no primary key, and its column 'embedding' declares a source. Pending rows are found and "
        "written by their key. Declare a primary key, or leave source out."
    )


def test_stale_wants_a_source():
    class Plain(new_base()):
        __tablename__ = "plain"
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[list[float] | None] = embedding_column(3, metric="l2")

    with pytest.raises(DeclarationError) as raised:
        stale(Plain.embedding)
    assert str(raised.value) == (
        "The column 'plain.embedding' does not say what its embeddings are made from. Rows whose text has changed can be "
        "found, and embedded anew, only where the text is known. "
        'Declare it with embedding_column(..., source=["title", "body"], model="...").'
    )
