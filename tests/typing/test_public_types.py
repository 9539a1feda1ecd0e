"""What a type checker sees: run by mypy --strict and pyright, and by pytest for its effects."""

from datetime import datetime
from typing import assert_type

from sqlalchemy import ColumnElement, Index, Select, select
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from sqlalchemy_vecsearch import HNSW, ProvenanceMixin, distance, embedding_column, nearest, similarity, vector_index


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str]
    embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW())


class Article(ProvenanceMixin, Base):
    __tablename__ = "article"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]
    embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", source=["body"], model="letters")


QUERY = [1.0, 2.0, 3.0]


def test_a_search_of_an_entity_returns_the_entity_and_a_float() -> None:
    assert_type(nearest(Document, Document.embedding, QUERY, k=10), Select[Document, float])


def test_a_search_of_a_select_keeps_its_columns_and_adds_a_float() -> None:
    statement = select(Document.id, Document.lang).where(Document.lang == "en")
    assert_type(nearest(statement, Document.embedding, QUERY, k=10), Select[int, str, float])


def test_a_search_of_an_alias_returns_the_entity() -> None:
    other = aliased(Document)
    assert_type(nearest(other, other.embedding, QUERY, k=10, within=0.3), Select[Document, float])


def test_distances_are_expressions_of_floats() -> None:
    assert_type(distance(Document.embedding, QUERY), ColumnElement[float])
    assert_type(similarity(Document.embedding, QUERY, "l2"), ColumnElement[float])


def test_an_index_is_a_plain_index() -> None:
    assert_type(vector_index("ix_l1", Document.embedding, metric="l1"), Index)


def test_what_a_source_brings_is_known_by_the_mixin_of_provenance() -> None:
    assert_type(Article(body="a text").embedded_at, datetime | None)
    assert_type(Article(body="a text").embedding_model, str | None)
