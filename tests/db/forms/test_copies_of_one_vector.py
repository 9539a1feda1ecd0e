"""Many rows with one vector, such as empty texts, hide no rows near them: seen by all, deleted, or rolled back."""

import numpy as np
import pytest
from hidden_forms import DIMENSIONS, FORMS, Chunk, E, K, add, assert_found, fill, keys
from sqlalchemy import create_engine, delete, select, text
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import (
    boosted,
    count_within,
    dense,
    hybrid,
    max_sim,
    nearest,
    nearest_each,
    nearest_first,
    nearest_per_group,
    page,
    recommend,
    similar_pairs,
    stream,
)

DIFFERENT = 2_000
REAL = select(Chunk).where(Chunk.tenant == 1)
SIZES = [360, *(pytest.param(size, marks=pytest.mark.slow) for size in (1_000, 10_000))]
EVERY_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@pytest.fixture(scope="module")
def question():
    """Give a question whose ten nearest rows are among the first 96 by their bits and the first 15 by three quarters.

    What these two leave out of a vector then costs no recall, so that a row which is missing was hidden.
    """
    return np.random.default_rng(377).normal(size=DIMENSIONS).astype("f4")


@pytest.fixture(scope="module", params=SIZES)
def size(request):
    return request.param


@pytest.fixture(scope="module")
def rolled_back(vecsearch_databases, size, question):
    """Give an engine of a table in whose indexes the copies are, though they have never been there for anybody."""
    yield from table_with_copies(vecsearch_databases, size, question, commit=False)


@pytest.fixture(scope="module")
def committed(vecsearch_databases, size, question):
    yield from table_with_copies(vecsearch_databases, size, question, commit=True)


def table_with_copies(databases, size, question, *, commit):
    url = databases.create()
    engine = create_engine(url)
    with engine.begin() as connection:
        different = np.random.default_rng(2).normal(size=(DIFFERENT, DIMENSIONS))
        fill(connection, np.ones(DIFFERENT, int), different)
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE chunk SET (autovacuum_enabled = off)"))
        connection.commit()
        numbers = np.arange(DIFFERENT, DIFFERENT + size)
        add(connection, numbers, np.full(size, 2), np.tile(question, (size, 1)))
        (connection.commit if commit else connection.rollback)()
    yield engine
    engine.dispose()
    databases.drop(url)


@EVERY_FORM
def test_copies_that_were_rolled_back_take_no_rows_away(rolled_back, form, question):
    with Session(rolled_back) as session:
        assert_found(session, form, [question])


@EVERY_FORM
def test_copies_that_were_deleted_take_no_rows_away(committed, form, question):
    with Session(committed) as session:
        session.execute(delete(Chunk).where(Chunk.tenant == 2))  # they stay in the index until VACUUM
        assert_found(session, form, [question])


@EVERY_FORM
def test_copies_that_do_not_pass_take_no_rows_away(committed, form, question):
    with Session(committed) as session:
        assert_found(session, lambda q, **o: form(q, REAL, **o), [question])


@EVERY_FORM
def test_copies_are_found(committed, form, question):
    with Session(committed) as session:
        found = keys(session, form(question))
        assert len(set(found)) == len(found) == len(keys(session, form(question, exact=True)))


MANY = {
    "nearest": lambda s, q, k: nearest(s, E, q, k=k),
    "nearest_each": lambda s, q, k: nearest_each(s, E, {1: q}, k=k),
    "page": lambda s, q, k: page(s, E, q, number=1, size=k, pool=k),
    "boosted": lambda s, q, k: boosted(s, E, q, boost=0.0, k=k, pool=k),
    "hybrid": lambda s, q, k: hybrid(s, [dense(E, q)], k=k, pool=k),
    "one of each group": lambda s, q, k: nearest_per_group(s, E, q, by=Chunk.id, k=k),
    "recommend": lambda s, q, k: recommend(s, E, positive=[list(q)], k=k),
    "best score": lambda s, q, k: recommend(s, E, positive=[list(q)], k=k, strategy="best_score"),
    "max_sim": lambda s, q, k: max_sim(s, E, [q], by=Chunk.id, k=k, candidates=k),
}


@pytest.mark.parametrize("many", MANY.values(), ids=MANY)
def test_more_rows_than_there_are_copies_are_found(committed, many, question, size):
    with Session(committed) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        for source in (Chunk, select(Chunk).where(Chunk.id * 1 >= 0)):
            assert len(session.execute(many(source, question, size + 100)).all()) == size + 100
        assert len(session.execute(many(Chunk, question, 2 * DIFFERENT + size)).all()) == DIFFERENT + size


def test_pairs_of_copies_are_found(committed):
    with Session(committed) as session:
        few = select(Chunk).where(Chunk.id.in_(range(DIFFERENT - 5, DIFFERENT + 5)))
        pairs = session.execute(similar_pairs(few, E, within=0.01)).all()
        assert len(pairs) == 10  # of the five copies among these ten rows


def test_a_count_sees_what_is_hidden_behind_copies(committed, question):
    with Session(committed) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        assert session.scalar(count_within(REAL, E, question, within=2.0, at_most=900)) == 900


def test_all_rows_come_in_a_stream_past_copies(committed, question, size):
    with Session(committed) as session:
        pages = list(stream(session, nearest_first(Chunk, E, question), page_size=500))
        rows = [row for rows in pages for row in rows]
        assert len({chunk.id for chunk, _ in rows}) == len(rows) == DIFFERENT + size
        distances = [distance for _, distance in rows]
        assert distances[:size] == pytest.approx([0.0] * size, abs=1e-6)
        assert {len(rows) for rows in pages[:-1]} == {500}
        assert K < len(pages[-1]) <= 500
