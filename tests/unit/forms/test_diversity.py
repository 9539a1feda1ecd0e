from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pytest
from form_models import Chunk, Document

from sqlalchemy_vecsearch import SearchError, diversify


class Hit(NamedTuple):
    Chunk: Any
    distance: float


class DocumentHit(NamedTuple):
    Document: Any
    distance: float


class Columns(NamedTuple):
    id: int
    embedding: Any
    distance: float


class Numbers(NamedTuple):
    id: int
    distance: float


class Alone(NamedTuple):
    Chunk: Any


# the query lies on the first axis; 1 and 2 are twins, 3 is a little farther and elsewhere
VECTORS = {1: [1.0, 0.1, 0.0], 2: [1.0, 0.11, 0.0], 3: [1.0, 0.0, 0.4], 4: [0.0, 1.0, 0.0]}


def cosine(vector):
    return 1 - vector[0] / float(np.linalg.norm(vector))


def hits(vectors=VECTORS):
    return [Hit(Chunk(id=number, embedding=vector), cosine(vector)) for number, vector in vectors.items()]


def ids(rows):
    return [row.Chunk.id for row in rows]


def test_a_twin_of_a_chosen_row_gives_way():
    assert ids(diversify(hits(), 2)) == [1, 3]
    assert ids(diversify(hits(), 2, relevance=0.9)) == [1, 2]


def test_the_order_of_the_choice_is_kept():
    assert ids(diversify(hits(), 4)) == [1, 3, 2, 4]


def test_relevance_is_any_finite_number():
    assert ids(diversify(hits(), 2, relevance=Decimal("0.9"))) == ids(diversify(hits(), 2, relevance=0.9))


def test_all_relevance_keeps_the_order_of_the_search():
    assert ids(diversify(hits(), 4, relevance=1)) == [1, 2, 3, 4]


def test_no_relevance_is_not_taken_for_the_default():
    assert ids(diversify(hits(), 4, relevance=0)) == [1, 4, 3, 2]


def test_fewer_rows_than_asked_are_all_returned():
    assert ids(diversify(hits(), 50))[0] == 1
    assert len(diversify(hits(), 50)) == 4
    assert diversify([], 3) == []


def test_the_choice_is_that_of_a_plain_loop():
    random = np.random.default_rng(3)
    vectors = {number: random.normal(size=3).tolist() for number in range(1, 31)}
    rows = sorted(hits(vectors), key=lambda row: row.distance)
    unit = np.array([row.Chunk.embedding for row in rows])
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    near, alike = unit[:, 0], unit @ unit.T
    chosen = [0]
    while len(chosen) < 10:
        left = [place for place in range(len(rows)) if place not in chosen]
        chosen.append(max(left, key=lambda place: 0.6 * near[place] - 0.4 * max(alike[place][c] for c in chosen)))
    assert diversify(rows, 10, relevance=0.6) == [rows[place] for place in chosen]


def test_rows_of_columns_need_no_entity():
    rows = [Columns(number, vector, cosine(vector)) for number, vector in VECTORS.items()]
    assert [row.id for row in diversify(rows, 2, column=Chunk.__table__.c.embedding)] == [1, 3]


@pytest.mark.parametrize(
    ("metric", "distances"), [("l2", [0.1, 0.11, 0.4]), ("inner_product", [-1, -1, -1]), ("l1", [0.1, 0.11, 0.4])]
)
def test_other_metrics_compare_rows_by_themselves(metric, distances):
    rows = [Hit(Chunk(id=n, embedding=VECTORS[n]), d) for n, d in zip([1, 2, 3], distances, strict=True)]
    assert len(diversify(rows, 3, metric=metric)) == 3


def test_a_zero_vector_is_like_nothing():
    rows = [*hits(), Hit(Chunk(id=5, embedding=[0.0, 0.0, 0.0]), 1.0)]
    assert sorted(ids(diversify(rows, 5))) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("relevance", [-0.1, 1.1, float("nan"), "0.5", None, Decimal("sNaN")])
def test_relevance_lies_between_0_and_1(relevance):
    with pytest.raises(SearchError) as raised:
        diversify(hits(), 2, relevance=relevance)
    assert str(raised.value) == (
        f"relevance={relevance!r} is out of range. "
        "It weighs nearness to the query against difference from the rows chosen before, from 0 to 1. "
        "Choose a number in that range; 0.5 weighs them equally."
    )


def test_one_embedding_column_of_several_is_named():
    rows = [DocumentHit(Document(id=1), 0.5)]
    with pytest.raises(SearchError) as raised:
        diversify(rows, 2)
    assert str(raised.value) == (
        "The rows to choose from have 4 embedding columns. "
        "Rows are compared with each other by the vectors of one column. "
        "Name it: diversify(rows, k, column=Document.embedding)."
    )


def test_rows_without_an_embedding_are_refused():
    with pytest.raises(SearchError) as raised:
        diversify([Numbers(1, 0.5)], 2, column=Chunk.embedding)
    assert str(raised.value) == (
        "The rows to choose from hold no embedding of 'chunk.embedding'. "
        "Rows are compared with each other by their vectors. "
        "Search for the entity, or add the embedding column to the select."
    )


def test_a_row_whose_embedding_is_null_is_refused():
    with pytest.raises(SearchError, match=r"^A row to choose from has no embedding in 'chunk\.embedding'\."):
        diversify([Hit(Chunk(id=1, embedding=None), 0.5)], 2)


def test_rows_without_a_distance_are_refused():
    with pytest.raises(SearchError) as raised:
        diversify([Alone(Chunk(id=1, embedding=[1, 2, 3]))], 2)
    assert str(raised.value) == (
        "The rows to choose from have no distance. "
        "How near a row is to the query is read from the column 'distance', or from the last one. "
        "Pass the rows of nearest(), or of another search that adds the distance."
    )
