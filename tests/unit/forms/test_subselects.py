import pytest
from form_models import DIALECT, OTHER, QUERY, Chunk, Document, Offer, cache_key, sql
from sqlalchemy import Column, Integer, MetaData, Table, cast, select, union_all
from sqlalchemy.dialects.postgresql import TSVECTOR

from sqlalchemy_vecsearch import (
    VECTOR,
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
    vector_index,
)
from sqlalchemy_vecsearch.search.building.subselects import filtered_first
from tests.statement_text import settings_of

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
    built = [form() for _ in range(5)]
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
    assert '"50_new__1" AS MATERIALIZED' in text


@EVERY_FORM
def test_no_form_takes_a_way_to_the_rows_from_the_planner(form):
    assert "enable_" not in sql(form())


@EVERY_FORM
def test_the_settings_have_a_from_so_that_every_shard_of_a_distributed_table_sets_them(form):
    found = settings_of(str(form().compile(dialect=DIALECT)))
    assert found
    assert all("FROM (VALUES (1)) AS given(one)" in settings for settings in found)


@EVERY_FORM
def test_nothing_of_pg_catalog_is_called_by_a_bare_name(form):
    text = sql(form())
    for name in ("count", "sum", "min", "max", "row_number", "concat", "set_config", "current_setting"):
        assert text.count(f"{name}(") == text.count(f"pg_catalog.{name}("), name
    assert " + 0" not in text


PARTS = Table(
    "part",
    MetaData(),
    Column("tenant", Integer, primary_key=True),
    Column("id", Integer, primary_key=True),
    Column("section", Integer, nullable=False),
    Column("words", TSVECTOR),
    Column("e", VECTOR(3), nullable=False),
    postgresql_partition_by="LIST (tenant)",
)
vector_index("ix_part_e", PARTS.c.e, metric="l2")
OWN = select(PARTS.c.id).where(PARTS.c.tenant == 7)
OF_PARTITION = {
    "nearest": lambda: nearest(OWN, PARTS.c.e, QUERY, k=10),
    "nearest_each": lambda: nearest_each(OWN, PARTS.c.e, {1: QUERY}, k=10),
    "nearest_per_group": lambda: nearest_per_group(OWN, PARTS.c.e, QUERY, by=PARTS.c.section, k=10),
    "page": lambda: page(OWN, PARTS.c.e, QUERY, number=1, size=10),
    "boosted": lambda: boosted(OWN, PARTS.c.e, QUERY, boost=PARTS.c.section, k=10),
    "recommend": lambda: recommend(OWN, PARTS.c.e, positive=[QUERY], k=10),
    "recommend, best score": lambda: recommend(OWN, PARTS.c.e, positive=[QUERY], k=10, strategy="best_score"),
    "hybrid": lambda: hybrid(OWN, [dense(PARTS.c.e, QUERY), fulltext(PARTS.c.words, "a", language="english")], k=10),
}


@pytest.mark.parametrize("form", OF_PARTITION.values(), ids=OF_PARTITION)
def test_the_key_of_a_partition_is_repeated_where_rows_are_found_again(form):
    _, *levels = sql(form()).split("FROM part")
    assert len(levels) >= 3  # scans, and the level that finds rows again
    for level in levels:
        assert "part.tenant = %(tenant_1)s::INTEGER" in level


def test_a_sub_select_of_a_cast_is_planned_apart_from_the_conditions_outside():
    cast_vector = cast(Document.embedding, VECTOR(3))
    apart = filtered_first(select(cast_vector.label("vector")).where(Document.lang == "de"), cast_vector)
    text = " ".join(sql(apart).split())  # SQLAlchemy 2.0 asks for the vector of a statement in another form
    assert "CAST(document.embedding AS VECTOR(3))" in text
    assert text.endswith(" AS vector FROM document WHERE document.lang = %(lang_1)s::VARCHAR LIMIT ALL OFFSET 0")
    stored = select(Document.embedding)
    assert filtered_first(stored, Document.embedding) is stored
