"""Models with texts, and a model of letters that embeds them: the same text gives the same vector anywhere."""

from __future__ import annotations

import hashlib

import numpy as np
from sqlalchemy import Text, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import embedding_column

DIMENSIONS = 8
MODEL = "digits-8"


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str] = mapped_column(server_default="en")
    edited_at: Mapped[int | None] = mapped_column(onupdate=func.pg_backend_pid())
    embedding: Mapped[list[float] | None] = embedding_column(
        DIMENSIONS, metric="cosine", source=["title", "body"], model=MODEL
    )


class Chunk(Base):
    __tablename__ = "chunk"
    book: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[str]
    embedding: Mapped[list[float] | None] = embedding_column(
        DIMENSIONS, metric="l2", storage="halfvec", source=["content"], model=MODEL
    )


def vector_of(text):
    """Return the vector of a text: sixteenths from its digest, which every precision and every text form keeps."""
    digest = hashlib.sha256(text.encode()).digest()[:DIMENSIONS]
    return [0.5 + byte // 16 / 16 for byte in digest]


def digits(texts):
    return np.array([vector_of(text) for text in texts], dtype=np.float32)


def text_of(title, body):
    return f"{title}\n{body or ''}"


def wrong_rows(connection):
    """Return the keys of the documents whose vector is not that of their text."""
    rows = connection.execute(select(Document.id, Document.title, Document.body, Document.embedding))
    return [
        key for key, title, body, vector in rows if vector is None or list(vector) != vector_of(text_of(title, body))
    ]
