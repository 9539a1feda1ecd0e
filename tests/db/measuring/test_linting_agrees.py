"""What lint() says is what the planner does."""

import pytest
from measured_corpus import DIMENSIONS, Doc, Part
from sqlalchemy import Integer, cast, func, literal_column, select, text, true

from sqlalchemy_vecsearch import BIT, HALFVEC, VECTOR, distance, explain, lint

QUERY = [0.5] * DIMENSIONS
D = distance(Doc.embedding, QUERY)
HALF = cast(QUERY, HALFVEC(DIMENSIONS))
BITS = func.binary_quantize(cast(QUERY, VECTOR(DIMENSIONS)))
OTHER = select(Doc.embedding.label("v")).where(Doc.id == 1)
GIVEN = OTHER.cte().prefix_with("MATERIALIZED")

SERVED = [
    select(Doc.id).order_by(D).limit(5),
    select(Doc.id, D.label("d")).order_by("d").limit(5),
    select(Doc.id).order_by(D.asc().nulls_last()).limit(5),
    select(Doc.id).order_by(cast(Doc.embedding, VECTOR(DIMENSIONS)).op("<=>")(QUERY)).limit(5),
    select(Doc.id).order_by(cast(Doc.half, HALFVEC(DIMENSIONS)).op("<=>")(HALF)).limit(5),
    select(Doc.id).order_by(cast(func.binary_quantize(Doc.bits), BIT(DIMENSIONS)).op("<~>")(BITS)).limit(5),
    select(Doc.id).order_by(distance(Doc.embedding, OTHER.scalar_subquery())).limit(5),
    select(Part.id).order_by(distance(Part.embedding, QUERY)).limit(5),
    select(Doc.id).order_by(text(f"embedding <=> '{QUERY}'")).limit(5),
    select(Doc.id).order_by(literal_column(f"half::halfvec({DIMENSIONS}) <=> '{QUERY}'")).limit(5),
]

UNSERVED = [
    select(Doc.id).order_by(D.desc()).limit(5),
    select(Doc.id).order_by(D.nulls_first()).limit(5),
    select(Doc.id).order_by((1 - D).desc()).limit(5),
    select(Doc.id).order_by(1 + D).limit(5),
    select(Doc.id).order_by(func.round(D)).limit(5),
    select(Doc.id).order_by(func.coalesce(D, 1)).limit(5),
    select(Doc.id).order_by(cast(D, Integer)).limit(5),
    select(Doc.id).order_by(func.cosine_distance(Doc.embedding, cast(QUERY, VECTOR))).limit(5),
    select(Doc.id).order_by(Doc.lang, D).limit(5),
    select(Doc.lang).group_by(Doc.lang).order_by(func.min(D)).limit(5),
    select(Doc.id).join(GIVEN, true()).order_by(distance(Doc.embedding, GIVEN.c.v)).limit(5),
    select(Doc.id).where(D < 0.3),
    select(Doc.id).order_by(distance(Doc.embedding, QUERY, "l2")).limit(5),
    select(Doc.id).order_by(distance(Doc.half, QUERY)).limit(5),
    select(Doc.id).order_by(cast(Doc.half, HALFVEC).op("<=>")(HALF)).limit(5),
    select(Doc.id).order_by(func.binary_quantize(Doc.bits).op("<~>")(BITS)).limit(5),
    select(Doc.id).order_by(Doc.embedding.op("<=>")(HALF)).limit(5),
    select(Doc.id).order_by(text(f"embedding <=> '{QUERY}' DESC")).limit(5),
    select(Doc.id).order_by(text(f"1 - (embedding <=> '{QUERY}') DESC")).limit(5),
    select(Doc.id).order_by(literal_column(f"cosine_distance(embedding, '{QUERY}')")).limit(5),
    select(Doc.id).order_by(literal_column(f"embedding <-> '{QUERY}'")).limit(5),
]


@pytest.mark.parametrize("statement", SERVED)
def test_what_has_no_finding_is_served_by_the_index(session, statement):
    assert lint(statement) == []
    assert explain(session, statement).index_served


@pytest.mark.parametrize("statement", UNSERVED)
def test_what_has_a_finding_is_read_whole(session, statement):
    assert lint(statement) != []
    assert not explain(session, statement).index_served


def test_what_has_no_limit_is_read_whole_or_cut_short_by_the_index(session):
    statement = select(Doc.id).order_by(D)
    assert [finding.rule for finding in lint(statement)] == ["missing_limit"]
    plan = explain(session, statement)
    # PostgreSQL 16 with pgvector 0.7 scans the index, which returns no more rows than ef_search
    assert not plan.index_served or plan.unlimited == ("ix_doc_embedding",)
