"""An application whose embedding model changes: its table, its models of before and after, and what embeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from sqlalchemy import insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import HNSW, embedder, embedding_column, source_hash
from sqlalchemy_vecsearch.demo.models import Document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Engine

    from sqlalchemy_vecsearch.demo.embedder import Embedder

__all__ = [
    "AFTER",
    "BEFORE",
    "Passage",
    "PassageBefore",
    "PassageRenamed",
    "PassageSince",
    "create_passages",
    "drop_passages",
    "register_models",
    "words_of",
]

BEFORE: Final = "wordllama-64"
AFTER: Final = "wordllama-256"
_SOURCE: Final = ("name", "docstring")
_DROP: Final = text("DROP TABLE IF EXISTS passage, vecsearch_reembedding")


def _of_before(dimensions: int = 64, model: str = BEFORE) -> Mapped[list[float] | None]:
    return embedding_column(dimensions, metric="cosine", index=HNSW(), source=_SOURCE, model=model, load="deferred")


def _of_after() -> Mapped[list[float] | None]:
    return _of_before(256, AFTER)


class _Text:
    """The table and its texts, whatever the models."""

    __tablename__ = "passage"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    docstring: Mapped[str]


class _Before(DeclarativeBase):
    """The metadata of the application as it began."""


class PassageBefore(_Text, _Before):
    """A text with 64 numbers, as the application began."""

    embedding: Mapped[list[float] | None] = _of_before()


class _Meanwhile(DeclarativeBase):
    """The metadata of the application during the change."""


class Passage(_Text, _Meanwhile):
    """A text with the vectors of both models, as the application declares it during the change."""

    embedding: Mapped[list[float] | None] = _of_before()
    embedding_v2: Mapped[list[float] | None] = _of_after()


class _Since(DeclarativeBase):
    """The metadata of the application since a change by the pointer."""


class PassageSince(_Text, _Since):
    """A text with 256 numbers, as the application declares it when a change by the pointer is over."""

    embedding_v2: Mapped[list[float] | None] = _of_after()


class _Renamed(DeclarativeBase):
    """The metadata of the application since a change by names."""


class PassageRenamed(_Text, _Renamed):
    """A text with 256 numbers under the former name, as the application declares it once names were exchanged."""

    embedding: Mapped[list[float] | None] = _of_after()


def words_of(name: str, docstring: str) -> str:
    """Return what is embedded of a row."""
    return f"{name}\n{docstring}"


def shortened(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first 64 numbers of vectors at length 1, which this model was trained to bear."""
    first = vectors[:, :64]
    lengths = np.linalg.norm(first, axis=1, keepdims=True)
    found: NDArray[np.float32] = np.divide(first, lengths, out=np.zeros_like(first), where=lengths > 0)
    return found


def register_models(wordllama: Embedder) -> None:
    """Register the model of before and that of after."""

    @embedder(BEFORE, dimensions=64, batch_size=256)
    def before(texts: Sequence[str]) -> NDArray[np.float32]:
        return shortened(wordllama.embed(texts))

    embedder(AFTER, dimensions=256, batch_size=256)(wordllama.embed)


def create_passages(engine: Engine, wordllama: Embedder, *, rows: int) -> None:
    """Create the table anew, with some of the documents and their vectors of 64 numbers.

    Args:
        engine: of a database with the documents.
        wordllama: embeds them.
        rows: how many.
    """
    chosen = select(Document.id, Document.name, Document.docstring).order_by(Document.id).limit(rows)
    with engine.begin() as connection:
        connection.execute(_DROP)
        found = connection.execute(chosen).all()
        vectors = shortened(wordllama.embed([words_of(row.name, row.docstring) for row in found]))
        _Before.metadata.create_all(connection)
        connection.execute(
            insert(PassageBefore),
            [
                {
                    "id": row.id,
                    "name": row.name,
                    "docstring": row.docstring,
                    "embedding": vector,
                    "embedding_model": BEFORE,
                }
                for row, vector in zip(found, vectors, strict=True)
            ],
        )
        hashed = source_hash(PassageBefore.embedding)
        connection.execute(PassageBefore.__table__.update().values(embedding_source_hash=hashed))  # type: ignore[attr-defined]
        connection.execute(text("ANALYZE passage"))


def drop_passages(engine: Engine) -> None:
    """Drop the table and its job, which the migrations of the demo know nothing of."""
    with engine.begin() as connection:
        connection.execute(_DROP)
