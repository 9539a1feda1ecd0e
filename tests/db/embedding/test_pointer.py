"""Searches that follow a pointer: column and model change together, in the transaction that reads them."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column

from sqlalchemy_vecsearch import (
    VECTOR,
    ReembeddingError,
    SearchError,
    aactive,
    active,
    embed_query,
    embedder,
    embedding_column,
    nearest,
)
from sqlalchemy_vecsearch.embedding.journal import find_reembedding
from sqlalchemy_vecsearch.embedding.journal_moves import Move, make
from tests.db.embedding.embedded_models import digits
from tests.db.embedding.reembedded_models import JOB, NEW, OLD, Document, begun, old_digits


@pytest.fixture
def job(engine):
    """Give an engine on a database with a job that is ready, and the models of both columns."""
    embedder(NEW, dimensions=8)(digits)
    embedder(OLD, dimensions=4)(old_digits)
    begun(engine, rows=5)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE document SET embedding_v2 = '[1,1,1,1,1,1,1,1]', embedding_v2_model = 'digits-8'")
        )
        make(connection, Move.READY, JOB, None)
    return engine


def switch(engine, move=Move.SWAP):
    with engine.begin() as connection:
        make(connection, move, JOB, None, mode="pointer" if move is Move.SWAP else None)


def found(session):
    pair = active(session, Document.embedding)
    rows = session.execute(nearest(Document, pair.column, embed_query(pair.column, "title 3\nbody of 3"), k=2)).all()
    return pair.column.key, pair.model, len(rows)


def test_column_and_model_switch_with_one_update_and_go_back(job):
    with Session(job) as session:
        assert found(session) == ("embedding", OLD, 2)
        session.rollback()
        switch(job)
        assert found(session) == ("embedding_v2", NEW, 2)
        session.rollback()
        switch(job, Move.SWAP_BACK)
        assert found(session) == ("embedding", OLD, 2)
        session.rollback()
        switch(job)
        switch(job, Move.FINISH)
        assert found(session) == ("embedding_v2", NEW, 2)


def test_a_transaction_of_repeatable_read_goes_on_with_what_it_has_seen(job):
    engine = job.execution_options(isolation_level="REPEATABLE READ")
    with Session(engine) as before, Session(engine) as after:
        assert found(before)[0] == "embedding"
        switch(job)
        assert found(after)[0] == "embedding_v2"
        assert found(before)[0] == "embedding"
        before.rollback()
        assert found(before)[0] == "embedding_v2"


def test_pointers_are_followed_in_the_order_in_which_they_were_set(job):
    switch(job)
    with job.begin() as connection:
        first = find_reembedding(connection, JOB, None)
        assert first.mode == "pointer"
        connection.execute(
            text(
                "INSERT INTO vecsearch_reembedding (job, table_name, live, replacement, live_number, replacement_number,"
                " source, digest, model, mode, state, swapped_at) SELECT 'back', table_name, replacement, live, 2, 1,"
                " source, digest, 'digits-4', 'pointer', 'finished', swapped_at + interval '1 hour'"
                " FROM vecsearch_reembedding"
            )
        )
    with Session(job) as session:
        assert found(session) == ("embedding", OLD, 2)


def test_aliases_tables_and_connections_are_answered_in_kind(job):
    switch(job)
    other = aliased(Document)
    documents = Document.__table__
    with job.connect() as connection:
        assert active(connection, documents.c.embedding).column is documents.c.embedding_v2
        assert active(connection, Document.embedding).column is Document.embedding_v2
        pair = active(connection, other.embedding)
        assert pair.column.parent is other.embedding.parent
        assert len(connection.execute(nearest(other, pair.column, [1] * 8, k=3)).all()) == 3


def test_without_a_pointer_or_a_journal_it_is_the_column_itself(engine):
    unnamed = Table("unnamed", MetaData(), Column("id", Integer, primary_key=True), Column("embedding", VECTOR(3)))
    with Session(engine) as session:
        assert (active(session, Document.embedding).column, active(session, Document.embedding).model) == (
            Document.embedding, OLD,
        )  # fmt: skip
        assert active(session, unnamed.c.embedding).model is None


def test_a_rename_is_no_pointer(job):
    with job.begin() as connection:
        make(connection, Move.SWAP, JOB, None, mode="rename")
    with Session(job) as session:
        assert active(session, Document.embedding).column is Document.embedding


class OldBase(DeclarativeBase):
    pass


class OldDocument(OldBase):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float] | None] = embedding_column(4, metric="cosine", model=OLD)


class OtherBase(DeclarativeBase):
    pass


class OtherDocument(OtherBase):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float] | None] = embedding_column(4, metric="cosine", model=OLD)
    embedding_v2: Mapped[list[float] | None] = embedding_column(8, metric="cosine", model="another-8")


def test_a_class_that_does_not_know_the_column_is_told_to_declare_it(job):
    switch(job)
    with Session(job) as session:
        with pytest.raises(ReembeddingError) as refusal:
            active(session, OldDocument.embedding)
        assert str(refusal.value) == (
            "Searches of document.embedding have changed over to 'embedding_v2', which the class OldDocument does not "
            "declare. The journal points there, and a question has to be embedded by the model of that column. Declare "
            "it: embedding_v2 = embedding_column(..., model='digits-8')."
        )
        with pytest.raises(
            ReembeddingError, match="declares the model 'another-8', and its vectors are made by 'digits-8'"
        ):
            active(session, OtherDocument.embedding)


def test_async_sessions_and_connections_have_their_own_form(job, make_engine):
    switch(job)
    engine = make_engine("asyncpg")

    async def pairs():
        async with AsyncSession(engine) as session, engine.connect() as connection:
            with pytest.raises(SearchError, match=r"Write await aactive\(connection, ...\)"):
                active(session, Document.embedding)
            return [await aactive(one, Document.embedding) for one in (session, connection)]

    assert [(pair.column.key, pair.model) for pair in asyncio.run(pairs())] == [("embedding_v2", NEW)] * 2
