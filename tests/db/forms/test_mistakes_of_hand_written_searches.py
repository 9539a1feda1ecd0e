"""What searches by hand get wrong, and no form does."""

import pytest
from every_form import FORMS
from searched_corpus import Article
from situations import DIMENSIONS, SITUATIONS, Item, Situation
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import RRF, SearchError, dense, fulltext, hybrid, lint, nearest, trigram

QUERY = [0.1 * number for number in range(1, DIMENSIONS + 1)]
SETTINGS = (
    "hnsw.ef_search",
    "hnsw.iterative_scan",
    "hnsw.max_scan_tuples",
    "hnsw.scan_mem_multiplier",
    "ivfflat.probes",
    "ivfflat.iterative_scan",
)
IN_FORCE = select(*(func.current_setting(name, text("true")).label(name) for name in SETTINGS))
CAN_BE_SEARCHED = [
    (form, situation)
    for form in FORMS
    for situation in SITUATIONS
    if form not in {"pairs", "a count", "late interaction"} or situation == "a class"
]


@pytest.fixture(scope="module")
def engine(situations_url):
    engine = create_engine(situations_url, pool_size=1, max_overflow=0)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(("form", "situation"), CAN_BE_SEARCHED)
def test_no_form_is_written_in_a_way_that_loses_the_index_or_rows(form, situation):
    assert lint(FORMS[form](SITUATIONS[situation])) == []


@pytest.mark.parametrize("ending", ["commit", "rollback"])
@pytest.mark.parametrize("form", FORMS)
def test_no_setting_leaks_through_the_pool(engine, form, ending):
    with Session(engine) as session:
        session.execute(text("SELECT '[1]'::vector"))  # loads pgvector, and with it the defaults
        before = session.execute(IN_FORCE).one()
        session.execute(FORMS[form](SITUATIONS["a class"])).all()
        getattr(session, ending)()
        assert session.execute(IN_FORCE).one() == before


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_its_settings_in_autocommit(engine, form):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT '[1]'::vector"))
        before = connection.execute(IN_FORCE).one()
        assert connection.execute(FORMS[form](SITUATIONS["a Core table"])).all()
        assert connection.execute(IN_FORCE).one() == before


BESIDE_THE_SEARCH = {
    "DISTINCT": lambda source: source.distinct(),
    "GROUP BY": lambda source: source.group_by(Item.number),
    "HAVING": lambda source: source.having(func.count() > 1),
    "LIMIT": lambda source: source.limit(5),
    "FETCH": lambda source: source.fetch(5),
    "window function": lambda source: source.add_columns(func.count().over()),
    "aggregate": lambda source: source.add_columns(func.min(Item.number)),
}


@pytest.mark.parametrize("word", BESIDE_THE_SEARCH)
@pytest.mark.parametrize("form", FORMS)
def test_what_takes_the_index_from_a_search_is_refused_beside_it(form, word):
    with pytest.raises(SearchError, match=rf"The statement to search has an? {word}\."):
        FORMS[form](Situation(BESIDE_THE_SEARCH[word](select(Item))))


@pytest.mark.parametrize("k", [100, 300, 1_000, 1_500])
def test_the_candidates_of_two_stages_are_as_many_as_asked(session, query, k):
    statement = nearest(select(Article.id), Article.bits, query, k=k)
    assert len(session.execute(statement).scalars().all()) == k


HOSTILE = [
    "it's",
    "'; DROP TABLE item; --",
    "a :name and a ::cast",
    "100%s %(value)s %",
    "back\\slash \\'",
    '"quoted" -minus or',
    "$1 $$ \N{SNOWMAN}",
    "{0} {name}",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_what_a_user_types_is_a_value_wherever_it_goes(session, query, words):
    legs = [
        dense(Article.embedding, query, name=words),
        fulltext(Article.fts, words),
        trigram(Article.title, words, name=f"{words} again"),
    ]
    source = select(Article.id).where(Article.lang != words)
    (row, *_) = session.execute(hybrid(source, legs, k=3, fusion=RRF(60, {words: 2.0}))).all()
    assert row._mapping[f"{words}_rank"] == 1


def test_a_language_is_a_value_and_not_a_part_of_the_statement(session, query):
    legs = [dense(Article.embedding, query), fulltext(Article.fts, "amber", language="english'); DROP TABLE item; --")]
    with pytest.raises(Exception, match=r"text search configuration|invalid name syntax"):
        session.execute(hybrid(Article, legs, k=3))


def test_hybrid_returns_k_rows_however_many_each_leg_finds(session, query):
    legs = [dense(Article.embedding, query), fulltext(Article.fts, "amber birch")]
    for k in (1, 10, 100, 300):
        rows = session.execute(hybrid(select(Article.id), legs, k=k)).all()
        assert len({row.id for row in rows}) == k
        assert all(row.score > 0 for row in rows)
