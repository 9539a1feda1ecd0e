"""A vector that is assigned in the request brings its provenance, which is the server's own hash of the text."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Text, TypeDecorator, func, select, text
from sqlalchemy import column as named
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, Session, mapped_column
from sqlmodel import Field, SQLModel

from sqlalchemy_vecsearch import embed, embedding_column, source_hash, stale
from tests.db.embedding.embedded_models import DIMENSIONS, MODEL, Document, text_of, vector_of

ONES = [1.0] * DIMENSIONS


class Upper(TypeDecorator):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else value.upper()


class Base(DeclarativeBase):
    pass


class Odd(Base):
    """An object whose texts are not what the attributes say: numbers, decorated types, an expression, defaults."""

    __tablename__ = "odd"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(default=7)
    loud: Mapped[str | None] = mapped_column(Upper)
    by_columns: Mapped[list[float] | None] = embedding_column(
        DIMENSIONS, metric="cosine", source=["number", "loud"], model=MODEL
    )
    by_expression: Mapped[list[float] | None] = embedding_column(
        DIMENSIONS, metric="cosine", source=func.lower(named("loud")), model=MODEL
    )


class Bound(Base):
    __tablename__ = "bound"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    loud: Mapped[str] = mapped_column(Upper)
    embedding: Mapped[list[float] | None] = embedding_column(
        DIMENSIONS, metric="cosine", source=["number", "loud"], model=MODEL
    )


class Folded(Base):
    __tablename__ = "folded"
    id: Mapped[int] = mapped_column(primary_key=True)
    loud: Mapped[str | None]
    embedding: Mapped[list[float] | None] = embedding_column(
        DIMENSIONS, metric="cosine", source=text("lower(loud)"), model=MODEL
    )


class DataBase(MappedAsDataclass, DeclarativeBase):
    pass


class Data(DataBase):
    __tablename__ = "data"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float] | None] = embedding_column(
        DIMENSIONS, metric="cosine", source=["body"], model=MODEL, default=None
    )
    body: Mapped[str] = mapped_column(default="")
    embedding_source_hash: Mapped[str | None] = mapped_column(default=None)


class Item(SQLModel, table=True):
    __tablename__ = "assigned_item"
    id: int | None = Field(default=None, primary_key=True)
    body: str
    embedding: list[float] | None = Field(
        default=None,
        sa_column=embedding_column(
            DIMENSIONS, metric="cosine", source=["body"], model=MODEL, name="embedding", nullable=True
        ).column,
    )


@pytest.fixture
def session(tables):
    Base.metadata.create_all(tables)
    DataBase.metadata.create_all(tables)
    SQLModel.metadata.create_all(tables, tables=[Item.__table__])
    with Session(tables) as session:
        yield session


def pending(session, column):
    session.flush()
    return [row.id for row in session.scalars(stale(column))]


@pytest.mark.parametrize("body", ["körper", None, ""])
def test_an_assignment_brings_hash_model_and_time(session, calls, body):
    document = Document(id=1, title="title ☃", body=body)
    document.embedding = embed(Document.embedding, text_of(document.title, document.body))
    assert (document.embedding_model, document.embedded_at.tzinfo is not None) == (MODEL, True)
    session.add(document)
    assert pending(session, Document.embedding) == []
    assert session.scalar(select(source_hash(Document.embedding))) == document.embedding_source_hash
    session.commit()
    assert document.embedding == vector_of(text_of("title ☃", body))

    document.title = "another"
    assert pending(session, Document.embedding) == [1]
    document.embedding = ONES
    assert pending(session, Document.embedding) == []


def test_the_hash_is_that_of_the_text_at_the_time_of_the_assignment(session):
    document = Document(id=1, title="first", body="b", embedding=ONES)
    document.title = "second"
    session.add(document)
    assert pending(session, Document.embedding) == [1]


def test_constructors_may_name_the_vector_before_the_text(session):
    session.add_all([Document(id=1, embedding=ONES, title="t", body="b"), Data(id=1, embedding=ONES, body="b")])
    assert pending(session, Document.embedding) == []
    assert pending(session, Data.embedding) == []


def test_a_vector_that_goes_takes_its_provenance_along(session):
    document = Document(id=1, title="t", body="b", embedding=ONES)
    session.add(document)
    session.flush()
    document.embedding = None
    assert pending(session, Document.embedding) == [1]
    assert (document.embedding_source_hash, document.embedding_model, document.embedded_at) == (None, None, None)


def test_a_vector_of_the_servers_is_of_an_unknown_text(session):
    document = Document(id=1, title="t", body="b", embedding=ONES)
    session.add(document)
    session.flush()
    document.embedding = select(Document.embedding).where(Document.id == 1).scalar_subquery()
    assert pending(session, Document.embedding) == [1]


def test_expired_objects_are_hashed_by_the_server(session):
    session.add(Document(id=1, title="t", body="b"))
    session.commit()
    document = session.get(Document, 1)
    session.expire(document, ["title", "body"])
    document.embedding = ONES
    assert "title" not in document.__dict__, "nothing was loaded for it"
    assert pending(session, Document.embedding) == []


@pytest.mark.parametrize("loud", ["Words", None])
def test_types_that_change_values_and_expressions_are_hashed_by_the_server(session, loud):
    session.add(Bound(id=1, number=3, loud="Words", embedding=ONES))
    assert pending(session, Bound.embedding) == []
    odd = Odd(id=1, number=3, loud=loud, by_columns=ONES, by_expression=ONES)
    session.add(odd)
    session.flush()
    assert session.scalars(stale(Odd.by_columns)).all() == []
    assert session.scalars(stale(Odd.by_expression)).all() == ([] if loud else [odd])
    odd.loud, odd.by_columns, odd.by_expression = "other", ONES, ONES
    assert pending(session, Odd.by_columns) == pending(session, Odd.by_expression) == []


def test_a_source_of_plain_sql_is_hashed_in_its_row(session):
    row = Folded(loud="First", embedding=ONES)
    session.add(row)
    assert pending(session, Folded.embedding) == []
    hashed = select(source_hash(Folded.embedding)).select_from(Folded)
    assert session.scalar(hashed) == row.embedding_source_hash
    assert not session.dirty
    row.loud = "FIRST"
    assert pending(session, Folded.embedding) == []
    row.loud = "second"
    assert pending(session, Folded.embedding) == [row.id]
    row.embedding = ONES
    assert pending(session, Folded.embedding) == []
    assert row.embedding_model == MODEL
    row.embedding = None
    assert pending(session, Folded.embedding) == [row.id]
    assert (row.embedding_source_hash, row.embedding_model) == (None, None)
    session.commit()


def test_a_default_that_is_not_known_yet_leaves_the_row_pending(session):
    session.add(Odd(id=1, loud="x", by_columns=ONES))
    assert pending(session, Odd.by_columns) == [1]


def test_sqlmodel_objects_bring_it_too(session):
    item = Item(id=1, body="b")
    item.embedding = ONES
    session.add(item)
    assert pending(session, Item.embedding) == []


def test_loading_sets_nothing(session):
    session.add(Document(id=1, title="t", body="b"))
    session.commit()
    session.execute(text("UPDATE document SET embedding = '[1,1,1,1,1,1,1,1]', embedding_model = 'old'"))
    document = session.scalars(select(Document)).one()
    session.refresh(document)
    assert document.embedding_model == "old"
    assert not session.dirty


def test_an_async_session_needs_no_hidden_loading(make_engine, tables):
    async def add():
        async with AsyncSession(make_engine("asyncpg"), expire_on_commit=False) as session:
            document = Document(id=1, title="t", body="b")
            session.add(document)
            await session.commit()
            document.embedding = ONES
            await session.commit()
            return document.embedding_model, (await session.scalars(stale(Document.embedding))).all()

    assert asyncio.run(add()) == (MODEL, [])
