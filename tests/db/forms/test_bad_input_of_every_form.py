"""Input that has no ordinary answer: what each form returns, or why it refuses, is defined."""

import numpy as np
import pytest
from every_form import FORMS
from pgvector import HalfVector, SparseVector, Vector
from scipy.sparse import coo_array
from situations import DIMENSIONS, PARENTS, ROWS, SITUATIONS, Item, Situation, plain
from sqlalchemy import create_engine, delete, func, literal, null, select, text, update
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import (
    SearchError,
    boosted,
    count_within,
    dense,
    distance,
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
    similarity,
)

QUERY = np.random.default_rng(12).normal(size=DIMENSIONS).astype(np.float32).tolist()
ZERO = [0.0] * DIMENSIONS
COLUMN, PARENT = Item.embedding, Item.parent_id
MANY = 1_000


@pytest.fixture
def session(situations_url):
    engine = create_engine(situations_url)
    with Session(engine) as session:
        yield session
    engine.dispose()


MORE_THAN_THERE_ARE = {
    "nearest": (lambda: nearest(Item, COLUMN, QUERY, k=MANY), ROWS),
    "nearest, filtered": (lambda: nearest(select(Item).where(Item.number < 50), COLUMN, QUERY, k=MANY), 50),
    "in two stages": (lambda: nearest(Item, Item.bits, QUERY, k=MANY), ROWS),
    "like a stored row": (lambda: nearest(Item, COLUMN, embedding_of(Item, 7), k=MANY), ROWS - 1),
    "one of each group": (lambda: nearest_per_group(Item, COLUMN, QUERY, by=PARENT, k=MANY), PARENTS),
    "some of each group": (lambda: nearest_per_group(Item, COLUMN, QUERY, by=PARENT, k=MANY, per_group=9), ROWS),
    "a batch": (lambda: nearest_each(Item, COLUMN, {1: QUERY, 2: QUERY}, k=MANY), 2 * ROWS),
    "an average": (lambda: recommend(Item, COLUMN, positive=[1], negative=[2], k=MANY), ROWS - 2),
    "the best score": (lambda: recommend(Item, COLUMN, positive=[1], k=MANY, strategy="best_score"), ROWS - 1),
    "hybrid": (lambda: hybrid(Item, [dense(COLUMN, QUERY)], k=MANY), ROWS),
    "a page": (lambda: page(Item, COLUMN, QUERY, number=1, size=MANY, pool=MANY), ROWS),
    "nearest first": (lambda: nearest_first(Item, COLUMN, QUERY), ROWS),
    "boosted": (lambda: boosted(Item, COLUMN, QUERY, boost=null(), k=MANY), ROWS),
    "pairs": (lambda: similar_pairs(Item, COLUMN, within=2, k=MANY), ROWS * (ROWS - 1) // 2),
    "late interaction": (lambda: max_sim(Item, COLUMN, [QUERY], by=PARENT, k=MANY), PARENTS),
}


@pytest.mark.parametrize("form", MORE_THAN_THERE_ARE)
def test_more_rows_than_there_are_come_back_all(session, form):
    made, rows = MORE_THAN_THERE_ARE[form]
    assert len(session.execute(made()).all()) == rows


def test_a_count_up_to_more_rows_than_there_are_counts_all(session):
    assert session.scalar(count_within(Item, COLUMN, QUERY, within=2, at_most=MANY)) == ROWS


@pytest.mark.parametrize("form", FORMS)
def test_a_filter_that_matches_nothing_finds_nothing(session, form):
    nobody = Situation(select(Item).where(Item.lang == "none"))
    rows = session.execute(FORMS[form](nobody)).all()
    assert rows == ([(0,)] if form == "a count" else [])


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_table_holds_nothing(session, form):
    session.execute(delete(plain))
    rows = session.execute(FORMS[form](SITUATIONS["a Core table"])).all()
    assert rows == ([(0,)] if form == "a count" else [])


GROUPING = {
    "one of each group": lambda by: nearest_per_group(Item, COLUMN, QUERY, by=by, k=MANY),
    "some of each group": lambda by: nearest_per_group(Item, COLUMN, QUERY, by=by, k=MANY, per_group=2),
    "groups, exact": lambda by: nearest_per_group(Item, COLUMN, QUERY, by=by, k=MANY, exact=True),
    "late interaction": lambda by: max_sim(Item, COLUMN, [QUERY], by=by, k=MANY),
}


@pytest.mark.parametrize("form", GROUPING)
def test_rows_whose_group_is_null_belong_to_none(session, form):
    group = func.nullif(PARENT, 3)
    whole = session.execute(GROUPING[form](PARENT)).all()
    left = session.execute(GROUPING[form](group)).all()
    per_group = 2 if form == "some of each group" else 1
    assert len(whole) - len(left) == per_group


BY_COSINE = {
    "nearest": lambda query: nearest(Item, COLUMN, query, k=5),
    "nearest, exact": lambda query: nearest(Item, COLUMN, query, k=5, exact=True),
    "in two stages": lambda query: nearest(Item, Item.bits, query, k=5),
    "groups": lambda query: nearest_per_group(Item, COLUMN, query, by=PARENT, k=5),
    "a batch": lambda query: nearest_each(Item, COLUMN, {1: QUERY, 2: query}, k=5),
    "an average": lambda query: recommend(Item, COLUMN, positive=[query], k=5),
    "hybrid": lambda query: hybrid(Item, [dense(COLUMN, query), fulltext(Item.fts, "a", language="simple")], k=5),
    "a page": lambda query: page(Item, COLUMN, query, number=1, size=5),
    "nearest first": lambda query: nearest_first(Item, COLUMN, query),
    "boosted": lambda query: boosted(Item, COLUMN, query, boost=PARENT, k=5),
    "a count": lambda query: count_within(Item, COLUMN, query, within=0.5),
    "late interaction": lambda query: max_sim(Item, COLUMN, [QUERY, query], by=PARENT, k=5),
    "distance()": lambda query: distance(COLUMN, query),
    "similarity()": lambda query: similarity(COLUMN, query),
}


@pytest.mark.parametrize("form", BY_COSINE)
def test_a_zero_vector_is_no_query_for_cosine(form):
    with pytest.raises(SearchError) as raised:
        BY_COSINE[form](ZERO)
    name = "bits" if form == "in two stages" else "embedding"
    assert str(raised.value) == (
        f"The query for 'item.{name}' is a zero vector. "
        "Cosine compares directions and a zero vector has none, so every distance would be NaN and the rows those that "
        "come first. "
        "Pass the embedding of something, or search by another metric."
    )


@pytest.mark.parametrize("query", [tuple(ZERO), np.zeros(DIMENSIONS), np.zeros(DIMENSIONS, np.float32), Vector(ZERO)])
def test_a_zero_vector_is_known_in_every_form_of_a_dense_vector(query):
    with pytest.raises(SearchError, match="is a zero vector"):
        nearest(Item, COLUMN, query, k=5)


@pytest.mark.parametrize(
    ("storage", "query"),
    [
        ("halfvec", HalfVector(ZERO)),
        ("sparsevec", SparseVector({}, DIMENSIONS)),
        ("sparsevec", coo_array((1, DIMENSIONS))),
    ],
)
def test_a_zero_vector_is_known_in_every_storage(storage, query):
    column = embedding_column(DIMENSIONS, metric="cosine", storage=storage, name="v").column
    with pytest.raises(SearchError, match="is a zero vector"):
        distance(column, query)


def test_a_zero_vector_is_a_query_like_any_other_for_other_metrics(session):
    rows = session.execute(nearest(Item, COLUMN, ZERO, k=5, metric="l2", exact=True)).all()
    assert rows[0].distance == pytest.approx(min(np.linalg.norm(row.Item.embedding) for row in rows))


STORED = {
    "like a stored row": lambda: nearest(Item, COLUMN, embedding_of(Item, 7), k=5),
    "like a stored row, exact": lambda: nearest(Item, COLUMN, embedding_of(Item, 7), k=5, exact=True),
    "a batch of stored rows": lambda: nearest_each(
        Item, COLUMN, select(Item.number, Item.embedding).where(Item.number == 7), k=5
    ),
    "an average": lambda: recommend(Item, COLUMN, positive=[7], k=5),
    "the best score": lambda: recommend(Item, COLUMN, positive=[7], k=5, strategy="best_score"),
}


@pytest.mark.parametrize("form", STORED)
def test_a_stored_zero_vector_is_like_nothing_by_cosine(session, form):
    assert len(session.execute(STORED[form]()).all()) == 5
    session.execute(update(Item).where(Item.number == 7).values(embedding=ZERO))
    assert session.execute(STORED[form]()).all() == []


def test_a_row_that_holds_a_zero_vector_comes_last_where_every_row_is_wanted(session):
    session.execute(update(Item).where(Item.number == 7).values(embedding=ZERO))
    session.execute(text("SET LOCAL enable_seqscan = off"))
    session.execute(text("SET LOCAL enable_sort = off"))
    for exact in (False, True):  # no index holds the row, so that the rows of the index alone are too few
        found = session.execute(nearest(Item, COLUMN, QUERY, k=MANY, exact=exact)).all()
        assert (len(found), found[-1].Item.number) == (ROWS, 7)
        assert np.isnan(found[-1].distance)


def test_a_query_expression_that_is_null_orders_by_nothing(session):
    rows = session.execute(nearest(Item, COLUMN, literal(None, COLUMN.type), k=5, exact=True)).all()
    assert {row.distance for row in rows} == {None}


@pytest.mark.parametrize("words", ["", "   ", "the", "-", '"', "no-such-word"])
def test_a_text_that_finds_nothing_leaves_the_rows_of_the_other_legs(session, words):
    legs = [dense(COLUMN, QUERY), fulltext(Item.fts, words, language="english")]
    rows = session.execute(hybrid(Item, legs, k=5)).all()
    assert [row.dense_rank for row in rows] == [1, 2, 3, 4, 5]
    assert {row.fulltext_rank for row in rows} == {None}
