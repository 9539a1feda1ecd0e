"""Every search form over every kind of source: the same rows come back, whatever they are stored in and selected by."""

import pytest
from every_form import AGGREGATES, FORMS
from situations import ROWS, SITUATIONS, Item
from sqlalchemy import create_engine, make_url, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, joinedload, raiseload, selectinload

from sqlalchemy_vecsearch import (
    SearchError,
    explain,
    stream,
)

NOT_ONE_ENTITY = {"a joined class beside it", "two classes and no join"}
WITH_LOADERS = {name for name in SITUATIONS if ", loaded by" in name}
LOCKING = {"locked rows", "rows locked past those of others"}


@pytest.fixture(scope="module")
def engine(situations_url):
    engine = create_engine(situations_url)
    yield engine
    engine.dispose()


@pytest.fixture
def async_url(situations_url):
    return make_url(situations_url).set(drivername="postgresql+asyncpg")


@pytest.fixture(scope="module")
def wanted(engine):
    """Give what each form finds over the plain class when it compares every row."""
    with Session(engine) as session:
        return {
            name: found(session.execute(form(SITUATIONS["a class"], exact=True)), name) for name, form in FORMS.items()
        }


def found(result, form, seen=lambda row: True, *, unique=False):
    """Return the numbers of the rows, or whatever a form returns instead of rows."""
    rows = (result.unique() if unique else result).all()
    if form in AGGREGATES:
        return [tuple(round(value, 4) for value in row) for row in rows]
    loaded = [row[1:] if form == "a batch" else row for row in rows]
    assert all(seen(row) for row in loaded)
    of_rows = [numbers(row) for row in rows]
    return [sorted(pair) for pair in of_rows] if form == "pairs" else of_rows


def numbers(row):
    of_entities = [value.number for value in row if hasattr(value, "number")]
    return of_entities or [value for name, value in row._mapping.items() if str(name).startswith("number")]


def refusal(form, situation):
    """Return why a form can not be in a situation, None where it can."""
    if form == "pairs" and situation in NOT_ONE_ENTITY:
        return "reads more than one table"
    if form == "pairs" and situation in WITH_LOADERS:
        return "has loader options"
    if form in {*AGGREGATES, "pairs"} and situation in LOCKING:
        return "locks rows"
    return None


@pytest.mark.share(0, 2)
@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("form", FORMS)
def test_a_form_finds_the_same_rows_in_every_situation(engine, wanted, form, situation):
    at = SITUATIONS[situation]
    why = refusal(form, situation)
    if why is not None:
        with pytest.raises(SearchError, match=why):
            FORMS[form](at)
        return
    with Session(engine) as session:
        rows = found(session.execute(FORMS[form](at)), form, at.seen, unique=at.unique)
    if form == "pairs" and situation == "columns alone":
        return
    assert rows == wanted[form]
    assert rows


@pytest.mark.share(1, 2)
@pytest.mark.parametrize("situation", [name for name in SITUATIONS if name not in LOCKING])
@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_compares_every_row_uses_no_index_of_vectors(engine, wanted, form, situation):
    at = SITUATIONS[situation]
    if refusal(form, situation):
        return
    with Session(engine) as session:
        rows = found(session.execute(FORMS[form](at, exact=True)), form, at.seen, unique=at.unique)
        assert not explain(session, FORMS[form](at, exact=True)).index_served
    assert rows == wanted[form]


@pytest.mark.share(1, 3)
@pytest.mark.parametrize("situation", ["a class", "a relationship, loaded by a join", "locked rows"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_form_finds_the_same_rows_in_an_async_session(async_engine, wanted, form, situation):
    if refusal(form, situation):
        return
    at = SITUATIONS[situation]
    async with AsyncSession(async_engine) as session:
        rows = found(await session.execute(FORMS[form](at)), form, at.seen)
    assert rows == wanted[form]


ELSEWHERE = ["a class", "a relationship, loaded by a join", "locked rows"]


@pytest.fixture(scope="module", params=["psycopg", "psycopg2", "pg8000"])
def outside_engine(request, outside_url):
    engine = create_engine(make_url(outside_url).set(drivername=f"postgresql+{request.param}"))
    yield engine
    engine.dispose()


@pytest.mark.share(0, 3)
@pytest.mark.parametrize("situation", ELSEWHERE)
@pytest.mark.parametrize("form", FORMS)
def test_a_form_finds_the_same_rows_where_the_search_path_does_not_lead_to_the_extension(
    outside_engine, wanted, form, situation
):
    if refusal(form, situation):
        return
    at = SITUATIONS[situation]
    with Session(outside_engine) as session:
        assert found(session.execute(FORMS[form](at)), form, at.seen, unique=at.unique) == wanted[form]
        assert found(session.execute(FORMS[form](at, exact=True)), form, at.seen, unique=at.unique) == wanted[form]


@pytest.mark.parametrize("form", FORMS)
async def test_an_async_session_finds_them_there_too(make_engine, outside_url, wanted, form):
    at = SITUATIONS["a class"]
    async with AsyncSession(make_engine("asyncpg", url=outside_url)) as session:
        rows = found(await session.execute(FORMS[form](at)), form, at.seen)
    assert rows == wanted[form]


@pytest.mark.parametrize("situation", [name for name, at in SITUATIONS.items() if not at.unique])
def test_pages_of_a_stream_hold_the_same_rows_in_every_situation(engine, wanted, situation):
    at = SITUATIONS[situation]
    with Session(engine) as session:
        pages = list(stream(session, FORMS["nearest first"](at), page_size=9))
    assert [numbers(row) for rows in pages for row in rows] == wanted["nearest first"]


MORE_THAN_RETURNED = {
    "nearest, within",  # the threshold stands outside the level that locks
    "nearest, after some",  # PostgreSQL locks what OFFSET passes over
    "a page",
}


@pytest.mark.parametrize("form", sorted(FORMS.keys() - AGGREGATES - MORE_THAN_RETURNED - {"pairs"}))
def test_only_the_rows_that_come_back_are_locked(engine, wanted, form):
    at = SITUATIONS["locked rows"]
    free = select(Item.number).with_for_update(skip_locked=True)
    with Session(engine) as first, Session(engine) as second:
        found(first.execute(FORMS[form](at)), form)
        left = set(second.execute(free).scalars())
    assert left == set(range(ROWS)) - {number for row in wanted[form] for number in row}


def test_the_pairs_are_locked_by_a_lock_of_the_result(engine, wanted):
    pairs = FORMS["pairs"](SITUATIONS["a class"]).with_for_update(skip_locked=True)
    with Session(engine) as first, Session(engine) as second:
        assert found(first.execute(pairs), "pairs") == wanted["pairs"]
        assert second.execute(pairs).all() == []


def test_options_for_the_aliases_of_a_pair_load_their_relationships(engine, wanted):
    pairs = FORMS["pairs"](SITUATIONS["a class"])
    one, other = (found["entity"] for found in pairs.column_descriptions[:2])
    pairs = pairs.options(selectinload(one.parent), joinedload(other.parent), raiseload("*"))
    with Session(engine) as session:
        rows = session.execute(pairs).all()
    assert [sorted(numbers(row)) for row in rows] == wanted["pairs"]
    assert all(row[0].parent.id == row[0].parent_id and row[1].parent.id == row[1].parent_id for row in rows)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (
            "a count",
            "The statement to search locks rows. "
            "A count returns a number, and no row that a lock could be for. "
            "Leave .with_for_update() out.",
        ),
        (
            "late interaction",
            "The statement to search locks rows. "
            "A search by late interaction returns keys and scores, and no row that a lock could be for. "
            "Join the documents to its result, and lock them there.",
        ),
        (
            "pairs",
            "The statement to search locks rows. "
            "A pair is two rows of the class under two aliases, of which the statement to search knows nothing. "
            "Lock the result: similar_pairs(...).with_for_update().",
        ),
    ],
)
def test_a_lock_where_no_rows_come_back_is_refused(form, text):
    with pytest.raises(SearchError) as raised:
        FORMS[form](SITUATIONS["locked rows"])
    assert str(raised.value) == text


def test_loader_options_of_the_source_are_refused_by_pairs():
    with pytest.raises(SearchError) as raised:
        FORMS["pairs"](SITUATIONS["a relationship, loaded by IN"])
    assert str(raised.value) == (
        "The statement to search has loader options. "
        "A pair is two rows of the class under two aliases, of which the statement to search knows nothing. "
        "Add options to the result, for the aliases that its column_descriptions name as entities."
    )
