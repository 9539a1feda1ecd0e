import asyncio

import numpy as np
import pytest
from sqlalchemy import NullPool, create_engine, insert, literal, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import (
    HNSW,
    IVFFlat,
    SearchError,
    Strategy,
    VectorValueError,
    aassert_index_served,
    achoose_strategy,
    aexplain,
    arecall,
    assert_index_served,
    atune,
    choose_strategy,
    embedding_column,
    explain,
    nearest,
    recall,
    tune,
)
from sqlalchemy_vecsearch.measuring.samples import Question, Sample, answered
from sqlalchemy_vecsearch.search.building.column import searched_column

DIMENSIONS = 24


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    graph: Mapped[list[float] | None] = embedding_column(DIMENSIONS, metric="l2", index=HNSW(m=4, ef_construction=10))
    lists: Mapped[list[float] | None] = embedding_column(DIMENSIONS, metric="l2", index=IVFFlat(lists=40))


@pytest.fixture(scope="module")
def session(vecsearch_databases):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    vectors = np.random.default_rng(5).normal(size=(3000, DIMENSIONS)).astype(np.float32)
    with engine.begin() as connection:
        for index in Item.__table__.indexes:
            index.drop(connection)
        connection.execute(insert(Item), [{"id": i, "graph": v, "lists": v} for i, v in enumerate(vectors)])
        for index in Item.__table__.indexes:
            index.create(connection)
    with engine.connect() as connection, Session(connection) as session:
        connection.execute(text("ANALYZE item"))
        yield session
    engine.dispose()
    vecsearch_databases.drop(url)


def test_recall_grows_with_the_effort_and_reaches_one(session):
    low = recall(session, Item.graph, k=5, sample=40, ef_search=6)
    high = recall(session, Item.graph, k=5, sample=40, ef_search=1000)
    assert 0.1 < low < 0.9 < high <= 1.0
    assert recall(session, Item.lists, k=5, sample=20, probes=40) == 1.0
    assert recall(session, Item.lists, k=5, sample=20, probes=1) < 0.9


def test_tuning_finds_the_smallest_ef_search_with_its_frontier(session):
    found = tune(session, Item.graph, target=0.9, k=5, sample=30)
    points = {point.value: point.recall for point in found.frontier}
    assert points[found.ef_search] >= 0.9
    assert all(share < 0.9 for value, share in points.items() if value == found.ef_search - 1)
    assert found.probes is None
    assert [point.value for point in found.frontier] == sorted(points)
    assert all(point.seconds > 0 for point in found.frontier)


def test_tuning_an_ivfflat_index_finds_probes(session):
    found = tune(session, Item.lists, target=1.0, k=5, sample=20)
    assert 1 < found.probes <= 40
    assert found.ef_search is None


@pytest.mark.parametrize(
    ("target", "shown"), [(95, "95"), (10**400, "1" + "0" * 196 + "..."), (float("nan"), "nan"), ("0.9", "'0.9'")]
)
def test_a_target_that_is_no_recall_is_refused(session, target, shown):
    with pytest.raises(SearchError) as caught:
        tune(session, Item.graph, target=target)
    assert str(caught.value) == (
        f"target={shown} is no recall. A recall is the share of the true nearest rows that are found, above 0 and up to 1. "
        "Pass a number such as 0.95."
    )


def test_an_empty_table_can_not_be_measured(engine):
    Base.metadata.create_all(engine)
    with engine.connect() as connection, pytest.raises(SearchError) as caught:
        recall(connection, Item.graph)
    assert str(caught.value) == (
        "The recall of 'item.graph' can not be measured. It takes stored embeddings as queries and looks for their "
        "neighbours, copies of the query left out, and no row that it sees has one. Load rows with at least two different "
        "embeddings, or pass questions=."
    )


class Small(Base):
    __tablename__ = "small"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int] = mapped_column(default=1)
    embedding: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW())


@pytest.fixture
def small(engine):
    Small.__table__.create(engine)
    with Session(engine) as session:
        yield session


def load(session, vectors, **more):
    session.add_all([Small(id=number, embedding=list(vector), **more) for number, vector in enumerate(vectors, 1)])
    session.commit()


def circle(count):
    angles = np.linspace(0.1, 2.0, count)
    return np.stack([np.cos(angles), np.sin(angles), np.zeros(count)], axis=1).tolist()


def test_neighbours_that_do_not_exist_are_not_missed(small):
    load(small, circle(5))
    share = recall(small, Small.embedding, k=10, sample=5)
    assert (share, share.questions, share.wanted, share.missing) == (1.0, 5, 20, 0)
    found = tune(small, Small.embedding, k=10, sample=5, target=0.95)
    assert (found.ef_search, found.frontier[0].missing) == (11, 0)


def test_copies_of_one_vector_ask_one_question_and_do_not_answer_it(small):
    load(small, [[1, 1, 1]] * 60 + circle(4))
    share = recall(small, Small.embedding, k=2, sample=64)
    assert (share.questions, share.wanted) == (4, 8)


def test_nothing_but_copies_can_not_be_measured(small):
    load(small, [[1, 1, 1]] * 6)
    with pytest.raises(SearchError, match="copies of the query left out, and no row that it sees has one"):
        recall(small, Small.embedding, k=3, sample=6)


@pytest.mark.parametrize(
    "asked", [[[1, 0, 0], [0, 1, 0]], np.eye(3, dtype=np.float32)[:2], iter([[1, 0, 0], [0, 1, 0]])]
)
def test_questions_of_ones_own_are_answered_by_all_rows(small, asked):
    load(small, circle(5))
    share = recall(small, Small.embedding, k=3, questions=asked)
    assert (share, share.questions, share.wanted) == (1.0, 2, 6)


def test_a_question_of_another_length_is_refused_by_name(small):
    with pytest.raises(VectorValueError, match=r"'small\.embedding'"):
        recall(small, Small.embedding, k=3, questions=[[1, 0]])


def test_no_questions_can_not_be_measured(small):
    with pytest.raises(SearchError) as caught:
        recall(small, Small.embedding, k=3, questions=[])
    assert str(caught.value) == (
        "The recall of 'small.embedding' can not be measured. It counts the rows nearest to each question, and no row "
        "that it sees answers one. Load rows, pass questions, or let more rows pass the filter."
    )


def test_rows_that_do_not_come_are_counted_apart(small):
    load(small, circle(3))
    searched = searched_column(Small.embedding)
    asked = Question(literal([1, 0, 0], searched.type), 9, None, 5, (0.1, 0.2, 0.3, 0.4, 0.5))
    counted = answered(small, Sample(searched, select(Small.id), (asked,)))
    assert (counted.missing, counted.wanted) == (2, 5)
    assert counted.found <= 3


@pytest.mark.needs_pgvector(0, 8)
@pytest.mark.parametrize("where", [Small.id > 10, [Small.id > 10, Small.tenant == 1]])
def test_a_filter_holds_for_questions_and_answers(small, where):
    load(small, circle(14))
    share = recall(small, Small.embedding, k=10, sample=14, where=where)
    assert (share, share.questions, share.wanted) == (1.0, 4, 12)
    assert tune(small, Small.embedding, k=2, sample=3, where=where).value is not None


@pytest.mark.needs_pgvector(0, 8)
def test_a_role_measures_the_rows_that_it_sees(small):
    load(small, circle(6))
    small.execute(text("UPDATE small SET tenant = 2 WHERE id > 4"))
    role = f"reader_{make_url(str(small.bind.url)).database}"
    for command in (
        "ALTER TABLE small ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON small USING (tenant = 1)",
        f"CREATE ROLE {role}",
        f"GRANT SELECT ON small TO {role}",
        f"SET LOCAL ROLE {role}",
    ):
        small.execute(text(command))
    share = recall(small, Small.embedding, k=10, sample=9)
    assert (share.questions, share.wanted) == (4, 12)
    small.rollback()


SETTINGS = ("hnsw.ef_search", "hnsw.iterative_scan", "hnsw.max_scan_tuples")


@pytest.mark.parametrize("options", [{}, {"isolation_level": "AUTOCOMMIT"}])
def test_measuring_leaves_the_settings_of_the_transaction(small, options):
    load(small, circle(5))
    with small.bind.execution_options(**options).connect() as connection:
        connection.execute(text("LOAD 'vector'"))
        if not options:
            connection.execute(text("SET LOCAL hnsw.ef_search = 77"))
        before = [connection.scalar(text(f"SELECT current_setting('{name}', true)")) for name in SETTINGS]
        for measure in (recall, tune):
            measure(connection, Small.embedding, k=2, sample=3)
            measure(connection, Small.embedding, k=2, sample=3, where=Small.id > 1)
        assert [connection.scalar(text(f"SELECT current_setting('{name}', true)")) for name in SETTINGS] == before
        assert before[0] == ("40" if options else "77")


def test_what_a_session_has_pending_is_kept(small):
    load(small, circle(5))
    small.add(Small(id=6, embedding=[0, 0, 1]))
    assert recall(small, Small.embedding, k=10, sample=9).questions == 6
    small.commit()
    assert small.scalar(text("SELECT count(*) FROM small")) == 6


def test_progress_is_told_after_each_question(small):
    load(small, circle(3))
    told = []
    recall(small, Small.embedding, k=1, sample=3, progress=lambda *step: told.append(step))
    assert told == [
        *(("exact answers", done, 3) for done in (1, 2, 3)),
        *(("answers of the index", done, 3) for done in (1, 2, 3)),
    ]
    told.clear()
    tune(small, Small.embedding, k=1, sample=3, progress=lambda *step: told.append(step))
    assert ("ef_search=2", 3, 3) in told


ASYNC = {
    "arecall": lambda on: arecall(on, Small.embedding, k=2, sample=3),
    "atune": lambda on: atune(on, Small.embedding, k=2, sample=3),
    "aexplain": lambda on: aexplain(on, nearest(Small, Small.embedding, [1, 0, 0], k=2)),
    "achoose_strategy": lambda on: achoose_strategy(on, Small),
    "aassert_index_served": lambda on: aassert_index_served(on, nearest(Small, Small.embedding, [1, 0, 0], k=2)),
}


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
@pytest.mark.parametrize("kind", ["connection", "session", "scoped session"])
async def test_async_objects_are_measured_by_the_async_forms(small, driver, kind):
    load(small, circle(5))
    engine = create_async_engine(make_url(small.bind.url).set(drivername=f"postgresql+{driver}"), poolclass=NullPool)
    factory = async_sessionmaker(engine)
    opened = {
        "connection": engine.connect,
        "session": factory,
        "scoped session": async_scoped_session(factory, scopefunc=asyncio.current_task),
    }
    async with opened[kind]() as on:
        given = opened[kind] if kind == "scoped session" else on
        found = {name: await measure(given) for name, measure in ASYNC.items()}
    assert (found["arecall"], found["atune"].value) == (1.0, 3)
    assert found["achoose_strategy"] is Strategy.PLAIN
    assert found["aassert_index_served"].index_served
    assert found["aexplain"].root.kind
    await engine.dispose()


SYNC = {
    "recall": lambda on: recall(on, Small.embedding),
    "tune": lambda on: tune(on, Small.embedding),
    "explain": lambda on: explain(on, select(Small)),
    "choose_strategy": lambda on: choose_strategy(on, Small),
    "assert_index_served": lambda on: assert_index_served(on, select(Small)),
}


@pytest.mark.parametrize("name", SYNC)
def test_an_async_session_is_refused_with_the_form_that_takes_it(name):
    with pytest.raises(SearchError) as caught:
        SYNC[name](AsyncSession(create_async_engine("postgresql+psycopg://")))
    assert str(caught.value) == (
        f"{name}() was given an AsyncSession. It sends statements and waits for their rows, which an async connection "
        f"can not do outside of a greenlet. Write await a{name}(connection, ...)."
    )


@pytest.mark.parametrize("name", SYNC)
def test_an_engine_is_no_connection(name):
    with pytest.raises(SearchError) as caught:
        SYNC[name](create_engine("postgresql+psycopg://"))
    assert str(caught.value).startswith(f"{name}() was given Engine(postgresql+psycopg://), which is no connection. ")
