"""The tables."""

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.embedding import DIMENSIONS, MODEL
from sqlalchemy_vecsearch import HNSW, FullText, FullTextMixin, embedding_column

__all__ = ["Article", "Base"]


class Base(DeclarativeBase):
    """The base of all tables."""


class Article(FullTextMixin, Base):
    """A text of a help centre.

    `FullTextMixin` adds `fts` and its index; `source=` adds what the embedding was made from, so that the worker finds
    the articles whose text has changed.
    """

    __tablename__ = "article"
    __fulltext__ = FullText("title", "body", language="english")

    slug: Mapped[str] = mapped_column(primary_key=True)
    lang: Mapped[str] = mapped_column(index=True)
    title: Mapped[str]
    body: Mapped[str]
    embedding: Mapped[list[float] | None] = embedding_column(
        DIMENSIONS, metric="cosine", index=HNSW(m=16, ef_construction=64), source=["title", "body"], model=MODEL
    )
