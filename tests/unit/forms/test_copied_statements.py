"""A statement that is copied with other values in it searches with these, in every one of its levels."""

import pytest
from form_models import DIALECT, OTHER, QUERY, Chunk, Document, sql
from sqlalchemy import BindParameter, bindparam, exists, select, union_all
from sqlalchemy.orm import aliased
from sqlalchemy.sql.visitors import cloned_traverse, replacement_traverse

from sqlalchemy_vecsearch import (
    boosted,
    count_within,
    dense,
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

LEAST = bindparam("least", 1)
ROWS = select(Document).where(Document.id > LEAST)
CHUNKS = select(Chunk).where(Chunk.id > LEAST)
OTHER_NAME = aliased(Document)

FORMS = {
    "nearest": lambda: nearest(ROWS, Document.embedding, QUERY, k=3),
    "nearest, exact": lambda: nearest(ROWS, Document.embedding, QUERY, k=3, exact=True),
    "nearest, within": lambda: nearest(ROWS.order_by(Document.title), Document.embedding, QUERY, k=3, within=0.5),
    "of an alias": lambda: nearest(select(OTHER_NAME).where(OTHER_NAME.id > LEAST), OTHER_NAME.embedding, QUERY, k=3),
    "by a vector under a name": lambda: nearest(ROWS, Document.embedding, bindparam("asked", QUERY), k=3),
    "like a stored row": lambda: nearest(ROWS, Document.embedding, embedding_of(Document, 7), k=3),
    "in stages": lambda: nearest(ROWS, Document.bits, QUERY, k=3, stages=[("halfvec", 9)]),
    "a batch": lambda: nearest_each(ROWS, Document.embedding, {1: QUERY, 2: OTHER}, k=3),
    "a batch of rows": lambda: nearest_each(
        ROWS, Document.embedding, select(Document.id, Document.embedding).where(Document.id < LEAST), k=3
    ),
    "one of each group": lambda: nearest_per_group(CHUNKS, Chunk.embedding, QUERY, by=Chunk.document_id, k=3),
    "some of each group": lambda: nearest_per_group(
        CHUNKS, Chunk.embedding, QUERY, by=Chunk.document_id, k=3, per_group=2
    ),
    "an average": lambda: recommend(ROWS, Document.embedding, positive=[1, QUERY], negative=[7], k=3),
    "the best score": lambda: recommend(
        ROWS, Document.embedding, positive=[1, QUERY], negative=[7], k=3, strategy="best_score"
    ),
    "hybrid": lambda: hybrid(ROWS, [dense(Document.embedding, QUERY), fulltext(Document.fts, "amber")], k=3),
    "a page": lambda: page(ROWS, Document.embedding, QUERY, number=2, size=7),
    "nearest first": lambda: nearest_first(ROWS, Document.embedding, QUERY),
    "boosted": lambda: boosted(ROWS, Document.embedding, QUERY, boost=Document.id, k=3),
    "pairs": lambda: similar_pairs(ROWS, Document.embedding, within=0.2),
    "a count": lambda: count_within(ROWS, Document.embedding, QUERY, within=0.8),
    "late interaction": lambda: max_sim(CHUNKS, Chunk.embedding, [QUERY, OTHER], by=Chunk.document_id, k=3),
}
EVERY_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def by_params(statement):
    return statement.params(least=20)


def by_a_clone(statement):
    def visit(parameter):
        if parameter.key == "least":
            parameter.value = 20

    return cloned_traverse(statement, {"maintain_key": True}, {"bindparam": visit})


def by_a_replacement(statement):
    def replaced(element, **_):
        if isinstance(element, BindParameter) and element.key == "least":
            return bindparam("least", 20)
        return None

    return replacement_traverse(statement, {}, replaced)


COPIES = {"params": by_params, "a clone": by_a_clone, "a replacement": by_a_replacement}
EVERY_COPY = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)

SURROUNDINGS = {
    "alone": lambda statement: statement,
    "as a sub-select": lambda statement: select(statement.subquery()),
    "after WITH": lambda statement: select(statement.cte("found")),
    "in EXISTS": lambda statement: select(exists(statement)),
    "in a union": lambda statement: union_all(select(statement.subquery()), select(statement.subquery())),
    "with options of the execution": lambda statement: statement.execution_options(stream_results=True),
}


def values_of(statement):
    return statement.compile(dialect=DIALECT).params


@EVERY_COPY
@EVERY_FORM
def test_a_copy_of_a_search_has_its_own_values_and_the_search_keeps_its_own(form, copied):
    statement = form()
    text = sql(statement)  # built before it is copied
    copy = copied(statement)
    assert values_of(copy)["least"] == 20
    assert values_of(statement)["least"] == 1
    assert sql(copy) == sql(statement) == text


@EVERY_FORM
def test_a_search_that_was_never_compiled_is_copied_as_well(form):
    copy = by_params(form())
    assert values_of(copy)["least"] == 20
    assert sql(copy) == sql(form())


@EVERY_COPY
@pytest.mark.parametrize("surrounded", SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_a_copy_of_what_a_search_is_part_of_has_its_own_values(surrounded, copied):
    statement = surrounded(FORMS["nearest"]())
    copy = copied(statement)
    assert values_of(copy)["least"] == 20
    assert sql(copy) == sql(statement)


@EVERY_FORM
def test_two_copies_of_a_search_share_what_is_compiled(form):
    first, second = by_params(form()), by_params(form())
    assert first._generate_cache_key().key == second._generate_cache_key().key


def test_a_vector_under_a_name_is_replaced():
    copy = FORMS["by a vector under a name"]().params(asked=OTHER)
    assert values_of(copy)["asked"] == OTHER
