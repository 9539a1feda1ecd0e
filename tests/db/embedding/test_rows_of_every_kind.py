"""The worker on tables whose keys, names, storages and sources are of other kinds."""

from __future__ import annotations

import asyncio
import enum
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest
from pgvector import Bit, SparseVector
from sqlalchemy import DateTime, ForeignKey, Numeric, column, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import arefresh, census, embedder, embedding_column, refresh
from sqlalchemy_vecsearch.embedding.claims import Claims
from sqlalchemy_vecsearch.embedding.declared import embedded_column

ROWS = 9


class Base(DeclarativeBase):
    pass


class Kind(enum.Enum):
    A = "a"
    B = "b"


class Free(Base):
    """Its names are those that the worker's statements could use for their own parts."""

    __tablename__ = "free"
    __table_args__ = {"schema": "Odd Schema"}  # noqa: RUF012  # SQLAlchemy's form
    key_0: Mapped[date] = mapped_column(primary_key=True)
    number: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(primary_key=True)
    table: Mapped[str]
    made: Mapped[str]
    vector: Mapped[str]
    read_hash: Mapped[str]
    row_key: Mapped[str]
    given: Mapped[str] = mapped_column("Given 5% Text")
    vectors: Mapped[list[float] | None] = embedding_column(3, metric="l2", source=["Given 5% Text"], model="three")


class Given(Base):
    __tablename__ = "given"
    id: Mapped[Decimal] = mapped_column(Numeric(10, 2), primary_key=True)
    made: Mapped[str]
    sparse: Mapped[object | None] = embedding_column(
        5, metric="l2", storage="sparsevec", source=func.btrim(column("made")), model="sparse"
    )
    bits: Mapped[object | None] = embedding_column(
        8, metric="hamming", storage="bit", source=text("lower(made)"), model="bits"
    )


class Animal(Base):
    __tablename__ = "animal"
    id: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "type"}  # noqa: RUF012  # SQLAlchemy's form


class Dog(Animal):
    __tablename__ = "dog"
    id: Mapped[int] = mapped_column(ForeignKey("animal.id"), primary_key=True)
    bark: Mapped[str]
    embedding: Mapped[list[float] | None] = embedding_column(3, metric="l2", source="bark", model="three")
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012  # SQLAlchemy's form


class Part(Base):
    __tablename__ = "part"
    __table_args__ = {"postgresql_partition_by": "LIST (tenant)"}  # noqa: RUF012  # SQLAlchemy's form
    tenant: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]
    embedding: Mapped[list[float] | None] = embedding_column(
        3, metric="l2", storage="halfvec", source=["body"], model="three"
    )


class Moment(Base):
    __tablename__ = "moment"
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    raw: Mapped[bytes] = mapped_column(primary_key=True)
    body: Mapped[str]
    embedding: Mapped[list[float] | None] = embedding_column(3, metric="l2", source=["body"], model="three")


START = datetime(2026, 1, 31, 22, tzinfo=UTC)
COLUMNS = [Free.vectors, Given.sparse, Given.bits, Dog.embedding, Part.embedding, Moment.embedding]
LENGTHS = {
    "three": lambda words: [float(len(words)), 1.0, 2.0],
    "sparse": lambda words: SparseVector({1: float(len(words))}, 5),
    "bits": lambda words: np.unpackbits(np.array([len(words)], dtype=np.uint8)).astype(bool),
}
READ = {
    "three": lambda vector: float(np.asarray(vector.to_list() if hasattr(vector, "to_list") else vector)[0]),
    "sparse": lambda vector: vector.to_list()[1],
    "bits": lambda vector: int(Bit(vector).to_text(), 2),
}


def rows():
    for number in range(ROWS):
        words = "x" * (number + 1)
        names = dict.fromkeys(("table", "made", "vector", "read_hash", "row_key"), "kept")
        yield Free(key_0=START.date(), number=UUID(int=number), kind=list(Kind)[number % 2], given=words, **names)
        yield Given(id=Decimal(number), made=f"{words} ")
        yield Dog(bark=words)
        yield Part(tenant=number % 2, id=number, body=words)
        yield Moment(at=START + timedelta(hours=number), raw=bytes([number]), body=words)


@pytest.fixture
def filled(engine):
    """Give an engine on a database with all tables filled, and the models of their columns registered."""
    for model, length in LENGTHS.items():
        dimensions = {"three": 3, "sparse": 5, "bits": 8}[model]
        embedder(model, dimensions=dimensions, batch_size=4)(lambda texts, made=length: [made(one) for one in texts])
    with engine.begin() as connection:
        connection.execute(text('CREATE SCHEMA "Odd Schema"'))
        Base.metadata.create_all(connection)
        for tenant in (0, 1):
            connection.execute(text(f"CREATE TABLE part_{tenant} PARTITION OF part FOR VALUES IN ({tenant})"))
    with Session(engine) as session:
        session.add_all(rows())
        session.commit()
    return engine


async def refresh_all(engine):
    return [await arefresh(engine, one, workers=2) for one in COLUMNS]


@pytest.mark.parametrize("driver", ["psycopg", "pg8000", "asyncpg"])
def test_rows_of_every_kind_are_embedded(make_engine, filled, driver):
    engine = make_engine(driver)
    if driver == "asyncpg":
        done = asyncio.run(refresh_all(engine))
    else:
        done = [refresh(engine, one, workers=2) for one in COLUMNS]
    assert [one.written for one in done] == [ROWS] * len(COLUMNS)
    assert {(one.edited, one.locked, one.refused) for one in done} == {(0, 0, 0)}
    with Session(filled) as session:
        for one in COLUMNS:
            (model,) = census(session, one).by_model
            spaces = int(one is Given.bits)  # lower() keeps the space that btrim() takes
            vectors = sorted(READ[model](vector) for vector in session.scalars(select(one)))
            assert vectors == [number + 1 + spaces for number in range(ROWS)]
            assert census(session, one).pending == 0
        for row in session.scalars(select(Free)):
            assert {row.table, row.made, row.vector, row.read_hash, row.row_key} == {"kept"}


def test_a_key_is_claimed_once_by_sessions_of_other_settings(filled, make_engine):
    found = embedded_column(Moment.embedding)
    one, other = (Claims(found, number, timedelta(minutes=5)) for number in (1, 2))
    with filled.connect() as here, make_engine("psycopg").connect() as there:
        for connection, claims, settings in (
            (here, one, "SET TimeZone = 'UTC'; SET bytea_output = 'hex'"),
            (there, other, "SET TimeZone = 'Asia/Tokyo'; SET bytea_output = 'escape'"),
        ):
            for setting in settings.split("; "):
                connection.execute(text(setting))
            claims.come_alive(connection)
            connection.commit()
        assert len(one.claim(here, one.find(here, after=None, size=ROWS))) == ROWS
        here.commit()
        assert other.claim(there, other.find(there, after=None, size=ROWS)) == []
