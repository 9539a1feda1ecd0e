import numpy as np
import pytest
from pgvector import SparseVector
from searched_corpus import Article, plan_of
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, joinedload

from sqlalchemy_vecsearch import (
    RRF,
    Weighted,
    dense,
    embedding_of,
    fulltext,
    hybrid,
    nearest,
    search_settings,
    sparse,
    trigram,
)

SPARSE = SparseVector({1: 1.0, 2: 3.0, 70: 1.0}, 100)


def words_of(session, words, pool, source=None):
    """Return the matching articles in the order of their rank."""
    query = func.websearch_to_tsquery("english", words)
    source = select(Article) if source is None else source
    found = source.where(Article.fts.op("@@")(query))
    return [
        article.id
        for article in session.scalars(found.order_by(func.ts_rank(Article.fts, query).desc(), Article.id).limit(pool))
    ]


def test_ranks_are_fused_reciprocally(session, query):
    statement = hybrid(Article, [dense(Article.embedding, query), fulltext(Article.fts, "amber birch")], k=10)
    near = [row.Article.id for row in session.execute(nearest(Article, Article.embedding, query, k=50))]
    words = words_of(session, "amber birch", 50)
    scores = {}
    for leg in (near, words):
        for rank, number in enumerate(leg, 1):
            scores[number] = scores.get(number, 0) + 1 / (60 + rank)
    best = sorted(scores, key=lambda number: (-scores[number], number))[:10]
    rows = session.execute(statement).all()
    assert [row.Article.id for row in rows] == best
    assert [row.score for row in rows] == pytest.approx([scores[number] for number in best])
    assert [row.dense_rank for row in rows] == [near.index(n) + 1 if n in near else None for n in best]
    assert [row.fulltext_rank for row in rows] == [words.index(n) + 1 if n in words else None for n in best]


@pytest.mark.parametrize("line", ["-" * 33, "--- " * 2_000, '-"' * 400, "- . " * 400, "-)" * 400])
def test_a_line_of_dashes_is_no_word(session, line):
    """The server takes each for a NOT, and refuses the 33rd."""

    def found(words):
        return session.scalars(hybrid(select(Article.id), [fulltext(Article.fts, words)], k=10)).all()

    assert found(f"{line} amber") == found(f"amber {line}") == found("amber") != []
    assert found("amber -birch") != found("amber")


@pytest.mark.parametrize(
    "text", ['"' * 10_000, "or " * 3_333, "amber -" * 1_428, 'or "amber birch" ' * 588, "&|!<->()" * 1_250]
)
def test_a_text_of_the_greatest_length_is_within_the_stack_of_the_server(session, text):
    session.execute(hybrid(select(Article.id), [fulltext(Article.fts, text)], k=1)).all()


def test_weights_decide_between_the_legs(session, query):
    both = [dense(Article.embedding, query), fulltext(Article.fts, "amber birch")]
    dense_only = session.execute(hybrid(Article, both, k=5, fusion=RRF(60, {"fulltext": 0}))).all()
    words_only = session.execute(hybrid(Article, both, k=5, fusion=Weighted({"dense": 0}))).all()
    assert [row.dense_rank for row in dense_only] == [1, 2, 3, 4, 5]
    assert all(row.fulltext_rank for row in words_only)


def test_scores_are_normalised_before_they_are_added(session, query):
    statement = hybrid(Article, [dense(Article.embedding, query)], k=50, pool=50, fusion=Weighted({"dense": 2}))
    rows = session.execute(statement).all()
    similar = np.array([row.dense_score for row in rows])
    expected = 2 * (similar - similar.min()) / (similar.max() - similar.min())
    assert [row.score for row in rows] == pytest.approx(expected.tolist())


def test_a_leg_whose_rows_have_one_score_gives_each_the_whole_weight(session):
    statement = hybrid(Article, [fulltext(Article.fts, "1434")], k=5, fusion=Weighted())
    assert [row.score for row in session.execute(statement)] == [1.0]


def test_filters_hold_for_all_legs(session, query):
    source = select(Article).where(Article.lang == "de")
    legs = [dense(Article.embedding, query), fulltext(Article.fts, "amber"), trigram(Article.title, "birch")]
    rows = session.execute(hybrid(source, legs, k=40)).all()
    assert len(rows) == 40
    assert {row.Article.lang for row in rows} == {"de"}


@pytest.mark.parametrize("words", ["", "   ", "the and of", "!!! & | ( :* '"])
def test_a_text_without_words_leaves_the_decision_to_the_other_legs(session, query, words):
    rows = session.execute(hybrid(Article, [dense(Article.embedding, query), fulltext(Article.fts, words)], k=5)).all()
    assert [row.Article.id for row in rows] == [
        row.Article.id for row in session.execute(nearest(Article, Article.embedding, query, k=5))
    ]
    assert {row.fulltext_rank for row in rows} == {None}


def test_a_text_alone_that_matches_nothing_finds_nothing(session):
    assert session.execute(hybrid(Article, [fulltext(Article.fts, "zebra")], k=5)).all() == []


def test_misspelt_words_are_found_by_trigrams(session):
    rows = session.execute(hybrid(Article, [trigram(Article.title, "junipr")], k=5)).all()
    assert all("juniper" in row.Article.title for row in rows)
    assert len(rows) == 5


def test_five_legs_run_in_one_statement(session, query):
    legs = [
        dense(Article.embedding, query),
        dense(Article.bits, query, name="bits"),
        sparse(Article.sparse, SPARSE),
        fulltext(Article.fts, "amber birch"),
        trigram(Article.title, "ambr"),
    ]
    result = session.execute(hybrid(Article, legs, k=10, fusion=Weighted()))
    names = [f"{leg.name}_{what}" for leg in legs for what in ("rank", "score")]
    assert list(result.keys()) == ["Article", "score", *names]
    rows = result.all()
    assert len(rows) == 10
    assert [row.score for row in rows] == sorted((row.score for row in rows), reverse=True)


def test_a_quantised_leg_ranks_by_the_full_vectors(session, query):
    rows = session.execute(hybrid(Article, [dense(Article.bits, query)], k=10)).all()
    assert [row.Article.id for row in rows] == [
        row.Article.id for row in session.execute(nearest(Article, Article.bits, query, k=50)).all()[:10]
    ]


def test_a_stored_row_that_is_the_query_is_left_out(session):
    words = session.get(Article, 40).title
    legs = [dense(Article.embedding, embedding_of(Article, 40)), trigram(Article.title, words)]
    rows = session.execute(hybrid(Article, legs, k=10)).all()
    assert len(rows) == 10
    assert 40 not in {row.Article.id for row in rows}


def test_more_rows_than_there_are_return_them_all(session, query):
    source = select(Article).where(Article.id < 20)
    legs = [dense(Article.embedding, query), fulltext(Article.fts, "amber")]
    assert len(session.execute(hybrid(source, legs, k=100)).all()) == 20


def test_joins_options_and_aliases_are_kept(session, query):
    other = aliased(Article)
    source = select(other).join(other.author).options(joinedload(other.author)).where(other.lang == "en")
    legs = [dense(other.embedding, query), fulltext(other.fts, "amber")]
    rows = session.execute(hybrid(source, legs, k=5)).all()
    assert len(rows) == 5
    assert all("author" in row[0].__dict__ for row in rows)


def test_a_core_table_is_searched(session, query):
    table = Article.__table__
    legs = [dense(table.c.embedding, query), fulltext(table.c.fts, "amber")]
    rows = session.execute(hybrid(select(table.c.id, table.c.title), legs, k=5)).all()
    assert list(rows[0]._mapping)[:3] == ["id", "title", "score"]


async def test_hybrid_searches_run_on_asyncpg(async_engine, query):
    async with AsyncSession(async_engine) as session:
        legs = [
            dense(Article.embedding, query),
            sparse(Article.sparse, SPARSE),
            fulltext(Article.fts, "amber birch"),
            trigram(Article.title, "ambr"),
        ]
        rows = (await session.execute(hybrid(Article, legs, k=10))).all()
    assert len(rows) == 10


@pytest.mark.parametrize("driver", ["psycopg2", "pg8000"])
def test_hybrid_searches_run_on_other_drivers(make_engine, corpus, query, driver):
    legs = [dense(Article.embedding, query), fulltext(Article.fts, "amber birch"), trigram(Article.title, "ambr")]
    with make_engine(driver, url=corpus[0]).connect() as connection:
        assert len(connection.execute(hybrid(select(Article.id), legs, k=10)).all()) == 10


def test_the_index_of_each_leg_serves_it(session, query):
    session.execute(text("SET LOCAL enable_seqscan = off"))  # 800 candidates are a good part of the rows
    legs = [
        dense(Article.embedding, query),
        dense(Article.bits, query, name="bits"),
        sparse(Article.sparse, SPARSE),
        fulltext(Article.fts, "amber birch"),
    ]
    plan = plan_of(session, hybrid(Article, legs, k=5, pool=5))
    for index in ("ix_article_embedding", "ix_article_bits_binary", "ix_article_sparse"):
        assert f"Index Scan using {index}" in plan
    assert "Bitmap Index Scan on ix_article_fts" in plan


def test_a_trigram_index_can_serve_its_leg(session):
    # the rows are few and short, so that reading them all is cheap
    session.execute(text("SET LOCAL enable_seqscan = off"))
    plan = plan_of(session, hybrid(Article, [trigram(Article.title, "juniper lagoon")], k=10))
    assert "Bitmap Index Scan on ix_article_title" in plan


def test_each_leg_states_the_settings_that_it_needs(session, query):
    source = select(Article).where(Article.author_id == 3)
    legs = [dense(Article.embedding, query), dense(Article.bits, query, name="bits")]
    with search_settings(session, ef_search=10):
        rows = session.execute(hybrid(source, legs, k=150, pool=150)).all()
    assert sum(row.dense_rank is not None for row in rows) == 150
    assert sum(row.bits_rank is not None for row in rows) == 150


@pytest.mark.parametrize("typed", ["amber birch " * 450, '"amber birch" ' * 300, "amber or birch or " * 300 + "amber"])
def test_a_long_text_in_a_search_box_is_answered_at_once(session, typed):
    session.execute(text("SET LOCAL statement_timeout = '1s'"))
    rows = session.execute(hybrid(Article, [fulltext(Article.fts, typed)], k=3)).all()
    assert len(rows) == 3
