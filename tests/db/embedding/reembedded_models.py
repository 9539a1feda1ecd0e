"""A table whose embeddings change their model: as the application declares it, and as a job of the journal has it."""

from __future__ import annotations

from sqlalchemy import insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import HNSW, Reembedding, embedding_column
from sqlalchemy_vecsearch.embedding.journal import journal_table, record
from tests.db.embedding.embedded_models import digits, text_of, vector_of

OLD, NEW = "digits-4", "digits-8"
INDEX = "ix_document_embedding_v2"
JOB = "to_digits_8"


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str | None]
    tenant: Mapped[int] = mapped_column(server_default="0")
    embedding: Mapped[list[float] | None] = embedding_column(4, metric="cosine", index=HNSW(), model=OLD)
    embedding_v2: Mapped[list[float] | None] = embedding_column(8, metric="cosine", source=["title", "body"], model=NEW)


def old_digits(texts):
    """Embed by the old model: the first half of what the new one says."""
    return digits(texts)[:, :4]


def begun(engine, *, rows, job=JOB, indexed=True, metric="cosine"):
    """Create the table with vectors of the old model, and the job that replaces them, as op.begin_reembedding does."""
    Base.metadata.create_all(engine)
    journal = journal_table(Base.metadata, None)
    journal.create(engine, checkfirst=True)
    with engine.begin() as connection:
        if rows:
            connection.execute(insert(Document.__table__), [_row(key) for key in range(1, rows + 1)])
        numbers = dict(
            connection.execute(
                text("SELECT attname, attnum FROM pg_attribute WHERE attrelid = 'document'::regclass")
            ).all()
        )
        index = {
            "name": INDEX,
            "column": "embedding_v2",
            "method": "hnsw",
            "operator_class": f"vector_{metric}_ops",
            "with_": {"m": 8},
        }
        record(
            connection,
            Reembedding(
                job=job,
                table_name="document",
                live="embedding",
                replacement="embedding_v2",
                live_number=numbers["embedding"],
                replacement_number=numbers["embedding_v2"],
                source=("title", "body"),
                model=NEW,
                previous_model=OLD,
                index_definition=index if indexed else None,
            ),
            None,
        )


def _row(key):
    words = text_of(f"title {key}", f"body of {key}")
    vector = [float(number) for number in old_digits([words])[0]]
    return {"id": key, "title": f"title {key}", "body": f"body of {key}", "tenant": key % 10, "embedding": vector}


def wrong_rows(connection):
    """Return the keys of the documents whose new vector is not that of their text."""
    rows = connection.execute(select(Document.id, Document.title, Document.body, Document.embedding_v2))
    return [
        key for key, title, body, vector in rows if vector is None or list(vector) != vector_of(text_of(title, body))
    ]
