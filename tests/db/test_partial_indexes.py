import numpy as np
import pytest
from sqlalchemy import Column, Computed, Integer, MetaData, Table, create_engine, insert, select, text
from sqlalchemy.dialects.postgresql import TSVECTOR

from sqlalchemy_vecsearch import VECTOR, dense, fulltext, hybrid, nearest, nearest_each, vector_index
from tests.db.filling import indexed_afterwards

DIMENSIONS = 8
item = Table(
    "item",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("category", Integer),
    Column("embedding", VECTOR(DIMENSIONS)),
    Column("words", TSVECTOR, Computed("to_tsvector('simple', CAST(id AS text))", persisted=True)),
)
for number in (7, 8):
    vector_index(f"ix_item_{number}", item.c.embedding, metric="l2", where=item.c.category == number)


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(3).normal(size=(12_000, DIMENSIONS)).astype(np.float32)


@pytest.fixture(scope="module")
def engine(vecsearch_databases, vectors):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    item.metadata.create_all(engine)
    with engine.begin() as connection:
        rows = [{"id": i, "category": 6 + i % 4, "embedding": v.tolist()} for i, v in enumerate(vectors)]
        with indexed_afterwards(connection, item):
            connection.execute(insert(item), rows)
        connection.execute(text("ANALYZE item"))
    yield engine
    engine.dispose()
    vecsearch_databases.drop(url)


@pytest.fixture
def connection(engine):
    with engine.connect() as connection:
        yield connection


def nearest_ids(vectors, query, k, categories):
    order = np.argsort(np.linalg.norm(vectors - query, axis=1))
    return [int(i) for i in order if 6 + int(i) % 4 in categories][:k]


@pytest.mark.parametrize(
    ("categories", "indexes"), [([7], {"ix_item_7"}), ([8], {"ix_item_8"}), ([7, 8], {"ix_item_7", "ix_item_8"})]
)
def test_partial_indexes_serve_the_filters_they_are_made_for(connection, vectors, categories, indexes, indexes_used):
    condition = item.c.category == categories[0] if len(categories) == 1 else item.c.category.in_(categories)
    query = np.zeros(DIMENSIONS, np.float32)
    statement = nearest(select(item.c.id).where(condition), item.c.embedding, query, k=20)
    assert indexes_used(connection, statement) == indexes
    found = connection.execute(statement).scalars().all()
    assert len(set(found) & set(nearest_ids(vectors, query, 20, categories))) >= 19


def test_a_condition_that_the_queries_share_with_the_source_is_sent_once(connection):
    source = select(item.c.id).where(item.c.category == 7)
    queries = source.with_only_columns(item.c.id, item.c.embedding).where(item.c.id < 200)
    rows = connection.execute(nearest_each(source, item.c.embedding, queries, k=3)).all()
    assert len(rows) == 150
    assert {row.id % 4 for row in rows} == {1}


def test_words_are_searched_beside_vectors_of_a_partial_index(connection):
    source = select(item.c.id).where(item.c.category == 7)
    legs = [dense(item.c.embedding, [0.0] * DIMENSIONS), fulltext(item.c.words, "45", language="simple")]
    rows = connection.execute(hybrid(source, legs, k=5)).all()
    assert len(rows) == 5
    assert {row.id % 4 for row in rows} == {1}
    assert [row.id for row in rows if row.fulltext_rank] == [45]


def test_a_partial_index_serves_a_generic_plan_too(connection, indexes_used):
    connection.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
    statement = nearest(select(item.c.id).where(item.c.category == 7), item.c.embedding, [0.0] * DIMENSIONS, k=5)
    assert indexes_used(connection, statement) == {"ix_item_7"}
    connection.rollback()


def test_locked_rows_behind_several_partial_indexes_are_passed_over(connection):
    source = select(item.c.id).where(item.c.category.in_([7, 8])).with_for_update(skip_locked=True)
    statement = nearest(source, item.c.embedding, [0.0] * DIMENSIONS, k=5)
    one = connection.execute(statement).scalars().all()
    with connection.engine.connect() as second:
        two = second.execute(statement).scalars().all()
    assert len(one) == len(two) == 5
    assert not set(one) & set(two)
