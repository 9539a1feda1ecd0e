"""The row types on SQLAlchemy 2.0, where Select takes a tuple: checked by the version matrix."""

from typing import assert_type

from sqlalchemy import Select, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import HNSW, embedding_column, nearest


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str]
    embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW())


def test_a_search_of_an_entity_returns_the_entity_and_a_float() -> None:
    assert_type(nearest(Document, Document.embedding, [1.0, 2.0, 3.0], k=10), Select[tuple[Document, float]])


def test_a_search_of_a_select_keeps_its_columns_and_adds_a_float() -> None:
    statement = select(Document.id, Document.lang).where(Document.lang == "en")
    assert_type(nearest(statement, Document.embedding, [1.0, 2.0, 3.0], k=10), Select[tuple[int, str, float]])
