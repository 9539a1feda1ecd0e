"""Every search form over rows of tenants, of which most can be hidden from a search that does not name them."""

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import (
    HNSW,
    IVFFlat,
    Strategy,
    Subvector,
    boosted,
    copy_rows,
    dense,
    embedding_column,
    hybrid,
    max_sim,
    nearest,
    nearest_each,
    nearest_first,
    nearest_per_group,
    page,
    recommend,
    stream,
)

DIMENSIONS, K = 32, 10


class Base(DeclarativeBase):
    pass


def vectors(index, **options):
    return embedding_column(DIMENSIONS, metric="cosine", index=index, nullable=False, **options)


class Chunk(Base):
    __tablename__ = "chunk"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    book: Mapped[int] = mapped_column(index=True)
    embedding: Mapped[list[float]] = vectors(HNSW())
    half: Mapped[list[float]] = vectors(HNSW(), quantize="halfvec")
    bits: Mapped[list[float]] = vectors(HNSW(), quantize="binary")
    part: Mapped[list[float]] = vectors(HNSW(), quantize=Subvector(1, 24))
    lists: Mapped[list[float]] = vectors(IVFFlat(lists=20))


E = Chunk.embedding
# whatever is searched, so that the planner does not know that every row passes
FILTERED = select(Chunk).where(Chunk.id * 1 >= 0)
PLAIN, ITERATIVE = {"strategy": Strategy.PLAIN}, {"strategy": Strategy.ITERATIVE}
STAGES = {"oversample": 120, "stages": [("halfvec", 600)]}
FORMS = {
    "nearest": lambda q, s=Chunk, **o: nearest(s, E, q, k=K, **o),
    "nearest, plain": lambda q, s=Chunk, **o: nearest(s, E, q, k=K, **o or PLAIN),
    "nearest, iterative": lambda q, s=Chunk, **o: nearest(s, E, q, k=K, **o or ITERATIVE),
    "nearest, filtered": lambda q, s=FILTERED, **o: nearest(s, E, q, k=K, **o),
    "nearest, filtered, plain": lambda q, s=FILTERED, **o: nearest(s, E, q, k=K, **o or PLAIN),
    "nearest, filtered, iterative": lambda q, s=FILTERED, **o: nearest(s, E, q, k=K, **o or ITERATIVE),
    "nearest, strict": lambda q, s=Chunk, **o: nearest(s, E, q, k=K, **o or {"strict": True}),
    "nearest, within": lambda q, s=Chunk, **o: nearest(s, E, q, k=K, within=2.0, **o),
    "nearest, after none": lambda q, s=Chunk, **o: nearest(offset_0(s), E, q, k=K, **o),
    "half": lambda q, s=Chunk, **o: nearest(s, Chunk.half, q, k=K, **o),
    "binary": lambda q, s=Chunk, **o: nearest(s, Chunk.bits, q, k=K, **o or {"oversample": 120}),
    "stages": lambda q, s=Chunk, **o: nearest(s, Chunk.bits, q, k=K, **o or STAGES),
    "part": lambda q, s=Chunk, **o: nearest(s, Chunk.part, q, k=K, **o or {"oversample": 60}),
    "lists": lambda q, s=Chunk, **o: nearest(s, Chunk.lists, q, k=K, **o),
    "lists, filtered": lambda q, s=FILTERED, **o: nearest(s, Chunk.lists, q, k=K, **o),
    "nearest_each": lambda q, s=Chunk, **o: nearest_each(s, E, {1: q}, k=K, **o),
    "page": lambda q, s=Chunk, **o: page(s, E, q, number=1, size=K, pool=K, **o),
    "boosted": lambda q, s=Chunk, **o: boosted(s, E, q, boost=0.0, k=K, pool=K, **o),
    "hybrid": lambda q, s=Chunk, **o: hybrid(s, [dense(E, q, **o)], k=K, pool=K),
    "one of each group": lambda q, s=Chunk, **o: nearest_per_group(s, E, q, by=Chunk.id, k=K, **o),
    "some of each group": lambda q, s=Chunk, **o: nearest_per_group(s, E, q, by=Chunk.book, k=4, per_group=2, **o),
    "recommend": lambda q, s=Chunk, **o: recommend(s, E, positive=[list(q)], k=K, **o),
    "best score": lambda q, s=Chunk, **o: recommend(s, E, positive=[list(q)], k=K, strategy="best_score", **o),
    "max_sim": lambda q, s=Chunk, **o: max_sim(s, E, [q], by=Chunk.id, k=K, **o),
    "a stream": lambda q, s=Chunk, **o: nearest_first(s, E, q, **o),
    "a filtered stream": lambda q, s=FILTERED, **o: nearest_first(s, E, q, **o),
}


def offset_0(source):
    return (source if hasattr(source, "add_columns") else select(source)).offset(0)


def keys(session, statement):
    """Return what is found: the numbers of rows, or those of documents; of a stream its first page."""
    session.execute(text("SET LOCAL enable_seqscan = off"))  # the index is used as it is on a large table
    if any("stream" in option for option in statement.get_execution_options()):
        rows = next(pages := stream(session, statement, page_size=K), [])
        pages.close()
    else:
        rows = session.execute(statement).fetchmany(K)
    return [next((value.id for value in row if isinstance(value, Chunk)), row[0]) for row in rows]


def assert_found(session, form, questions, recall=0.95):
    """Assert that a form finds as many rows as there are, of which most are the nearest."""
    hits = wanted = 0
    for question in questions:
        right, got = keys(session, form(question, exact=True)), keys(session, form(question))
        assert len(set(got)) == len(got) == len(right) > 0
        hits, wanted = hits + len(set(got) & set(right)), wanted + len(right)
    assert hits / wanted >= recall


def fill(connection, tenants, arrays):
    """Create the table, load it, and then build its indexes."""
    indexes = [index for index in Chunk.__table__.indexes if "book" not in index.name]
    Base.metadata.create_all(connection)
    for index in indexes:
        index.drop(connection)
    add(connection, np.arange(len(arrays)), tenants, arrays)
    for index in indexes:
        index.create(connection)
    connection.execute(text("ANALYZE chunk"))


def add(connection, numbers, tenants, arrays):
    """Load rows, with the same vector in each column."""
    embeddings = dict.fromkeys(["embedding", "half", "bits", "part", "lists"], arrays.astype("f4"))
    copy_rows(connection, Chunk, {"id": numbers, "tenant": tenants, "book": numbers // 5, **embeddings})
