"""Workers from before a swap of names write nothing into the column that has got the name of theirs."""

from __future__ import annotations

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import ColumnSwitchedError, embedder, embedding_column, refresh
from sqlalchemy_vecsearch.embedding.journal import Reembedding, journal_table, record
from sqlalchemy_vecsearch.embedding.journal_moves import Move, make
from sqlalchemy_vecsearch.embedding.writing import Writer
from tests.db.embedding.conftest import QUICKLY
from tests.db.embedding.embedded_models import digits

OLD, NEW = "digits-8", "digits-8-again"


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]
    embedding: Mapped[list[float] | None] = embedding_column(8, metric="cosine", source=["body"], model=OLD)
    embedding_v2: Mapped[list[float] | None] = embedding_column(8, metric="cosine", source=["body"], model=NEW)


PAIRS = [(f"embedding{end}", f"embedding_v2{end}") for end in ("", "_source_hash", "_model")]


def exchange(connection):
    """Exchange the names and move the job, as op.swap_embedding does."""
    for live, replacement in (*PAIRS, ("embedded_at", "embedding_v2_embedded_at")):
        for old, new in ((live, "vecsearch_swap"), (replacement, live), ("vecsearch_swap", replacement)):
            connection.execute(text(f"ALTER TABLE document RENAME COLUMN {old} TO {new}"))
    make(connection, Move.READY, "j", None)
    make(connection, Move.SWAP, "j", None, mode="rename")


@pytest.fixture
def filled(engine):
    """Give an engine on a database where both columns of six rows are filled, each by its model."""
    embedder(OLD, dimensions=8, batch_size=2)(digits)
    embedder(NEW, dimensions=8, batch_size=2)(lambda texts: -digits(texts))
    Base.metadata.create_all(engine)
    journal_table(Base.metadata, None).create(engine, checkfirst=True)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO document SELECT i, 'text ' || i FROM generate_series(1, 6) i"))
        wished = Reembedding(
            job="j", table_name="document", live="embedding", replacement="embedding_v2", live_number=3,
            replacement_number=7, source=("body",), model=NEW, previous_model=OLD,
        )  # fmt: skip
        record(connection, wished, None)
    for column in (Document.embedding, Document.embedding_v2):
        refresh(engine, column)
    return engine


def vectors(engine):
    with engine.connect() as connection:
        return connection.execute(text("SELECT id, embedding::text, embedding_v2::text FROM document ORDER BY 1")).all()


@pytest.mark.parametrize("column", [Document.embedding, Document.embedding_v2], ids=["live", "replacement"])
def test_a_worker_with_the_models_of_before_is_refused_at_its_start(filled, column):
    with filled.begin() as connection:
        exchange(connection)
    before = vectors(filled)
    with pytest.raises(ColumnSwitchedError) as refusal:
        refresh(filled, column)
    right, wrong = (NEW, OLD) if column is Document.embedding else (OLD, NEW)
    assert str(refusal.value) == (
        f"The column 'document.{column.key}' holds vectors of {right} since the job 'j' has exchanged two columns, and "
        f"this worker embeds by '{wrong}'. It goes by models from before the swap, and would write the vectors of one "
        "model over those of the other. Start it from code that declares the new model, or go on by `vecsearch "
        "reembed`, which follows the column."
    )
    assert vectors(filled) == before


def test_a_worker_that_embeds_while_the_columns_are_exchanged_writes_nothing(filled):
    with filled.begin() as connection:
        connection.execute(update(Document).values(body="edited"))

    @embedder(OLD, dimensions=8, batch_size=2)
    def exchanges(texts):
        with filled.begin() as connection:
            exchange(connection)
        return digits(texts)

    before = vectors(filled)
    with pytest.raises(ColumnSwitchedError):
        refresh(filled, Document.embedding, retry=QUICKLY)
    assert vectors(filled) == [(key, new, old) for key, old, new in before]


def test_after_the_way_back_the_worker_goes_on(filled):
    with filled.begin() as connection:
        exchange(connection)
    with filled.begin() as connection:
        for live, replacement in (*PAIRS, ("embedded_at", "embedding_v2_embedded_at")):
            for old, new in ((live, "vecsearch_swap"), (replacement, live), ("vecsearch_swap", replacement)):
                connection.execute(text(f"ALTER TABLE document RENAME COLUMN {old} TO {new}"))
        make(connection, Move.SWAP_BACK, "j", None)
        connection.execute(text("UPDATE document SET body = 'edited' WHERE id = 1"))
    assert refresh(filled, Document.embedding).written == 1


def test_an_exchange_right_before_the_statement_that_writes_leaves_it_without_a_row(filled, monkeypatch):
    with filled.begin() as connection:
        connection.execute(update(Document).values(body="edited"))
    before, exchanges, target = vectors(filled), iter([exchange]), Writer.target

    def exchanged_after(writer, connection):
        found = target(writer, connection)
        for one in exchanges:
            with filled.begin() as other:
                one(other)
        return found

    monkeypatch.setattr(Writer, "target", exchanged_after)
    with pytest.raises(ColumnSwitchedError):
        refresh(filled, Document.embedding, retry=QUICKLY)
    assert vectors(filled) == [(key, new, old) for key, old, new in before]
