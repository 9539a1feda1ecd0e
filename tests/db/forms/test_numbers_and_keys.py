"""Numbers and keys as arrays give them, and more of them than a statement has parameters."""

import numpy as np
import pytest
from sqlalchemy import create_engine, func, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import (
    HNSW,
    RRF,
    SearchError,
    Weighted,
    dense,
    embedding_column,
    embedding_of,
    hybrid,
    nearest,
    nearest_each,
    nearest_first,
    nearest_per_group,
    page,
    recommend,
    stream,
)

QUERY = [1.0, 2.0, 3.0]
HUGE = 2**63


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "numbered"
    id: Mapped[int] = mapped_column(primary_key=True)
    group: Mapped[int]
    embedding: Mapped[list[float]] = embedding_column(3, metric="l2", index=HNSW())


class Twofold(Base):
    __tablename__ = "twofold"
    one: Mapped[int] = mapped_column(primary_key=True)
    other: Mapped[str] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = embedding_column(3, metric="l2", index=HNSW())


@pytest.fixture(scope="module")
def numbers_url(vecsearch_databases):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Row), [{"id": i, "group": i % 4, "embedding": [i, 2, 3]} for i in range(40)])
        rows = [{"one": i, "other": f"k{i}", "embedding": [i, 2, 3]} for i in range(9)]
        connection.execute(insert(Twofold), rows)
    engine.dispose()
    yield url
    vecsearch_databases.drop(url)


@pytest.fixture
def session(numbers_url, make_engine):
    with Session(make_engine("psycopg", url=numbers_url)) as session:
        yield session


BY_NUMPY = {
    "nearest": (
        nearest(Row, Row.embedding, QUERY, k=np.int64(3), ef_search=np.int32(50), oversample=np.uint8(2)),
        nearest(Row, Row.embedding, QUERY, k=3, ef_search=50, oversample=2),
    ),
    "within": (
        nearest(Row, Row.embedding, QUERY, k=3, within=np.float32(1.5)),
        nearest(Row, Row.embedding, QUERY, k=3, within=1.5),
    ),
    "like a row": (
        nearest(Row, Row.embedding, embedding_of(Row, np.int64(4)), k=3),
        nearest(Row, Row.embedding, embedding_of(Row, 4), k=3),
    ),
    "like a row of two keys": (
        nearest(Twofold, Twofold.embedding, embedding_of(Twofold, (np.int64(4), np.str_("k4"))), k=3),
        nearest(Twofold, Twofold.embedding, embedding_of(Twofold, (4, "k4")), k=3),
    ),
    "groups": (
        nearest_per_group(Row, Row.embedding, QUERY, by=Row.group, k=np.int64(3), per_group=np.int8(2)),
        nearest_per_group(Row, Row.embedding, QUERY, by=Row.group, k=3, per_group=2),
    ),
    "each": (
        nearest_each(Row, Row.embedding, {np.int64(7): QUERY}, k=np.int64(2)),
        nearest_each(Row, Row.embedding, {7: QUERY}, k=2),
    ),
    "a recommendation": (
        recommend(Row, Row.embedding, positive=list(np.arange(3, 5)), negative=[np.int64(9)], k=3),
        recommend(Row, Row.embedding, positive=[3, 4], negative=[9], k=3),
    ),
    "a page": (
        page(Row, Row.embedding, QUERY, number=np.int64(2), size=np.int64(3), pool=np.int64(9)),
        page(Row, Row.embedding, QUERY, number=2, size=3, pool=9),
    ),
    "hybrid": (
        hybrid(Row, [dense(Row.embedding, QUERY, name="a")], k=3, fusion=RRF(np.int64(60), {"a": np.float32(0.5)})),
        hybrid(Row, [dense(Row.embedding, QUERY, name="a")], k=3, fusion=RRF(60, {"a": 0.5})),
    ),
}


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
@pytest.mark.parametrize("form", BY_NUMPY)
def test_numbers_and_keys_of_numpy_are_numbers_and_keys(numbers_url, make_engine, driver, form):
    by_numpy, by_python = BY_NUMPY[form]
    with Session(make_engine(driver, url=numbers_url)) as session:
        found = session.execute(by_numpy).all()
        assert found == session.execute(by_python).all()
        assert found


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: nearest(Row, Row.embedding, QUERY, k=HUGE), "k=9223372036854775808 is not possible"),
        (lambda: nearest(Row, Row.embedding, QUERY, k=1, oversample=HUGE), "oversample=9223372036854775808 is not"),
        (lambda: nearest(select(Row).offset(HUGE), Row.embedding, QUERY, k=1), "The OFFSET of the statement is 9,22"),
        (
            lambda: nearest_per_group(Row, Row.embedding, QUERY, by=Row.group, k=1, per_group=HUGE),
            "per_group=9223372036854775808 is not possible",
        ),
        (lambda: page(Row, Row.embedding, QUERY, number=1, size=5, pool=HUGE), "pool=9223372036854775808 is not"),
        (
            lambda: recommend(Twofold, Twofold.embedding, positive=[(i, "k") for i in range(66_000)], k=1),
            "There are 66,000 keys of 2 columns to look for",
        ),
    ],
)
def test_more_than_a_server_can_count_is_refused(build, words):
    with pytest.raises(SearchError, match=words):
        build()


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
@pytest.mark.parametrize("strategy", ["average", "best_score"])
def test_more_keys_than_parameters_are_one_array(numbers_url, make_engine, driver, strategy):
    keys = list(range(20, 66_020))
    with Session(make_engine(driver, url=numbers_url)) as session:
        rows = session.execute(recommend(Row, Row.embedding, positive=keys, k=3, strategy=strategy)).all()
    assert {row[0].id for row in rows} == {17, 18, 19}


@pytest.mark.parametrize("fusion", [RRF, Weighted])
def test_weights_without_names_are_refused(fusion):
    with pytest.raises(SearchError) as caught:
        fusion(weights=[0.5, 1])
    assert str(caught.value) == (
        "weights=[0.5, 1] names no legs. A weight belongs to a leg by its name, since legs may be added and left out. "
        'Pass a dict such as weights={"fulltext": 0.5}; a leg that it does not name has 1.'
    )


@pytest.mark.parametrize("style", ["German", "SQL, DMY", "Postgres, MDY"])
def test_a_stream_does_not_depend_on_how_dates_are_written(session, style):
    session.execute(text(f"SET datestyle = '{style}'"))
    pages = list(stream(session, nearest_first(select(Row.id), Row.embedding, QUERY), page_size=25))
    assert [len(rows) for rows in pages] == [25, 15]


def test_a_stream_in_autocommit_is_still_refused(numbers_url, make_engine):
    engine = make_engine("psycopg", url=numbers_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, pytest.raises(SearchError, match="is in autocommit"):
        list(stream(connection, nearest_first(select(Row.id), Row.embedding, QUERY)))


def test_a_distance_by_the_bare_operator_is_a_float(session):
    distance = session.scalar(select(Row.embedding.op("<->")([0, 0, 0])).where(Row.id == 1))
    assert type(distance) is float
    assert type(session.scalar(select(func.max(Row.embedding.op("<->")([0, 0, 0]))))) is float


def test_the_largest_numbers_together_give_all_rows(session):
    most = 1_000_000_000
    some = nearest_per_group(Row, Row.embedding, QUERY, by=Row.group, k=10, per_group=10)
    all_rows = nearest_per_group(Row, Row.embedding, QUERY, by=Row.group, k=most, per_group=most, oversample=most)
    assert len(session.execute(all_rows).all()) >= len(session.execute(some).all()) > 0
