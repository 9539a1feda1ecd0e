"""What a search costs beside the driver alone, and the composed searches beside what they are composed of."""

from __future__ import annotations

import numpy as np
import psycopg
from pgvector import Vector
from pgvector.psycopg import register_vector
from sqlalchemy import Text, create_engine, func, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import (
    FullText,
    FullTextMixin,
    dense,
    embedding_column,
    fulltext,
    hybrid,
    nearest,
    nearest_each,
    nearest_per_group,
    vector_index,
)
from sqlalchemy_vecsearch.settings import DEFAULT_EF_SEARCH
from tests.benchmarks.corpus import embeddings
from tests.benchmarks.timing import interleaved

BATCH = 50
PASSAGES_OF_EACH = 10
WORDS = 5000


def measure(url, *, rows, dimensions, queries):
    """Return the measurements; the table is filled and indexed first."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    passage = _declare(dimensions)
    found = embeddings(queries + BATCH, dimensions, seed=99)
    raw = psycopg.connect(
        engine.url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    )
    with engine.connect() as connection, engine.connect() as by_hand, raw:
        _fill(connection, passage, rows, dimensions)
        tasks = {
            "10 ids, built anew": (_searching(raw, by_hand, connection, passage, found), "prepared psycopg"),
            "hybrid": (_hybrid(connection, passage, found), "both legs, each alone"),
            f"batch of {BATCH}": (_batch(connection, passage, found), f"{BATCH} single statements"),
            "groups": (_groups(connection, passage, found), "10 rows"),
        }
        measured = []
        for task, (forms, baseline) in tasks.items():
            for run in forms.values():
                for number in range(5):
                    run(number)
            measured += interleaved(task, forms, rounds=queries, baseline=baseline)
    engine.dispose()
    return measured


def _declare(dimensions):
    class Base(DeclarativeBase):
        pass

    class Passage(FullTextMixin, Base):
        __tablename__ = "passage"
        __fulltext__ = FullText("body", language="simple")
        id: Mapped[int] = mapped_column(primary_key=True)
        document_id: Mapped[int] = mapped_column(index=True)
        body: Mapped[str] = mapped_column(Text)
        embedding = embedding_column(dimensions, metric="cosine", nullable=False)

    return Passage


def _fill(connection, passage, rows, dimensions):
    random = np.random.default_rng(3)
    # word n is n times rarer than the first, as words are
    likelihood = 1 / np.arange(1, WORDS + 1)
    numbers = random.choice(WORDS, size=(rows, 30), p=likelihood / likelihood.sum())
    vectors = embeddings(rows, dimensions)
    passage.metadata.drop_all(connection)
    passage.metadata.create_all(connection)
    for start in range(0, rows, 5000):
        connection.execute(
            insert(passage),
            [
                {
                    "id": number,
                    "document_id": number // PASSAGES_OF_EACH,
                    "body": " ".join(f"w{word}" for word in numbers[number]),
                    "embedding": vectors[number],
                }
                for number in range(start, min(start + 5000, rows))
            ],
        )
    connection.execute(text("SET maintenance_work_mem = '1GB'"))
    vector_index("ix_passage_embedding", passage.embedding, metric="cosine").create(connection)
    connection.execute(text("VACUUM ANALYZE passage"))


def _searching(raw, by_hand, connection, passage, found):
    """Return searches with one ef_search: what SQLAlchemy and the settings in the statement add to the driver's time."""
    register_vector(raw)
    setting = f"SET hnsw.ef_search = {DEFAULT_EF_SEARCH}"
    raw.execute(setting)
    by_hand.execute(text(setting))
    table = passage.__table__

    def prepared(number):
        statement = "SELECT id FROM passage ORDER BY embedding <=> %b LIMIT 10"
        with raw.cursor(binary=True) as cursor:
            return cursor.execute(statement, (Vector(found[number]),), prepare=True).fetchall()

    def anew(source):
        def run(number):
            return connection.execute(nearest(source, table.c.embedding, found[number], k=10)).all()

        return run

    return {
        "prepared psycopg": prepared,
        "Core by hand, built anew": lambda number: by_hand.execute(_by_hand(passage, found[number])).all(),
        "nearest(), built anew": anew(select(table.c.id)),
    }


def _by_hand(passage, query):
    table = passage.__table__
    return select(table.c.id).order_by(table.c.embedding.cosine_distance(query)).limit(10)


def _hybrid(connection, passage, found):
    def words(number):
        return f"w{40 + number % 50} w{90 + number % 50}"

    def near(number):
        return connection.execute(nearest(select(passage.id), passage.embedding, found[number], k=50)).all()

    def matching(number):
        query = func.websearch_to_tsquery("simple", words(number))
        score = func.ts_rank_cd(passage.fts, query).label("score")
        statement = select(passage.id, score).where(passage.fts.op("@@")(query))
        return connection.execute(statement.order_by(score.desc(), passage.id).limit(50)).all()

    def both(number):
        return near(number), matching(number)

    def fused(number):
        legs = [dense(passage.embedding, found[number]), fulltext(passage.fts, words(number))]
        return connection.execute(hybrid(select(passage.id), legs, k=10)).all()

    return {"both legs, each alone": both, "vectors alone": near, "words alone": matching, "hybrid": fused}


def _batch(connection, passage, found):
    def singles(number):
        return [
            connection.execute(nearest(select(passage.id), passage.embedding, vector, k=10)).all()
            for vector in found[number : number + BATCH]
        ]

    def together(number):
        queries = dict(enumerate(found[number : number + BATCH]))
        return connection.execute(nearest_each(select(passage.id), passage.embedding, queries, k=10)).all()

    return {f"{BATCH} single statements": singles, "one statement": together}


def _groups(connection, passage, found):
    def plain(number):
        return connection.execute(nearest(select(passage.id), passage.embedding, found[number], k=10)).all()

    def grouped(per_group):
        def run(number):
            statement = nearest_per_group(
                select(passage.id), passage.embedding, found[number], by=passage.document_id, k=10, per_group=per_group
            )
            return connection.execute(statement).all()

        return run

    return {"10 rows": plain, "best row of 10 groups": grouped(1), "best 3 rows of 10 groups": grouped(3)}
