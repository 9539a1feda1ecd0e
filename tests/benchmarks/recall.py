"""Rows returned and recall of each search form under filters, for each kind of index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import (
    HNSW,
    IVFFlat,
    copy_rows,
    dense,
    embedding_column,
    hybrid,
    nearest,
    nearest_each,
    nearest_per_group,
    page,
    recommend,
)
from tests.benchmarks.corpus import embeddings

K = 10
INDEXES = {
    "HNSW": {"index": HNSW()},
    "IVFFlat": {"index": IVFFlat(lists=100)},
    "halfvec": {"index": HNSW(), "quantize": "halfvec"},
    "binary": {"index": HNSW(), "quantize": "binary"},
}
FILTERS = ("none", "50%", "10%", "1%", "0.1%", "correlated 2%")


@dataclass(frozen=True, slots=True)
class Recall:
    """What one form returned.

    Attributes:
        index: the kind of index.
        filtered: the share of the rows that pass.
        form: the helper.
        returned: rows returned, of those that exist, up to k: 1.0 is all of them.
        recall: the share of the exact answer that was found.
    """

    index: str
    filtered: str
    form: str
    returned: float
    recall: float


def measure(url, *, rows, dimensions, queries):
    """Yield a row of the table for each index, filter and form."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    vectors = embeddings(rows, dimensions)
    found = embeddings(queries, dimensions, seed=99)
    for name, options in INDEXES.items():
        with engine.connect() as connection:
            entity = _fill(connection, vectors, dimensions, options)
            for filtered in FILTERS:
                for form, run in _forms(connection, entity).items():
                    yield _recall(run, name, filtered, form, _source(entity, filtered), found)
    engine.dispose()


def _recall(run, index, filtered, form, source, found):
    returned, recalls = [], []
    for query in found:
        wanted, got = run(source, query, True), run(source, query, False)  # noqa: FBT003  # exact or not
        returned.append(len(got) / len(wanted) if wanted else 1.0)
        recalls.append(len(set(got) & set(wanted)) / len(wanted) if wanted else 1.0)
    return Recall(index, filtered, form, float(np.mean(returned)), float(np.mean(recalls)))


def _forms(connection, entity):
    column = entity.embedding

    def ids(statement):
        return [row.id for row in connection.execute(statement)]

    def grouped(source, query, exact):
        statement = nearest_per_group(source, column, query, by=entity.document_id, k=K, exact=exact)
        return [row.document_id for row in connection.execute(statement)]

    def fused(source, query, exact):
        if exact:
            return ids(nearest(source, column, query, k=K, exact=True))
        return ids(hybrid(source, [dense(column, query)], k=K))

    return {
        "nearest": lambda source, query, exact: ids(nearest(source, column, query, k=K, exact=exact)),
        "nearest_per_group": grouped,
        "nearest_each": lambda source, query, exact: ids(nearest_each(source, column, {1: query}, k=K, exact=exact)),
        "recommend": lambda source, query, exact: ids(
            recommend(source, column, positive=[query, 1], negative=[2], k=K, exact=exact)
        ),
        "page 2": lambda source, query, exact: ids(page(source, column, query, number=2, size=K, pool=50, exact=exact)),
        "hybrid, one leg": fused,
    }


def _source(entity, filtered):
    statement = select(entity.id, entity.document_id)
    if filtered == "none":
        return statement
    if filtered.startswith("correlated"):
        return statement.where(entity.topic == 0)
    return statement.where(entity.share < float(filtered.rstrip("%")) * 10)


def _fill(connection, vectors, dimensions, options):
    class Base(DeclarativeBase):
        pass

    class Passage(Base):
        __tablename__ = "recalled"
        id: Mapped[int] = mapped_column(primary_key=True)
        document_id: Mapped[int] = mapped_column(index=True)
        share: Mapped[int]
        topic: Mapped[int]
        embedding = embedding_column(dimensions, metric="cosine", nullable=False, **options)

    rows = len(vectors)
    random = np.random.default_rng(4)
    # a topic is the fiftieth of the rows that lie farthest along one direction, which few queries point to
    along = vectors @ random.standard_normal(dimensions).astype(np.float32)
    topic = np.argsort(np.argsort(-along)) * 50 // rows
    table = Passage.__table__
    connection.execute(text("DROP TABLE IF EXISTS recalled"))
    connection.execute(text("SET maintenance_work_mem = '1GB'"))
    indexes = list(table.indexes)
    table.indexes.clear()
    table.create(connection)
    columns = {
        "id": np.arange(rows),
        "document_id": np.arange(rows) // 5,
        "share": random.permutation(rows) % 1000,
        "topic": topic,
    }
    copy_rows(connection, table, columns | {"embedding": vectors})
    for index in indexes:
        table.indexes.add(index)
        index.create(connection)
    connection.execute(text("VACUUM ANALYZE recalled"))
    return Passage
