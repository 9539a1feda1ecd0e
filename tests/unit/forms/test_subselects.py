import pytest
from form_models import OTHER, QUERY, Chunk, Document, Offer, cache_key, sql
from sqlalchemy import select, union_all

from sqlalchemy_vecsearch import (
    boosted,
    count_within,
    dense,
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

GERMAN = select(Document).where(Document.lang == "de")

FORMS = {
    "nearest": lambda: nearest(GERMAN, Document.embedding, QUERY, k=10),
    "nearest_over_bits": lambda: nearest(Document, Document.bits, QUERY, k=10),
    "nearest_over_parts": lambda: nearest(select(Offer).where(Offer.shop.in_([7, 8])), Offer.embedding, QUERY, k=10),
    "nearest_per_group": lambda: nearest_per_group(Chunk, Chunk.embedding, QUERY, by=Chunk.document_id, k=10),
    "nearest_per_group_3": lambda: nearest_per_group(
        Chunk, Chunk.embedding, QUERY, by=Chunk.document_id, k=10, per_group=3
    ),
    "nearest_each": lambda: nearest_each(GERMAN, Document.embedding, {1: QUERY, 2: OTHER}, k=5),
    "recommend": lambda: recommend(Document, Document.embedding, positive=[1, QUERY], negative=[7], k=10),
    "recommend_best_score": lambda: recommend(
        Document, Document.embedding, positive=[1, QUERY], negative=[7], k=10, strategy="best_score"
    ),
    "hybrid": lambda: hybrid(
        GERMAN,
        [dense(Document.embedding, QUERY), dense(Document.bits, QUERY, name="b"), fulltext(Document.fts, "a")],
        k=9,
    ),
    "similar_pairs": lambda: similar_pairs(Document, Document.embedding, within=0.1),
    "count_within": lambda: count_within(Document, Document.bits, QUERY, within=0.1),
    "page": lambda: page(GERMAN, Document.embedding, QUERY, number=2, size=20),
    "boosted": lambda: boosted(GERMAN, Document.embedding, QUERY, boost=Document.id, k=10),
    "max_sim": lambda: max_sim(Chunk, Chunk.embedding, [QUERY, OTHER], by=Chunk.document_id, k=10),
}
EVERY_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


@EVERY_FORM
def test_a_form_has_the_same_text_and_key_however_often_it_is_built(form):
    built = [form() for _ in range(20)]
    assert len({sql(statement) for statement in built}) == 1
    assert len({cache_key(statement) for statement in built}) == 1


@EVERY_FORM
def test_two_searches_fit_into_one_statement(form):
    one, other = form().subquery(), form().subquery()
    text = sql(union_all(select(one), select(other)))
    assert text.count("AS MATERIALIZED") == 2 * sql(form()).count("AS MATERIALIZED")


@EVERY_FORM
def test_every_sub_select_has_a_name_that_says_what_it_holds(form):
    assert "anon_" not in sql(form())


def test_a_leg_is_called_as_in_its_columns_whatever_that_is():
    text = sql(hybrid(Document, [dense(Document.embedding, QUERY, name="50% (new)")], k=10))
    assert text.startswith('WITH "50_new__1" AS MATERIALIZED')


@EVERY_FORM
def test_no_form_takes_a_way_to_the_rows_from_the_planner(form):
    assert "enable_" not in sql(form())
