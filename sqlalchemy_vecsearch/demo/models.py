"""The models of the demo, as an ordinary application declares them."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import HNSW, embedding_column

__all__ = ["Base", "Document"]


class Base(DeclarativeBase):
    """Holds the metadata that the migrations compare with the database."""


class Document(Base):
    """One documented class, function or method."""

    __tablename__ = "document"

    id: Mapped[int] = mapped_column(primary_key=True)
    module: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    name: Mapped[str] = mapped_column(unique=True)
    docstring: Mapped[str]
    embedding: Mapped[list[float]] = embedding_column(
        256,
        metric="cosine",
        index=HNSW(m=24, ef_construction=128),
        source=text(r"name || ': ' || split_part(docstring, E'\n\n', 1)"),
        model="wordllama-256",
        load="deferred",
    )
