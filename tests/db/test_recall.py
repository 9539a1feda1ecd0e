import numpy as np
import pytest
from sqlalchemy import create_engine, insert, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import HNSW, IVFFlat, SearchError, embedding_column
from sqlalchemy_vecsearch.measuring.recall import recall
from sqlalchemy_vecsearch.measuring.tuning import tune

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


def test_a_target_that_is_no_recall_is_refused(session):
    with pytest.raises(SearchError) as caught:
        tune(session, Item.graph, target=95)
    assert str(caught.value) == (
        "target=95 is no recall. A recall is the share of the true nearest rows that are found, above 0 and up to 1. "
        "Pass a number such as 0.95."
    )


def test_an_empty_table_can_not_be_measured(engine):
    Base.metadata.create_all(engine)
    with engine.connect() as connection, pytest.raises(SearchError) as caught:
        recall(connection, Item.graph)
    assert str(caught.value) == (
        "The recall of 'item.graph' can not be measured. It takes stored embeddings as queries and looks for their "
        "neighbours, and the table has fewer than two. Load rows first."
    )
