"""Models of every kind that SQLAlchemy has."""

import pytest
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Index, MetaData
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, declared_attr, mapped_column

from sqlalchemy_vecsearch import HNSW, embedding_column, vector_index


def test_models_of_ours(project):
    class Base(DeclarativeBase):
        pass

    class Document(Base):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        lang: Mapped[str]
        embedding: Mapped[list[float] | None] = embedding_column(
            4, metric="cosine", index=HNSW(m=16), quantize="halfvec"
        )

    vector_index("ix_en", Document.embedding, metric="l2", where=Document.lang == "en")
    project.metadata = Base.metadata
    project.cycle("create_table", "create_vector_index", "create_vector_index")


def test_mapped_dataclasses(project):
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Item(Base):
        __tablename__ = "items"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        embedding: Mapped[list[float]] = mapped_column(VECTOR(3))
        __table_args__ = (
            Index("ix_e", "embedding", postgresql_using="hnsw", postgresql_ops={"embedding": "vector_l2_ops"}),
        )

    project.metadata = Base.metadata
    project.cycle("create_table", "create_vector_index")


def indexed_by(*names):
    return tuple(
        Index(name, "embedding", postgresql_using="hnsw", postgresql_ops={"embedding": "vector_l2_ops"})
        for name in names
    )


def models_of_a_mixin(**members):
    class Base(DeclarativeBase):
        pass

    class Embedded:
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[list[float] | None] = mapped_column(VECTOR(3))

        @declared_attr.directive
        def __table_args__(cls):  # noqa: N805  # SQLAlchemy gives it the class
            return indexed_by(f"ix_{cls.__tablename__}_embedding")

    type("Item", (Embedded, Base), {"__tablename__": "items", **members})
    return Base.metadata


def test_a_mixin_with_an_index(project):
    project.metadata = models_of_a_mixin()
    project.cycle("create_table", "create_vector_index")


def test_a_class_whose_own_arguments_replace_those_of_its_mixin_has_only_its_own_indexes(project):
    models_of_a_mixin().create_all(project.engine)
    project.metadata = models_of_a_mixin(__table_args__=(Index("ix_id", "id"),))
    revision = project.cycle(
        "drop_vector_index", "create_index", rows="INSERT INTO items (embedding) VALUES ('[1,2,3]')"
    )
    assert "'ix_items_embedding'" in revision.upgrade


def test_an_annotation_by_the_type_alone_is_refused_by_sqlalchemy():
    class Base(DeclarativeBase):
        pass

    with pytest.raises(
        ArgumentError, match="inside the 'embedding' attribute Mapped annotation is the SQLAlchemy type"
    ):
        type(
            "Item",
            (Base,),
            {
                "__tablename__": "items",
                "__annotations__": {"id": Mapped[int], "embedding": Mapped[VECTOR]},
                "id": mapped_column(primary_key=True),
            },
        )


def test_sqlmodel(project):
    from sqlmodel import Field, SQLModel

    class Base(SQLModel):
        metadata = MetaData()

    class Item(Base, table=True):
        __tablename__ = "items"
        id: int | None = Field(default=None, primary_key=True)
        title: str
        embedding: list[float] = Field(sa_type=VECTOR(3))
        second: list[float] = Field(sa_column=Column(HALFVEC(3)))

    vector_index("ix_e", Item.__table__.c.embedding, metric="l2")
    vector_index("ix_second", Item.__table__.c.second, metric="cosine")
    project.metadata = Base.metadata
    revision = project.cycle("create_table", "create_vector_index", "create_vector_index")
    assert "sa.Column('embedding', pgvector.sqlalchemy.VECTOR(3), nullable=False)" in revision.upgrade
    assert "sa.Column('second', pgvector.sqlalchemy.HALFVEC(3), nullable=True)" in revision.upgrade
