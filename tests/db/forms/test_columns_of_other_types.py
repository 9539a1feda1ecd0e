"""Every search form over columns that hold vectors by another declaration: they are searched like the type itself."""

from collections.abc import Sequence

import numpy as np
import pytest
from every_form import AGGREGATES, FORMS
from situations import DIMENSIONS, ROWS, WORDS
from sqlalchemy import JSON, Computed, ForeignKey, cast, create_engine, insert, select, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column
from sqlalchemy.types import TypeDecorator, UserDefinedType

from sqlalchemy_vecsearch import (
    HALFVEC,
    HNSW,
    VECTOR,
    Strategy,
    assert_index_served,
    boosted,
    choose_strategy,
    copy_rows,
    describe_index,
    embedding_of,
    explain,
    lint,
    max_sim,
    nearest,
    nearest_each,
    nearest_per_group,
    recall,
    recommend,
    similar_pairs,
    tune,
    vector_index,
)
from tests.db.filling import indexed_afterwards


class Signs:
    """An application's own class of vectors."""

    def __init__(self, numbers):
        self.numbers = list(numbers)


class Decorated(TypeDecorator):
    impl = VECTOR(DIMENSIONS)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value.numbers if isinstance(value, Signs) else value

    def process_result_value(self, value, dialect):
        return Signs(value)


class Own(UserDefinedType):
    cache_ok = True

    def __init__(self, length):
        self.length = length

    def get_col_spec(self, **_):
        return f"Vector ({self.length})"

    def bind_processor(self, dialect):
        return str

    def result_processor(self, dialect, coltype):
        return lambda value: value if isinstance(value, Sequence) else str(value)


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "parent"
    id: Mapped[int] = mapped_column(primary_key=True)


class Typed(Base):
    __tablename__ = "typed"
    number: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str]
    title: Mapped[str]
    parent_id: Mapped[int] = mapped_column(ForeignKey(Parent.id))
    fts = mapped_column(TSVECTOR, Computed("to_tsvector('english', title)", persisted=True))
    plain = mapped_column(VECTOR(DIMENSIONS), nullable=False)
    decorated = mapped_column(Decorated(), nullable=False)
    variant = mapped_column(JSON().with_variant(VECTOR(DIMENSIONS), "postgresql"))
    other_variant = mapped_column(VECTOR(DIMENSIONS).with_variant(JSON(), "sqlite"))
    own = mapped_column(Own(DIMENSIONS))
    undimensioned = mapped_column(VECTOR())


HELD = {
    "plain": Typed.plain,
    "decorated": Typed.decorated,
    "variant": Typed.variant,
    "other variant": Typed.other_variant,
    "own": Typed.own,
    "cast": cast(Typed.undimensioned, VECTOR(DIMENSIONS)),
    "cast to halfvec": cast(Typed.undimensioned, HALFVEC(DIMENSIONS)),
}
INDEXES = {name: vector_index(f"ix_{name.replace(' ', '_')}", column, metric="cosine") for name, column in HELD.items()}
OTHERS = [name for name in HELD if name != "plain"]


class Entry(Base):
    """Vectors of several models in one column, and an index for the rows of each."""

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    collection: Mapped[int]
    embedding: Mapped[list[float]] = mapped_column(VECTOR())


OF_ENTRY = {1: cast(Entry.embedding, VECTOR(16)), 2: cast(Entry.embedding, VECTOR(3))}
for number, column in OF_ENTRY.items():
    vector_index(f"ix_entry_{number}", column, metric="cosine", method=HNSW(), where=Entry.collection == number)
vector_index("ix_entry_half", OF_ENTRY[1], metric="l2", method=HNSW(), quantize="halfvec", where=Entry.collection == 1)


class Searched:
    """A way to search the class, as situations.Situation: `embedding` is the column that is looked at."""

    entity, identity = Typed, staticmethod(lambda number: number)

    def __init__(self, held):
        self.held = held
        self.source = Typed
        self.german = select(Typed).where(Typed.lang == "de")

    def __getitem__(self, name):
        return self.held if name == "embedding" else getattr(Typed, name)


@pytest.fixture(scope="module")
def engine(vecsearch_databases):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    random = np.random.default_rng(3)
    rows = [
        {
            "number": number,
            "lang": "en" if number % 3 else "de",
            "title": f"{WORDS[number % 4]} {WORDS[number // 4 % 4]}",
            "parent_id": number % 24,
            "decorated": Signs(vector),
        }
        | dict.fromkeys(("plain", "variant", "other_variant", "own", "undimensioned"), vector)
        for number, vector in enumerate(random.normal(size=(ROWS, DIMENSIONS)).tolist())
    ]
    entries = [{"id": i, "collection": 1, "embedding": v} for i, v in enumerate(random.normal(size=(4000, 16)))]
    entries += [{"id": 4000 + i, "collection": 2, "embedding": v} for i, v in enumerate(random.normal(size=(90, 3)))]
    with engine.begin() as connection:
        connection.execute(insert(Parent), [{"id": number} for number in range(24)])
        connection.execute(insert(Typed), rows)
        with indexed_afterwards(connection, Entry.__table__):
            copy_rows(connection, Entry, entries)
        connection.execute(text("ANALYZE"))
    yield engine
    engine.dispose()
    vecsearch_databases.drop(url)


@pytest.fixture
def session(engine):
    with Session(engine) as session:
        yield session


def found(rows, form):
    """Return what a form finds, entities by their numbers."""
    if form in AGGREGATES:
        return [tuple(round(value, 2) for value in row) for row in rows]
    return [tuple(getattr(value, "number", None) for value in row) for row in rows]


@pytest.mark.parametrize("held", OTHERS)
@pytest.mark.parametrize("form", [name for name in FORMS if "stages" not in name])
def test_the_same_rows_are_found(session, held, form):
    wanted = found(session.execute(FORMS[form](Searched(Typed.plain), exact=True)).all(), form)
    assert wanted
    assert found(session.execute(FORMS[form](Searched(HELD[held]))).all(), form) == wanted


@pytest.mark.parametrize("held", HELD)
def test_its_index_is_described_and_described_again_in_a_copy(held):
    described = describe_index(INDEXES[held])
    assert (described.metric, described.quantize) == ("cosine", None)
    assert str(described.cast) == {"cast": "vector(8)", "cast to halfvec": "halfvec(8)"}.get(held, "None")
    copied = Typed.__table__.to_metadata(type(Base.metadata)())
    (same,) = [index for index in copied.indexes if index.name == INDEXES[held].name]
    again = describe_index(same)
    assert (again.column, again.cast) == (copied.c[described.column.key], described.cast)


@pytest.mark.parametrize("held", HELD)
def test_it_is_measured_like_the_type_itself(session, held):
    column = HELD[held]
    assert recall(session, column, k=5, sample=10) == 1.0
    assert tune(session, column, k=5, sample=10).ef_search in {5, 6}
    search = nearest(Typed, column, embedding_of(Typed, 3), k=2)
    assert lint(search) == []
    assert assert_index_served(session, search).indexes == (INDEXES[held].name,)
    assert choose_strategy(session, select(Typed).where(Typed.number < 2)) is Strategy.EXACT


def test_values_of_an_application_are_searched_for(session):
    vector = session.get(Typed, 5).decorated
    assert isinstance(vector, Signs)
    assert session.execute(nearest(Typed, Typed.decorated, vector, k=1)).one()[0].number == 5


def test_an_alias_of_the_class_is_searched_through_a_cast(session):
    other = aliased(Typed)
    column = cast(other.undimensioned, VECTOR(DIMENSIONS))
    by_alias = session.execute(nearest(other, column, embedding_of(Typed, 7), k=4)).all()
    by_column = session.execute(nearest(Typed, HELD["plain"], embedding_of(Typed, 7), k=4)).all()
    assert [row[0].number for row in by_alias] == [row[0].number for row in by_column]


def test_a_core_table_is_searched_through_a_cast(session):
    table = Typed.__table__
    column = cast(table.c.undimensioned, VECTOR(DIMENSIONS))
    rows = session.execute(nearest(select(table.c.number), column, embedding_of(table, 7), k=4)).all()
    wanted = session.execute(nearest(Typed, HELD["plain"], embedding_of(Typed, 7), k=4)).all()
    assert [row.number for row in rows] == [row[0].number for row in wanted]


@pytest.mark.parametrize(("collection", "dimensions"), [(1, 16), (2, 3)])
def test_a_collection_of_a_column_without_dimensions_is_searched_by_its_own_index(session, collection, dimensions):
    source = select(Entry.id).where(Entry.collection == collection)
    search = nearest(source, OF_ENTRY[collection], [0.5] * dimensions, k=10, metric="cosine")
    exact = nearest(source, OF_ENTRY[collection], [0.5] * dimensions, k=10, metric="cosine", exact=True)
    assert assert_index_served(session, search).indexes == (f"ix_entry_{collection}",)
    assert session.execute(search).all() == session.execute(exact).all()
    assert len(session.execute(search).all()) == 10


OF_COLLECTION = {
    "one of each group": lambda s, e, q, **o: nearest_per_group(s, e, q, by=Entry.id, k=5, **o),
    "some of each group": lambda s, e, q, **o: nearest_per_group(s, e, q, by=Entry.id, k=5, per_group=2, **o),
    "pairs": lambda s, e, q, **o: similar_pairs(s.where(Entry.id < 4020), e, within=2.0, k=2, **o),
    "late interaction": lambda s, e, q, **o: max_sim(s, e, [q, q[::-1]], by=Entry.id, k=5, **o),
    "a batch": lambda s, e, q, **o: nearest_each(s, e, {1: q}, k=5, **o),
    "an average": lambda s, e, q, **o: recommend(s, e, positive=[4000, q], k=5, **o),
    "boosted": lambda s, e, q, **o: boosted(s, e, q, boost=0.0, k=5, **o),
}


@pytest.mark.parametrize("exact", [False, True], ids=["by the index", "exact"])
@pytest.mark.parametrize("form", OF_COLLECTION.values(), ids=OF_COLLECTION)
def test_forms_of_several_levels_search_the_rows_of_a_partial_index(session, form, exact):
    rows = select(Entry).where(Entry.collection == 2)
    found = session.execute(form(rows, OF_ENTRY[2], [0.5, 0.1, -0.3], metric="cosine", exact=exact)).all()
    assert len(found) >= 5
    assert {value.collection for row in found for value in row if isinstance(value, Entry)} <= {2}


def test_a_quantised_index_over_a_cast_serves(session):
    source = select(Entry.id).where(Entry.collection == 1)
    plan = explain(session, nearest(source, OF_ENTRY[1], [0.5] * 16, k=10, metric="l2"))
    assert plan.indexes == ("ix_entry_half",)
