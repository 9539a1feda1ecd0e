"""A form is compiled once for all vectors, limits and settings, and once for each metric."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from pgvector import Vector
from situations import DIMENSIONS, Item
from sqlalchemy import bindparam, create_engine, func, select
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import (
    RRF,
    Subvector,
    Weighted,
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
    recency,
    recommend,
    search_settings,
    similar_pairs,
    stream,
)

VECTORS = np.random.default_rng(1).normal(size=(3, DIMENSIONS)).astype(np.float32)
FIRST = VECTORS[0].tolist()
COLUMN, BITS = Item.embedding, Item.bits
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def of_lang(lang):
    return select(Item).where(Item.lang == lang)


def fused(query, words, k, **options):
    return hybrid(Item, [dense(COLUMN, query), fulltext(Item.fts, words, language="english")], k=k, **options)


def recent(query, days, **options):
    fresh = recency(func.to_timestamp(Item.number), half_life=timedelta(days=days), **options)
    return boosted(Item, COLUMN, query, boost=fresh, k=days, pool=days * 10)


SAME = {
    "nearest, another vector": [
        lambda: nearest(Item, COLUMN, FIRST, k=10),
        lambda: nearest(Item, COLUMN, tuple(FIRST), k=10),
        lambda: nearest(Item, COLUMN, VECTORS[1], k=10),
        lambda: nearest(Item, COLUMN, VECTORS[1].astype(np.float64), k=10),
        lambda: nearest(Item, COLUMN, Vector(VECTORS[2]), k=10),
    ],
    "nearest, another limit": [
        lambda: nearest(Item, COLUMN, FIRST, k=1),
        lambda: nearest(Item, COLUMN, FIRST, k=1000),
        lambda: nearest(Item, COLUMN, FIRST, k=np.int64(7)),
    ],
    "nearest, another setting": [
        lambda: nearest(of_lang("en"), COLUMN, FIRST, k=5, ef_search=50, max_scan_tuples=99),
        lambda: nearest(of_lang("de"), COLUMN, FIRST, k=5, ef_search=900, max_scan_tuples=9_999),
    ],
    "nearest, another filter and offset": [
        lambda: nearest(of_lang("en").offset(3), COLUMN, FIRST, k=5),
        lambda: nearest(of_lang("de").offset(8), COLUMN, VECTORS[1], k=50),
    ],
    "nearest, another distance": [
        lambda: nearest(Item, COLUMN, FIRST, k=5, within=1),
        lambda: nearest(Item, COLUMN, FIRST, k=5, within=0.5),
        lambda: nearest(Item, COLUMN, FIRST, k=5, within=np.float32(0.25)),
    ],
    "nearest, exact": [
        lambda: nearest(Item, COLUMN, FIRST, k=5, within=1, exact=True),
        lambda: nearest(Item, COLUMN, VECTORS[1], k=50, within=0.5, exact=True),
    ],
    "nearest, in two stages": [
        lambda: nearest(Item, BITS, FIRST, k=5, within=1),
        lambda: nearest(Item, BITS, VECTORS[1], k=50, within=0.5),
        lambda: nearest(Item, BITS, VECTORS[1], k=50, within=0.5, oversample=3),
    ],
    "nearest, in several stages": [
        lambda: nearest(Item, BITS, FIRST, k=5, stages=[(Subvector(1, 4), 60), ("halfvec", 10)]),
        lambda: nearest(Item, BITS, VECTORS[1], k=9, stages=[(Subvector(1, 4), 90), ("halfvec", np.int64(20))]),
    ],
    "like a stored row": [
        lambda: nearest(Item, COLUMN, embedding_of(Item, 3), k=5),
        lambda: nearest(Item, COLUMN, embedding_of(Item, np.int64(4)), k=50),
    ],
    "groups": [
        lambda: nearest_per_group(Item, COLUMN, FIRST, by=Item.parent_id, k=3),
        lambda: nearest_per_group(Item, COLUMN, VECTORS[1], by=Item.parent_id, k=8, oversample=3),
    ],
    "several of each group": [
        lambda: nearest_per_group(Item, COLUMN, FIRST, by=Item.parent_id, k=3, per_group=2),
        lambda: nearest_per_group(Item, COLUMN, VECTORS[1], by=Item.parent_id, k=8, per_group=3),
    ],
    "a batch": [
        lambda: nearest_each(Item, COLUMN, {1: FIRST}, k=3, within=1),
        lambda: nearest_each(Item, COLUMN, {1: FIRST, 2: VECTORS[1], 3: VECTORS[2]}, k=30, within=0.5),
        lambda: nearest_each(Item, COLUMN, {}, k=30, within=0.5),
    ],
    "an average": [
        lambda: recommend(Item, COLUMN, positive=[1], negative=[2], k=3),
        lambda: recommend(Item, COLUMN, positive=[1, 4, 5], negative=[2, 6], k=30),
    ],
    "the best score": [
        lambda: recommend(Item, COLUMN, positive=[FIRST], negative=[2], k=3, strategy="best_score"),
        lambda: recommend(Item, COLUMN, positive=[*VECTORS], negative=[2, 3], k=30, strategy="best_score"),
    ],
    "hybrid, by ranks": [
        lambda: fused(FIRST, "amber", 3),
        lambda: fused(VECTORS[1], "birch dune", 30, fusion=RRF(10, {"dense": 2}), pool=70),
        lambda: fused(VECTORS[1], "", 30, fusion=RRF(0.5, {"fulltext": 0.25})),
    ],
    "hybrid, by scores": [
        lambda: fused(FIRST, "amber", 3, fusion=Weighted()),
        lambda: fused(VECTORS[1], "birch dune", 30, fusion=Weighted({"dense": 2})),
    ],
    "a page": [
        lambda: page(Item, COLUMN, FIRST, number=1, size=3),
        lambda: page(Item, COLUMN, VECTORS[1], number=4, size=9, pool=80),
    ],
    "boosted": [
        lambda: recent(FIRST, 1, now=NOW),
        lambda: recent(VECTORS[1], 7, now=NOW + timedelta(days=1), weight=2),
    ],
    "pairs": [
        lambda: similar_pairs(Item, COLUMN, within=1),
        lambda: similar_pairs(Item, COLUMN, within=0.25, k=3),
    ],
    "a count": [
        lambda: count_within(Item, COLUMN, FIRST, within=1),
        lambda: count_within(Item, COLUMN, VECTORS[1], within=0.25, at_most=7),
    ],
    "late interaction": [
        lambda: max_sim(Item, COLUMN, [FIRST], by=Item.parent_id, k=2),
        lambda: max_sim(Item, COLUMN, list(VECTORS), by=Item.parent_id, k=7, candidates=9),
    ],
    "nearest first": [
        lambda: nearest_first(Item, COLUMN, FIRST),
        lambda: nearest_first(Item, COLUMN, VECTORS[1]),
    ],
}
METRICS = {
    "nearest": lambda metric: nearest(Item, COLUMN, FIRST, k=5, metric=metric, exact=True),
    "within": lambda metric: nearest(Item, COLUMN, FIRST, k=5, within=1, metric=metric, exact=True),
    "groups": lambda metric: nearest_per_group(Item, COLUMN, FIRST, by=Item.parent_id, k=3, metric=metric, exact=True),
    "a batch": lambda metric: nearest_each(Item, COLUMN, {1: FIRST}, k=3, metric=metric, exact=True),
    "an average": lambda metric: recommend(Item, COLUMN, positive=[1], k=3, metric=metric, exact=True),
    "the best score": lambda metric: recommend(
        Item, COLUMN, positive=[1], k=3, strategy="best_score", metric=metric, exact=True
    ),
    "hybrid": lambda metric: hybrid(Item, [dense(COLUMN, FIRST, metric=metric, exact=True)], k=3),
    "a page": lambda metric: page(Item, COLUMN, FIRST, number=1, size=3, metric=metric, exact=True),
    "boosted": lambda metric: boosted(Item, COLUMN, FIRST, boost=Item.number, k=3, metric=metric, exact=True),
    "pairs": lambda metric: similar_pairs(Item, COLUMN, within=1, metric=metric, exact=True),
    "a count": lambda metric: count_within(Item, COLUMN, FIRST, within=1, metric=metric, exact=True),
    "late interaction": lambda metric: max_sim(
        Item, COLUMN, [FIRST], by=Item.parent_id, k=2, metric=metric, exact=True
    ),
    "nearest first": lambda metric: nearest_first(Item, COLUMN, FIRST, metric=metric, exact=True),
}


@pytest.fixture
def session(situations_url):
    engine = create_engine(situations_url)
    with Session(engine) as session:
        session.execute(select(1))
        yield session
    engine.dispose()


def entries(session):
    return len(session.get_bind()._compiled_cache)


@pytest.mark.parametrize("form", SAME)
def test_other_vectors_limits_and_settings_make_no_new_entry(session, form):
    first, *others = SAME[form]
    before = entries(session)
    session.execute(first()).all()
    assert entries(session) == before + 1
    for other in others:
        found = session.execute(other()).all()
        assert entries(session) == before + 1
        assert found == session.execute(other(), execution_options={"compiled_cache": None}).all()


@pytest.mark.parametrize("form", METRICS)
def test_every_metric_makes_an_entry_of_its_own(session, form):
    before = entries(session)
    for number, metric in enumerate(("cosine", "l2", "inner_product", "l1"), start=1):
        session.execute(METRICS[form](metric)).all()
        assert entries(session) == before + number


def test_the_pages_of_a_stream_make_no_new_entries(session):
    for statement in (nearest_first(Item, COLUMN, FIRST), nearest_first(Item, COLUMN, VECTORS[1])):
        pages = list(stream(session, statement, page_size=7))
        assert len(pages) > 1
        after = entries(session)
    for rows in stream(session, nearest_first(Item, COLUMN, VECTORS[2]), page_size=50):
        assert rows
    assert entries(session) == after


def test_blocks_of_settings_make_no_new_entries(session):
    with search_settings(session, ef_search=50):
        session.execute(nearest(Item, COLUMN, FIRST, k=5)).all()
    after = entries(session)
    with search_settings(session, ef_search=70):
        session.execute(nearest(Item, COLUMN, FIRST, k=5)).all()
    assert entries(session) == after


def legs(query, **options):
    return [dense(COLUMN, query, **options), fulltext(Item.fts, "amber", language="english")]


@pytest.mark.parametrize(
    "form",
    [
        lambda source, query, **options: nearest(source, COLUMN, query, k=5, **options),
        lambda source, query, **options: nearest_per_group(
            source, COLUMN, query, by=Item.parent_id, k=5, per_group=2, **options
        ),
        lambda source, query, **options: nearest_each(source, COLUMN, {1: query, 2: FIRST}, k=5, **options),
        lambda source, query, **options: hybrid(source, legs(query, **options), k=5),
        lambda source, query, **options: max_sim(source, COLUMN, [query, FIRST], by=Item.parent_id, k=5, **options),
    ],
    ids=["nearest", "groups", "a batch", "hybrid", "late interaction"],
)
def test_a_search_that_is_built_once_takes_its_vector_and_filter_when_it_is_executed(session, form):
    statement = form(select(Item).where(Item.lang == bindparam("lang")), bindparam("q"))
    before = entries(session)
    found = {
        lang: session.execute(statement, {"q": vector, "lang": lang}).all()
        for lang, vector in (("en", FIRST), ("de", VECTORS[1]))
    }
    assert entries(session) == before + 1
    assert found["en"] != found["de"]
    for lang, vector in (("en", FIRST), ("de", VECTORS[1])):
        wanted = session.execute(form(of_lang(lang), vector, exact=True)).all()
        assert len(wanted) >= 5
        assert found[lang] == wanted


def test_values_that_are_given_to_a_statement_choose_its_rows(session):
    statement = nearest(of_lang(bindparam("lang", "en")), COLUMN, bindparam("asked", FIRST), k=5)
    asked = {lang: statement.params(lang=lang, asked=VECTORS[1].tolist()) for lang in ("en", "de")}
    for lang, copy in [*asked.items(), *asked.items()]:  # the second time they are compiled already
        wanted = nearest(of_lang(lang), COLUMN, VECTORS[1], k=5, exact=True)
        assert session.execute(copy).all() == session.execute(wanted).all()
