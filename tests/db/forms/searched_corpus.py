"""The tables that the tests of the search forms share, large enough that the planner prefers their indexes."""

from datetime import UTC, datetime, timedelta

import numpy as np
from pgvector import SparseVector
from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    insert,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from sqlalchemy_vecsearch import HNSW, FullText, FullTextMixin, embedding_column
from tests.db.filling import indexed_afterwards

DIMENSIONS = 16
ARTICLES, CHUNKS_OF_EACH = 2000, 4
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = [
    "amber",
    "birch",
    "cedar",
    "dune",
    "ember",
    "fjord",
    "grove",
    "heath",
    "islet",
    "juniper",
    "kelp",
    "lagoon",
    "marsh",
    "north",
    "oasis",
    "prairie",
]


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Article(FullTextMixin, Base):
    __tablename__ = "article"
    __fulltext__ = FullText("title", language="english")
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship()
    lang: Mapped[str]
    title: Mapped[str]
    published: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    embedding: Mapped[list[float] | None] = embedding_column(DIMENSIONS, metric="cosine", index=HNSW())
    bits: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="cosine", index=HNSW(), quantize="binary")
    sparse: Mapped[object] = embedding_column(100, metric="inner_product", index=HNSW(), storage="sparsevec")


class Chunk(Base):
    __tablename__ = "chunk"
    id: Mapped[int] = mapped_column(primary_key=True)
    article_id: Mapped[int | None] = mapped_column(ForeignKey("article.id"), index=True)
    number: Mapped[int]
    embedding: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="cosine", index=HNSW())


pages = Table(
    "page",
    MetaData(),
    Column("book", String(10), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("chapter", Integer, nullable=False, index=True),
    embedding_column(DIMENSIONS, metric="l2", index=HNSW(), name="embedding", nullable=False).column,
)


def make_vectors():
    """Return the vectors of the articles, in clusters, and of their chunks, near those of their articles."""
    random = np.random.default_rng(5)
    centres = random.normal(size=(60, DIMENSIONS))
    articles = centres[random.integers(0, 60, ARTICLES)] + 0.5 * random.normal(size=(ARTICLES, DIMENSIONS))
    chunks = np.repeat(articles, CHUNKS_OF_EACH, axis=0)
    chunks = chunks + 0.2 * random.normal(size=chunks.shape)
    return articles.astype(np.float32), chunks.astype(np.float32)


def article_rows(articles):
    random = np.random.default_rng(6)
    for number, vector in enumerate(articles):
        places = random.choice(100, size=5, replace=False)
        sparse = {int(place): float(random.uniform(0.1, 1)) for place in places}
        yield {
            "id": number,
            "author_id": number % 10,
            "lang": "en" if number % 2 == 0 else "de",
            "title": " ".join(random.choice(WORDS, size=3)) + f" {number}",
            "published": NOW - timedelta(days=number % 365),
            "embedding": None if number == ARTICLES - 1 else vector.tolist(),
            "bits": vector.tolist(),
            "sparse": SparseVector(sparse, 100),
        }


def chunk_rows(chunks):
    for number, vector in enumerate(chunks):
        article = number // CHUNKS_OF_EACH
        # every hundredth article's chunks belong to none
        yield {
            "id": number,
            "article_id": None if article % 100 == 7 else article,
            "number": number % CHUNKS_OF_EACH,
            "embedding": vector.tolist(),
        }


def page_rows(chunks):
    for number, vector in enumerate(chunks[:4000]):
        yield {
            "book": f"b{number % 3}",
            "number": number,
            "chapter": number // 10,
            "embedding": vector.tolist(),
        }


def build(url):
    """Create and fill the tables."""
    articles, chunks = make_vectors()
    engine = create_engine(url)
    with engine.begin() as connection:
        trigrams = connection.scalar(text("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'"))
        if trigrams:  # some of the servers of tests/matrix.py have pgvector alone
            connection.execute(text("CREATE EXTENSION pg_trgm"))
        Base.metadata.create_all(connection)
        pages.metadata.create_all(connection)
        if trigrams:
            connection.execute(text("CREATE INDEX ix_article_title ON article USING gin (title gin_trgm_ops)"))
        connection.execute(insert(Author), [{"id": number, "name": f"author {number}"} for number in range(10)])
        with indexed_afterwards(connection, Article.__table__, Chunk.__table__, pages):
            connection.execute(insert(Article), list(article_rows(articles)))
            connection.execute(insert(Chunk), list(chunk_rows(chunks)))
            connection.execute(insert(pages), list(page_rows(chunks)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    return articles, chunks


def plan_of(session, statement, *, analyze=False):
    """Return the plan of a statement as it runs, with bound values, as text; analysed, it holds what never ran."""
    option = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) " if analyze else "EXPLAIN (COSTS OFF) "

    def explain(connection, cursor, statement_text, values, context, executemany):
        return option + statement_text, values

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", explain, retval=True)
    try:
        result = connection.execute(statement)
        lines = result.cursor.fetchall()
        result.close()
    finally:
        event.remove(connection, "before_cursor_execute", explain)
    return "\n".join(line for (line,) in lines)
