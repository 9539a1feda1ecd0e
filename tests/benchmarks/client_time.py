"""What a search costs the client: building the statement, and the whole query for entities beside pgvector.sqlalchemy."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pgvector.sqlalchemy as stock
from sqlalchemy import Text, create_engine, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column

from sqlalchemy_vecsearch import (
    HNSW,
    FullText,
    FullTextMixin,
    Subvector,
    Weighted,
    copy_rows,
    dense,
    embedding_column,
    embedding_of,
    fulltext,
    hybrid,
    max_sim,
    nearest,
    nearest_each,
    nearest_per_group,
    page,
    recommend,
    similar_pairs,
)
from tests.benchmarks.corpus import embeddings
from tests.benchmarks.timing import interleaved

BUILDS = 50
SEARCHES = 20
LANGUAGES = ("de", "en")


def measure(url, *, rows, dimensions, rounds):
    """Return the measurements: statements that are built and not sent, and then sent for entities with embeddings."""
    documents = _declare(dimensions)
    found = embeddings(32, dimensions, seed=99)
    forms = _forms(*documents, found)
    measured = _each("building a statement", forms, BUILDS, rounds=rounds, baseline="select(), by hand")
    _fill(url, documents[0], rows, dimensions)
    for driver, filtered in ((driver, filtered) for driver in ("psycopg", "asyncpg") for filtered in (False, True)):
        task = f"10 entities by {driver}{', filtered' if filtered else ''}"
        with asyncio.Runner() as runner:
            run = _sync(url) if driver == "psycopg" else _async(url, runner)
            queries = {name: _asked(run, build, filtered) for name, build in _queries(*documents, found).items()}
            measured += _each(task, queries, SEARCHES, rounds=rounds, baseline="pgvector.sqlalchemy")
            run(None)
    return measured


def _declare(dimensions):
    class Base(DeclarativeBase):
        pass

    class OfStock(DeclarativeBase):
        pass

    class Passage(FullTextMixin, Base):
        __tablename__ = "passage"
        __fulltext__ = FullText("body", language="simple")
        id: Mapped[int] = mapped_column(primary_key=True)
        document_id: Mapped[int] = mapped_column(index=True)
        lang: Mapped[str]
        body: Mapped[str] = mapped_column(Text)
        embedding = embedding_column(dimensions, metric="cosine", index=HNSW(), nullable=False)
        bits = embedding_column(dimensions, metric="cosine", index=HNSW(), quantize="binary", load="deferred")

    class PassageOfStock(OfStock):
        __tablename__ = "passage"
        id: Mapped[int] = mapped_column(primary_key=True)
        document_id: Mapped[int]
        lang: Mapped[str]
        body: Mapped[str] = mapped_column(Text)
        embedding = mapped_column(stock.VECTOR(dimensions), nullable=False)

    return Passage, PassageOfStock


def _forms(passage, _, found):
    query, vectors, column, by = found[0], list(found), passage.embedding, passage.document_id
    source = select(passage).where(passage.lang == "en")
    other = aliased(passage)
    joined = select(passage).join(other, other.document_id == passage.document_id).where(other.lang == "de")
    stages = [(Subvector(1, found.shape[1] // 2), 100), ("halfvec", 50)]
    examples = {"positive": [1, query], "negative": [2]}
    legs = [dense(column, query), fulltext(passage.fts, "amber birch")]
    return {
        "select(), by hand": lambda: select(passage).order_by(column.cosine_distance(query)).limit(10),
        "nearest()": lambda: nearest(passage, column, query, k=10),
        "nearest(), filtered": lambda: nearest(source, column, query, k=10),
        "nearest(), over a join": lambda: nearest(joined, column, query, k=10),
        "nearest(), like a stored row": lambda: nearest(source, column, embedding_of(passage, 7), k=10),
        "nearest(), in stages": lambda: nearest(source, passage.bits, query, k=10, stages=stages),
        "page()": lambda: page(source, column, query, number=2, size=10),
        "nearest_per_group()": lambda: nearest_per_group(source, column, query, by=by, k=10, per_group=3),
        "nearest_each(), 2 vectors": lambda: nearest_each(source, column, dict(enumerate(vectors[:2])), k=10),
        "nearest_each(), 32 vectors": lambda: nearest_each(source, column, dict(enumerate(vectors)), k=10),
        "recommend(), by the average": lambda: recommend(source, column, **examples, k=10),
        "recommend(), over a join": lambda: recommend(joined, column, **examples, k=10),
        "recommend(), by the best score": lambda: recommend(source, column, **examples, k=10, strategy="best_score"),
        "hybrid(), by ranks": lambda: hybrid(source, legs, k=10),
        "hybrid(), by scores": lambda: hybrid(source, legs, k=10, fusion=Weighted()),
        "hybrid(), over a join": lambda: hybrid(joined, legs, k=10),
        "max_sim(), 3 vectors": lambda: max_sim(source, column, vectors[:3], by=by, k=10),
        "max_sim(), 32 vectors": lambda: max_sim(source, column, vectors, by=by, k=10),
        "similar_pairs()": lambda: similar_pairs(source, column, within=0.2),
    }


def _queries(passage, of_stock, found):
    def ours(number, *, filtered):
        source = select(passage).where(passage.lang == "en") if filtered else passage
        return nearest(source, passage.embedding, found[number % len(found)], k=10)

    def by_hand(number, *, filtered):
        distance = of_stock.embedding.cosine_distance(found[number % len(found)])
        source = select(of_stock, distance.label("distance"))
        source = source.where(of_stock.lang == "en") if filtered else source
        return source.order_by(distance).limit(10)

    return {"pgvector.sqlalchemy": by_hand, "nearest()": ours}


def _asked(run, build, filtered):
    numbers = iter(range(1 << 60))
    return lambda: run(build(next(numbers), filtered=filtered))


def _sync(url):
    """Return what sends a statement and reads its rows; None closes it."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    session = Session(engine)

    def run(statement):
        if statement is None:
            session.close()
            return engine.dispose()
        found = session.execute(statement).all()
        session.expunge_all()
        return found

    return run


def _async(url, runner):
    """Return the same by asyncpg."""
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    session = AsyncSession(engine)

    async def search(statement):
        if statement is None:
            await session.close()
            return await engine.dispose()
        found = (await session.execute(statement)).all()
        session.expunge_all()
        return found

    return lambda statement: runner.run(search(statement))


def _fill(url, passage, rows, dimensions):
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    vectors = embeddings(rows, dimensions)
    with engine.connect() as connection:
        passage.metadata.drop_all(connection)
        passage.metadata.create_all(connection)
        columns = {
            "id": np.arange(rows),
            "document_id": np.arange(rows) // 10,
            "lang": [LANGUAGES[number % 2] for number in range(rows)],
            "body": [f"amber birch {number}" for number in range(rows)],
            "embedding": vectors,
        }
        copy_rows(connection, passage.__table__, columns)
        connection.execute(text("VACUUM ANALYZE passage"))
    engine.dispose()


def _each(task, forms, times, *, rounds, baseline):
    """Return what each form takes once, of runs that repeat it."""

    def repeated(run):
        return lambda _: [run() for _ in range(times)]

    runs = {name: repeated(run) for name, run in forms.items()}
    for run in runs.values():
        run(0)
    return [
        replace(
            one,
            seconds=one.seconds / times,
            cpu_seconds=one.cpu_seconds / times,
            rounds=[run / times for run in one.rounds],
        )
        for one in interleaved(task, runs, rounds=rounds, baseline=baseline)
    ]
