from decimal import Decimal

import pytest
from form_models import OTHER, QUERY, Chunk, Document, cache_key, expected, sql
from pgvector import SparseVector
from sqlalchemy import Column, Integer, MetaData, Table, Text, select
from sqlalchemy.dialects.postgresql import TSVECTOR

from sqlalchemy_vecsearch import (
    RRF,
    DimensionError,
    SearchError,
    Weighted,
    dense,
    embedding_of,
    fulltext,
    hybrid,
    sparse,
    trigram,
)

WORDS = Table(
    "words", MetaData(), Column("id", Integer, primary_key=True), Column("body", Text), Column("fts", TSVECTOR)
)


def legs(query=QUERY, text="amber birch", **options):
    return [dense(Document.embedding, query, **options), fulltext(Document.fts, text)]


def test_two_legs_are_limited_each_and_fused_by_their_ranks():
    source = select(Document).where(Document.lang == "en")
    assert sql(hybrid(source, legs(), k=10)) == expected("hybrid_rrf")


def test_five_legs_are_fused_by_their_scores():
    statement = hybrid(
        Document,
        [
            dense(Document.embedding, QUERY),
            dense(Document.bits, QUERY, name="bits"),
            sparse(Document.sparse, SparseVector({1: 1.0}, 9)),
            fulltext(Document.fts, "amber"),
            trigram(Document.title, "ambr"),
        ],
        k=10,
        fusion=Weighted({"bits": 0.5}),
    )
    assert sql(statement) == expected("hybrid_weighted")


def test_ties_are_broken_outside_the_limited_level_of_a_dense_leg():
    text = sql(hybrid(select(Document).order_by(Document.title), legs(), k=10))
    assert "} ORDER BY document.embedding <=> %(param_3)s::VECTOR(3)\nLIMIT" in text
    assert text.endswith("ORDER BY fused_1.score DESC, document.title, fused_1.key_0\n")


def test_a_stored_row_that_is_the_query_is_left_out_of_all_legs():
    statement = hybrid(Document, legs(embedding_of(Document, 7)), k=10)
    first_scan_exact_and_words = 4
    assert sql(statement).count("document.id != %(id_2)s::INTEGER") == first_scan_exact_and_words


def test_hybrid_searches_differ_in_the_cache_by_their_legs_and_metrics_alone():
    assert cache_key(hybrid(Document, legs(), k=10)) == cache_key(
        hybrid(Document, legs(OTHER, "cedar"), k=3, pool=200, fusion=RRF(10, {"dense": 2}))
    )
    maybe = [dense(Document.maybe, QUERY), fulltext(Document.fts, "x")]
    assert cache_key(hybrid(Document, legs(), k=10)) != cache_key(hybrid(Document, maybe, k=10))
    assert cache_key(hybrid(Document, legs(), k=10)) != cache_key(hybrid(Document, legs()[:1], k=10))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            [],
            "A hybrid search has no legs. It fuses the rankings of at least one search by vectors, words or spelling. "
            "Pass a list of dense(...), sparse(...), fulltext(...) and trigram(...).",
        ),
        (
            ["dense"],
            "'dense' is no leg of a hybrid search. It fuses the rankings of at least one search by vectors, words or "
            "spelling. Pass a list of dense(...), sparse(...), fulltext(...) and trigram(...).",
        ),
        (
            [dense(Document.embedding, QUERY), dense(Document.bits, QUERY)],
            "Two legs of the hybrid search are called 'dense'. "
            "A leg's name tells its columns and its weight from those of the others. "
            "Give one of them another name: dense(..., name='dense_2').",
        ),
    ],
)
def test_legs_that_can_not_be_fused_are_refused(wrong, message):
    with pytest.raises(SearchError) as raised:
        hybrid(Document, wrong, k=10)
    assert str(raised.value) == message


@pytest.mark.parametrize("fusion", [RRF(60, {"words": 2}), Weighted({"words": 2})])
def test_a_weight_without_a_leg_is_refused(fusion):
    with pytest.raises(SearchError) as raised:
        hybrid(Document, legs(), k=10, fusion=fusion)
    assert str(raised.value) == (
        "The weight of 'words' belongs to no leg. "
        "The legs of this search are 'dense', 'fulltext', and a weight without a leg would be ignored without a word. "
        "Use the name of a leg, or give the leg that name: dense(..., name=...)."
    )


@pytest.mark.parametrize("made", [lambda: RRF(60, {"dense": -1}), lambda: Weighted({"dense": -1})])
def test_a_weight_is_not_negative(made):
    with pytest.raises(SearchError) as raised:
        made()
    assert str(raised.value) == (
        "dense=-1 can not weigh a leg. "
        "Scores are added, larger being better, so a weight is a finite number of 0 or more. "
        "Choose such a number; leave a leg out to ignore it."
    )


@pytest.mark.parametrize(
    "value",
    [True, "1", None, 1j, 10**400, float("nan"), float("inf"), Decimal("sNaN"), Decimal("NaN"), Decimal("1e400")],
)
@pytest.mark.parametrize("made", [RRF, lambda value: RRF(60, {"a": value}), lambda value: Weighted({"a": value})])
def test_a_weight_is_a_finite_number(made, value):
    with pytest.raises(SearchError, match=r" can not weigh a leg\. Scores are added"):
        made(value)


def test_a_constant_is_not_negative():
    with pytest.raises(SearchError, match=r"^constant=-1 can not weigh a leg\."):
        RRF(-1)


def test_another_fusion_is_refused():
    with pytest.raises(SearchError) as raised:
        hybrid(Document, legs(), k=10, fusion="rrf")
    assert str(raised.value) == (
        "'rrf' is no fusion. The legs are made one ranking by their ranks or by their scores. "
        "Pass RRF(60) or Weighted({'dense': 0.7}), or leave it out."
    )


def test_a_full_text_leg_searches_a_tsvector():
    with pytest.raises(SearchError) as raised:
        fulltext(Document.title, "x")
    assert str(raised.value) == (
        "The column 'title' of type String() is no tsvector. A fulltext leg searches columns of that type. "
        "Pass one, such as Document.fts of FullTextMixin."
    )


def test_a_full_text_leg_over_a_plain_column_needs_its_language():
    with pytest.raises(SearchError) as raised:
        fulltext(WORDS.c.fts, "x")
    assert str(raised.value) == (
        "The language of words.fts is not known. "
        "Words are reduced to their stems by a text search configuration, and a query must use the one that made "
        "the column; the column does not come from FullTextMixin, which would say. "
        'Pass it: fulltext(..., language="english").'
    )
    statement = hybrid(WORDS, [fulltext(WORDS.c.fts, "x", language="simple")], k=3)
    assert statement.compile().params["param_3"] == "simple"


def test_a_trigram_leg_searches_text():
    with pytest.raises(SearchError, match=r"^The column 'id' of type Integer\(\) is no text\."):
        trigram(Document.id, "x")


def test_a_text_is_a_string():
    with pytest.raises(SearchError) as raised:
        fulltext(Document.fts, None)
    assert str(raised.value) == (
        "The text 'None' to search for is NoneType, not a string. "
        "A text leg compares words, which only a string holds. "
        "Pass what the user typed; an empty string finds nothing."
    )


def test_a_sparse_leg_searches_sparse_vectors():
    with pytest.raises(SearchError) as raised:
        sparse(Document.embedding, QUERY)
    assert str(raised.value) == (
        "The column 'document.embedding' holds vector values, and a sparse leg searches sparsevec. "
        "The two compare different kinds of embeddings, and a leg is named for its kind. "
        "Write dense(...) for this column, or pass the sparse one."
    )


def test_a_vector_of_another_length_is_refused_when_the_leg_is_made():
    with pytest.raises(DimensionError):
        dense(Document.embedding, [1.0])


def test_a_leg_of_another_table_is_refused():
    with pytest.raises(SearchError, match=r"^The column 'chunk\.embedding' is not of what is searched\."):
        hybrid(Document, [*legs(), dense(Chunk.embedding, QUERY, name="chunk")], k=10)
    with pytest.raises(SearchError, match=r"^The column words\.fts that column names is not of what is searched\."):
        hybrid(Document, [dense(Document.embedding, QUERY), fulltext(WORDS.c.fts, "x", language="english")], k=10)


def test_an_offset_is_refused():
    with pytest.raises(SearchError) as raised:
        hybrid(select(Document).offset(10), legs(), k=10)
    assert str(raised.value) == (
        "The statement to search has an OFFSET. "
        "This search ranks a fixed number of rows, and what comes after them is not known. "
        "Ask for more rows and leave the first ones out, or page through nearest() or page()."
    )


@pytest.mark.parametrize("name", ["k", "pool"])
def test_numbers_are_one_or_more(name):
    with pytest.raises(SearchError, match=f"^{name}=0 is not possible"):
        hybrid(Document, legs(), **({"k": 10} | {name: 0}))


def test_the_name_of_a_leg_leaves_room_for_the_names_of_its_columns():
    name = "\N{LATIN SMALL LETTER E WITH ACUTE}" * 28
    assert f"{name}x_score" in sql(hybrid(Document, [dense(Document.embedding, QUERY, name=f"{name}x")], k=3))
    with pytest.raises(SearchError) as raised:
        hybrid(Document, [dense(Document.embedding, QUERY, name=f"{name}xx")], k=3)
    assert str(raised.value) == (
        f"The name '{name}xx' of a leg is longer than 57 bytes. "
        "Its columns are called after it, and PostgreSQL cuts names at 63 bytes, so that two of them would be one. "
        'Give it a shorter name: dense(..., name="short").'
    )


@pytest.mark.parametrize(
    "leg", [lambda typed: fulltext(Document.fts, typed), lambda typed: trigram(Document.title, typed)]
)
@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("a\0b", "a NUL character at position 1"),
        ("ab\ud800", "half of a pair of surrogates at position 2"),
    ],
)
def test_a_text_that_postgresql_cannot_hold_is_refused(leg, typed, found):
    with pytest.raises(SearchError) as raised:
        leg(typed)
    assert str(raised.value) == (
        f"The text {typed!r} to search for holds {found}. "
        "PostgreSQL stores no such text, so that no row can match, and refuses to read it. "
        "Take the character out of what the user typed."
    )


@pytest.mark.parametrize(
    "leg", [lambda typed: fulltext(Document.fts, typed), lambda typed: trigram(Document.title, typed)]
)
def test_a_text_that_would_keep_the_server_busy_is_refused(leg):
    assert leg("word " * 2_000)
    with pytest.raises(SearchError) as raised:
        leg("word " * 200_000)
    assert str(raised.value) == (
        "The text 'word word word word word word word word '... to search for has 1,000,000 characters. "
        "The server compares every word of it with every row that matches, and from 10,000 characters on one search can "
        "keep it busy for minutes. "
        "Cut what the user typed, such as text[:10000]; a dense leg takes a whole document."
    )
