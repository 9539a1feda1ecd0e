"""The tables of the unit tests of the search forms, and the whole SQL text of a form."""

from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, String, Table
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import HNSW, FullText, FullTextMixin, embedding_column, vector_index
from tests.statement_text import compact

QUERY = [1.0, 2.0, 3.0]
OTHER = [3.0, 2.0, 1.0]
TEXTS = Path(__file__).parent / "sql"
DIALECT = psycopg.dialect()


class Base(DeclarativeBase):
    pass


class Document(FullTextMixin, Base):
    __tablename__ = "document"
    __fulltext__ = FullText("title", language="english")
    id: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str]
    title: Mapped[str]
    embedding: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW())
    bits: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW(), quantize="binary")
    maybe: Mapped[list[float] | None] = embedding_column(3, metric="l2", index=HNSW())
    sparse: Mapped[object] = embedding_column(
        9, metric="inner_product", index=HNSW(), storage="sparsevec", nullable=False
    )


class Chunk(Base):
    __tablename__ = "chunk"
    id: Mapped[int] = mapped_column(primary_key=True)
    document_id: Mapped[int]
    maybe_id: Mapped[int | None]
    embedding: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW())


class Offer(Base):
    __tablename__ = "offer"
    id: Mapped[int] = mapped_column(primary_key=True)
    shop: Mapped[int]
    embedding: Mapped[list[float]] = embedding_column(3, metric="cosine")


for number in (7, 8):
    vector_index(f"ix_offer_{number}", Offer.embedding, metric="cosine", where=Offer.shop == number)


class Question(Base):
    __tablename__ = "question"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine")


pages = Table(
    "page",
    MetaData(),
    Column("book", String(10), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("chapter", Integer, nullable=False),
    embedding_column(3, metric="l2", index=HNSW(), name="embedding", nullable=False).column,
)


def sql(statement):
    """Return the SQL text with each clause on a line of its own, numbers as they are executed, settings written short."""
    text = str(statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True}))
    return compact("\n".join(line.strip() for line in text.splitlines())) + "\n"


def expected(name):
    """Return the whole text that a form must have."""
    return (TEXTS / f"{name}.sql").read_text(encoding="utf-8")


def cache_key(statement):
    """Return what SQLAlchemy looks the compiled form of a statement up by."""
    key = statement._generate_cache_key()
    assert key is not None, "the statement is compiled anew each time"
    return key.key
