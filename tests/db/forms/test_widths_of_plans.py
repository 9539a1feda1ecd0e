"""No step of any form's plan that keeps rows keeps their vectors: a sort of a million of them would fill the disk."""

import numpy as np
import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from steps_of_plans import plan_of

from sqlalchemy_vecsearch import (
    HNSW,
    Strategy,
    boosted,
    copy_rows,
    count_within,
    dense,
    embedding_column,
    embedding_of,
    fulltext,
    hybrid,
    max_sim,
    nearest,
    nearest_each,
    nearest_first,
    nearest_per_group,
    page,
    recommend,
    similar_pairs,
)
from tests.db.filling import indexed_afterwards

ROWS, DIMENSIONS, WIDEST = 1_000, 200, 200  # two vectors of 200 dimensions stay in the row, where its width is seen
KEPT = {"Sort", "Incremental Sort", "WindowAgg", "Materialize"}


class Base(DeclarativeBase):
    pass


class Token(Base):
    __tablename__ = "wide_token"
    id: Mapped[int] = mapped_column(primary_key=True)
    book: Mapped[int] = mapped_column(index=True)
    words: Mapped[str] = mapped_column(TSVECTOR)
    embedding: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="cosine", index=HNSW())
    body: Mapped[str]
    bits: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="cosine", index=HNSW(), quantize="binary")


E = Token.embedding
Q, OTHER = np.random.default_rng(4).normal(size=(2, DIMENSIONS)).astype("f4")


def forms_of(every):
    """Return what makes each form, by its name, of the rows that a Select gives."""
    few = every.where(Token.book < 20)
    told = few.order_by(Token.book.desc(), Token.id)
    return {
        "nearest": lambda **o: nearest(every, E, Q, k=10, **o),
        "nearest, filtered": lambda **o: nearest(few, E, Q, k=10, **o),
        "nearest, iterative": lambda **o: nearest(few, E, Q, k=10, **o or {"strategy": Strategy.ITERATIVE}),
        "nearest, plain": lambda **o: nearest(few, E, Q, k=10, **o or {"strategy": Strategy.PLAIN}),
        "in two stages": lambda **o: nearest(few, Token.bits, Q, k=10, **o),
        "in several stages": lambda **o: nearest(
            few, Token.bits, Q, k=10, **o or {"oversample": 20, "stages": [("halfvec", 50)]}
        ),
        "nearest, then by a column": lambda **o: nearest(told, E, Q, k=10, **o),
        "nearest, within, after some": lambda **o: nearest(told.offset(3), E, Q, k=10, within=1.2, **o),
        "like a stored row": lambda **o: nearest(every, E, embedding_of(Token, 7), k=10, **o),
        "a batch": lambda **o: nearest_each(few, E, {1: Q, 2: OTHER}, k=10, **o),
        "a batch, then by a column": lambda **o: nearest_each(told, E, {1: Q, 2: OTHER}, k=10, **o),
        "a batch of rows": lambda **o: nearest_each(every, E, select(Token.id, E).where(Token.id < 5), k=10, **o),
        "one of each group": lambda **o: nearest_per_group(every, E, Q, by=Token.book, k=10, **o),
        "some of each group": lambda **o: nearest_per_group(few, E, Q, by=Token.book, k=4, per_group=2, **o),
        "an average": lambda **o: recommend(every, E, positive=[1, list(Q)], negative=[7], k=10, **o),
        "the best score": lambda **o: recommend(every, E, positive=[1, list(Q)], k=10, strategy="best_score", **o),
        "the best score, of both kinds": lambda **o: recommend(
            told, E, positive=[1, list(Q)], negative=[list(OTHER)], k=10, strategy="best_score", **o
        ),
        "hybrid": lambda **o: hybrid(few, [dense(E, Q, **o), fulltext(Token.words, "amber", language="english")], k=10),
        "a page": lambda **o: page(every, E, Q, number=2, size=7, pool=50, **o),
        "a page, then by a column": lambda **o: page(told, E, Q, number=2, size=7, pool=50, **o),
        "groups, then by a column": lambda **o: nearest_per_group(told, E, Q, by=Token.book, k=4, **o),
        "nearest first": lambda **o: nearest_first(few, E, Q, **o),
        "boosted": lambda **o: boosted(every, E, Q, boost=Token.book * 0.01, k=10, pool=50, **o),
        "boosted, then by a column": lambda **o: boosted(told, E, Q, boost=Token.book * 0.01, k=10, **o),
        "a count": lambda **o: count_within(few, E, Q, within=0.8, **o),
        "pairs": lambda **o: similar_pairs(every, E, within=1.0, k=3, **o),
        "the first pairs": lambda **o: similar_pairs(few, E, within=1.0, k=3, **o).limit(5),
        "late interaction": lambda **o: max_sim(Token, E, [Q, OTHER], by=Token.book, k=5, **o),
    }


FORMS = forms_of(select(Token.id))
WHOLE = forms_of(select(Token))
# a scan in the order of the index, or all rows sorted, one by one as they are asked for
SORTED_WHOLE = {"nearest first"}


@pytest.fixture(scope="module")
def url(vecsearch_databases):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    vectors = np.random.default_rng(1).normal(size=(ROWS, DIMENSIONS)).astype("f4")
    numbers = np.arange(ROWS)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        words = ["amber" if number % 7 else "cedar" for number in numbers]
        rows = {
            "id": numbers,
            "book": numbers // 10,
            "words": words,
            "embedding": vectors,
            "bits": vectors,
            "body": ["word " * 80] * ROWS,
        }
        with indexed_afterwards(connection, Token.__table__):
            copy_rows(connection, Token, rows)
        connection.execute(text("ANALYZE wide_token"))
    engine.dispose()
    yield url
    vecsearch_databases.drop(url)


@pytest.fixture
def session(url):
    engine = create_engine(url)
    with Session(engine) as session:
        yield session
    engine.dispose()


def wide_steps(session, statement):
    steps = plan_of(session, statement, analyze=False)
    return [(step["Node Type"], step["Plan Width"]) for step in steps if wide(step)]


def wide(step):
    return step["Node Type"] in KEPT and step["Plan Width"] > WIDEST


@pytest.mark.parametrize("exact", [False, True], ids=["by the index", "exact"])
@pytest.mark.parametrize("seqscan", ["on", "off"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_a_plan_keeps_of_a_row_is_narrow(session, form, seqscan, exact):
    session.execute(text(f"SET LOCAL enable_seqscan = {seqscan}"))
    assert wide_steps(session, form(**{"exact": True} if exact else {})) == []


@pytest.mark.parametrize("seqscan", ["on", "off"])
@pytest.mark.parametrize("exact", [False, True], ids=["by the index", "exact"])
@pytest.mark.parametrize("name", [name for name in WHOLE if name not in SORTED_WHOLE])
def test_whole_rows_are_fetched_in_the_order_of_a_narrow_sort(session, name, seqscan, exact):
    session.execute(text(f"SET LOCAL enable_seqscan = {seqscan}"))
    assert wide_steps(session, WHOLE[name](**{"exact": True} if exact else {})) == []


def test_a_sort_of_vectors_is_seen(session):
    ((step, width),) = wide_steps(session, select(Token.id, E).order_by(Token.body))
    assert (step, width > 4 * DIMENSIONS) == ("Sort", True)
