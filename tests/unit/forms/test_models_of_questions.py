"""A question of another model is refused by the declaration, in every search that takes one."""

from __future__ import annotations

import pytest
from pgvector import SparseVector
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import (
    ModelError,
    boosted,
    count_within,
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
    sparse,
)


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent: Mapped[int]
    embedding: Mapped[list[float]] = embedding_column(3, metric="cosine", model="minilm-3")
    unnamed: Mapped[list[float]] = embedding_column(3, metric="cosine")
    words: Mapped[object] = embedding_column(100, metric="inner_product", storage="sparsevec", model="splade-100")


QUESTION = [1.0, 0.0, 0.0]
COLUMN = Document.embedding
SEARCHES = {
    "nearest": lambda model: nearest(Document, COLUMN, QUESTION, k=3, model=model),
    "nearest, exact": lambda model: nearest(Document, COLUMN, QUESTION, k=3, model=model, exact=True),
    "nearest_each": lambda model: nearest_each(Document, COLUMN, {1: QUESTION}, k=3, model=model),
    "nearest_first": lambda model: nearest_first(Document, COLUMN, QUESTION, model=model),
    "nearest_per_group": lambda model: nearest_per_group(
        Document, COLUMN, QUESTION, by=Document.parent, k=3, model=model
    ),
    "page": lambda model: page(Document, COLUMN, QUESTION, number=1, size=3, model=model),
    "boosted": lambda model: boosted(Document, COLUMN, QUESTION, boost=Document.id, k=3, model=model),
    "count_within": lambda model: count_within(Document, COLUMN, QUESTION, within=0.5, model=model),
    "max_sim": lambda model: max_sim(Document, COLUMN, [QUESTION], by=Document.parent, k=3, model=model),
    "recommend": lambda model: recommend(Document, COLUMN, positive=[QUESTION], k=3, model=model),
    "hybrid": lambda model: hybrid(Document, [dense(COLUMN, QUESTION, model=model)], k=3),
}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_another_model_is_refused_and_the_declared_one_changes_nothing(search):
    with pytest.raises(ModelError) as refusal:
        search("other-3")
    assert str(refusal.value) == (
        "The column 'document.embedding' holds vectors of the model 'minilm-3', and the question is of the model "
        "'other-3'. Vectors of two models may have the same length and say nothing beside each other: the rows would "
        "be found by chance. Embed the question by the model 'minilm-3', as embed_query() does by itself."
    )
    assert str(search("minilm-3")) == str(search(None))


def test_a_column_that_names_no_model_can_not_tell():
    with pytest.raises(
        ModelError, match=r"'document.unnamed' declares no model, .* embedding_column\(\.\.\., model='a'\)"
    ):
        nearest(Document, Document.unnamed, QUESTION, k=3, model="a")


def test_a_sparse_leg_knows_its_model():
    sparse(Document.words, SparseVector({0: 1.0}, 100), model="splade-100")
    with pytest.raises(ModelError, match="of the model 'splade-100', and the question is of the model 'bm25'"):
        sparse(Document.words, SparseVector({0: 1.0}, 100), model="bm25")
