"""Every search over a column without dimensions, in which rows of another length stand beside those that are searched."""

import numpy as np
import pytest
from every_form import AGGREGATES, FORMS, OTHER, QUERY
from situations import DIMENSIONS, WORDS
from sqlalchemy import Computed, ForeignKey, cast, create_engine, exists, func, insert, select, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.exc import DataError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import (
    HNSW,
    VECTOR,
    copy_rows,
    embedding_of,
    max_sim,
    nearest,
    nearest_each,
    nearest_first,
    nearest_per_group,
    recall,
    recommend,
    similar_pairs,
    stream,
    tune,
    vector_index,
)
from tests.db.filling import indexed_afterwards

METRICS = ("l2", "inner_product", "cosine", "l1")
OF_THE_OTHER, OWN = 4_000, 180


class Base(DeclarativeBase):
    pass


class Collection(Base):
    __tablename__ = "collection"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Row:
    lang: Mapped[str]
    title: Mapped[str]
    parent_id: Mapped[int]
    fts = mapped_column(TSVECTOR, Computed("to_tsvector('english', title)", persisted=True))


class Entry(Row, Base):
    """Vectors of two models in one column, and an index for the rows of each."""

    __tablename__ = "entry"
    number: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey(Collection.id))
    embedding = mapped_column(VECTOR())


class Alone(Row, Base):
    """The rows of one model by themselves."""

    __tablename__ = "alone"
    number: Mapped[int] = mapped_column(primary_key=True)
    embedding = mapped_column(VECTOR(DIMENSIONS), nullable=False)


VECTORS = cast(Entry.embedding, VECTOR(DIMENSIONS))
for metric in METRICS:
    where = Entry.collection_id == 2
    vector_index(f"ix_entry_{metric}", VECTORS, metric=metric, method=HNSW(), where=where)
vector_index("ix_entry_other", cast(Entry.embedding, VECTOR(3)), metric="l2", where=Entry.collection_id == 1)


class Searched:
    """The rows to search, as situations.Situation."""

    identity = staticmethod(lambda number: number)

    def __init__(self, entity, embedding, *conditions):
        self.entity, self.embedding = entity, embedding
        self.source = select(entity).where(*conditions)
        self.german = self.source.where(entity.lang == "de")

    def __getitem__(self, name):
        return self.embedding if name == "embedding" else getattr(self.entity, name)


def of_each(at, **options):
    some = at.source.where(at["number"] < 40).with_only_columns(at["number"], at["embedding"])
    return nearest_each(at.source, at["embedding"], some, k=4, **options)


FURTHER = {
    "like each of some": of_each,
    "pairs of some": lambda at, **options: similar_pairs(
        at.source.where(at["number"] < 40), at["embedding"], within=9.0, k=3, **options
    ),
    "an average of stored rows": lambda at, **options: recommend(
        at.source, at["embedding"], positive=[1, 2], k=5, **options
    ),
    "the best of stored rows": lambda at, **options: recommend(
        at.source, at["embedding"], positive=[1, 2], negative=[7], k=5, strategy="best_score", **options
    ),
    "locked": lambda at, **options: nearest(
        at.german.with_for_update(), at["embedding"], QUERY, k=5, within=9.0, **options
    ),
    "nearest, not too far": lambda at, **options: nearest(
        at.source, at["embedding"], QUERY, k=9, within=9.0, **options
    ),
    "a group of several": lambda at, **options: nearest_per_group(
        at.source, at["embedding"], OTHER, by=at["parent_id"], k=5, per_group=3, **options
    ),
    "few documents": lambda at, **options: max_sim(
        at.source.where(at["number"] < 9), at["embedding"], [QUERY, OTHER], by=at["parent_id"], k=20, **options
    ),
}
SEARCHES = {name: form for name, form in (FORMS | FURTHER).items() if "stages" not in name}
WITHIN_LITTLE = {"nearest, within", "pairs"}
"""Forms that find rows by cosine only, or by few metrics: nothing is as near as that by another."""
CONDITIONS = {
    "the collection": (Entry.collection_id == 2,),
    "the collection and another": (Entry.collection_id == 2, Entry.parent_id < 20),
}
LATE = {
    "a collection by its name": exists().where(Collection.id == Entry.collection_id, Collection.name == "large"),
    "a dear expression": func.repeat(func.md5(func.concat(Entry.collection_id, "")), 3).like(func.concat("c81e", "%")),
}
"""Conditions that PostgreSQL evaluates after those on the vector, which are cheaper."""


@pytest.fixture(scope="module")
def engine(vecsearch_databases):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    random = np.random.default_rng(3)
    rows = [
        {
            "number": number,
            "lang": "en" if number % 3 else "de",
            "title": f"{WORDS[number % 4]} {WORDS[number // 4 % 4]}",
            "parent_id": number % 24,
            "embedding": vector,
        }
        for number, vector in enumerate(random.normal(size=(OWN, DIMENSIONS)))
    ]
    others = [
        {"number": OWN + i, "lang": "de", "title": WORDS[0], "parent_id": i % 24, "embedding": vector}
        for i, vector in enumerate(random.normal(size=(OF_THE_OTHER, 3)))
    ]
    entries = [row | {"collection_id": 1} for row in others] + [row | {"collection_id": 2} for row in rows]
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Collection), [{"id": 1, "name": "small"}, {"id": 2, "name": "large"}])
        with indexed_afterwards(connection, Entry.__table__):
            copy_rows(connection, Entry, entries)
        copy_rows(connection, Alone, rows)
        connection.execute(text("ANALYZE"))
    yield engine
    engine.dispose()
    vecsearch_databases.drop(url)


@pytest.fixture
def session(engine):
    with Session(engine) as session:
        yield session


def found(session, form, at, **options):
    rows = session.execute(SEARCHES[form](at, **options)).all()
    if form in AGGREGATES | {"few documents"}:
        return [tuple(round(value, 2) for value in row) for row in rows]
    return [tuple(getattr(value, "number", None) for value in row) for row in rows]


def alone(*names):
    return Searched(Alone, Alone.embedding, *((Alone.parent_id < 20,) if "the collection and another" in names else ()))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("conditions", CONDITIONS)
@pytest.mark.parametrize("form", SEARCHES)
def test_only_the_vectors_of_the_collection_are_looked_at(session, form, conditions, metric):
    wanted = found(session, form, alone(conditions), metric=metric, exact=True)
    at = Searched(Entry, VECTORS, *CONDITIONS[conditions])
    assert wanted or form in WITHIN_LITTLE
    assert found(session, form, at, metric=metric) == wanted
    assert found(session, form, at, metric=metric, exact=True) == wanted


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("condition", LATE)
@pytest.mark.parametrize("form", SEARCHES)
def test_a_filter_that_postgresql_evaluates_late_keeps_the_others_out(session, form, condition, metric):
    at = Searched(Entry, VECTORS, LATE[condition])
    assert found(session, form, at, metric=metric, exact=True) == found(
        session, form, alone(), metric=metric, exact=True
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("conditions", CONDITIONS)
def test_a_collection_is_measured(session, conditions, metric):
    where = CONDITIONS[conditions]
    assert recall(session, VECTORS, k=5, sample=20, metric=metric, where=where) == 1.0
    assert recall(session, VECTORS, k=5, questions=[QUERY], metric=metric, where=where) == 1.0
    assert tune(session, VECTORS, k=5, sample=10, metric=metric, where=where).value in {5, 6}


@pytest.mark.parametrize("metric", METRICS)
def test_a_collection_is_streamed(session, metric):
    source = select(Entry.number).where(Entry.collection_id == 2)
    pages = stream(session, nearest_first(source, VECTORS, QUERY, metric=metric), page_size=50)
    assert len({row.number for page in pages for row in page}) == OWN


@pytest.mark.parametrize("strategy", ["average", "best_score"])
@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_examples_are_read_without_those_of_the_other_collection(session, metric, strategy):
    for way in ("indexscan", "bitmapscan"):
        session.execute(text(f"SET LOCAL enable_{way} = off"))
    source = select(Entry.number).where(Entry.collection_id == 2)
    search = recommend(source, VECTORS, positive=range(1, 9), k=5, metric=metric, strategy=strategy)
    assert len(session.execute(search).all()) == 5


@pytest.mark.parametrize("query", ["an example", "the question"])
def test_a_stored_row_of_another_length_is_refused_by_postgresql(session, query):
    source, stranger = select(Entry.number).where(Entry.collection_id == 2), OWN
    search = {
        "an example": recommend(source, VECTORS, positive=[1, stranger], k=5, metric="l2"),
        "the question": nearest(source, VECTORS, embedding_of(Entry, stranger), k=5, metric="l2"),
    }
    with pytest.raises(DataError, match=f"expected {DIMENSIONS} dimensions, not 3"):
        session.execute(search[query])
