"""Columns of arrays of vectors: nothing to set up, and the same values on every driver."""

from __future__ import annotations

import numpy as np
import psycopg
import pytest
from pgvector import HalfVector, SparseVector, Vector
from pgvector.asyncpg import register_vector as register_asyncpg
from pgvector.psycopg import register_vector as register_psycopg
from pgvector.psycopg2 import register_vector as register_psycopg2
from scipy.sparse import coo_array
from sqlalchemy import (
    ARRAY,
    Column,
    Integer,
    MetaData,
    Table,
    any_,
    cast,
    event,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch.errors import DimensionError, VectorValueError
from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR

boxes = Table(
    "box",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("many", ARRAY(VECTOR(3, returns="list"))),
    Column("arrays", postgresql.ARRAY(VECTOR(3, returns="numpy"), dimensions=1)),
    Column("halves", ARRAY(HALFVEC(3, returns="list"))),
    Column("sparse", ARRAY(SPARSEVEC(3))),
    Column("bits", ARRAY(BIT(3))),
    Column("grid", ARRAY(VECTOR(2, returns="list"), dimensions=2)),
    Column("pairs", ARRAY(VECTOR(2, returns="list"), as_tuple=True)),
    Column("numbers", ARRAY(Integer)),
)
GIVEN = {
    "many": [[0.1, 2, 3], np.array([4, 5, 6]), None, Vector([7, 8, 9])],
    "arrays": np.array([[0.1, 2, 3], [4, 5, 6]]),
    "halves": [(0.5, 1, 2), HalfVector([3, 4, 5])],
    "sparse": [[0, 0.5, 0], SparseVector({2: 1}, 3), coo_array([1, 0, 0]), None],
    "bits": ["101", None, [True, False, False]],
    "grid": [[[1, 2], [3, 4]], [[5, 6], None]],
    "pairs": ([1, 2], [3, 4]),
    "numbers": [1, 2],
}
READ = {
    "many": [[0.1, 2, 3], [4, 5, 6], None, [7, 8, 9]],
    "halves": [[0.5, 1, 2], [3, 4, 5]],
    "sparse": [SparseVector({1: 0.5}, 3), SparseVector({2: 1}, 3), SparseVector({0: 1}, 3), None],
    "bits": ["101", None, "100"],
    "grid": [[[1, 2], [3, 4]], [[5, 6], None]],
    "pairs": ([1, 2], [3, 4]),
    "numbers": [1, 2],
}


def write_and_read(connection):
    boxes.create(connection)
    connection.execute(insert(boxes), GIVEN)
    row = connection.execute(select(boxes)).mappings().one()
    assert {name: row[name] for name in READ} == READ
    assert [array.dtype for array in row["arrays"]] == [np.float32] * 2
    assert [array.tolist() for array in row["arrays"]] == np.float32([[0.1, 2, 3], [4, 5, 6]]).tolist()


def test_arrays_of_every_type_come_back(run):
    run(write_and_read)


@pytest.mark.parametrize(
    ("driver", "register"),
    [("psycopg", register_psycopg), ("psycopg2", register_psycopg2)],
    ids=["psycopg", "psycopg2"],
)
def test_register_vector_changes_nothing(make_engine, driver, register):
    engine = make_engine(driver)
    event.listen(engine, "connect", lambda connection, _: register(connection))
    with engine.begin() as connection:
        write_and_read(connection)


async def test_a_codec_registered_with_asyncpg_changes_nothing(make_engine):
    engine = make_engine("asyncpg")
    event.listen(engine.sync_engine, "connect", lambda connection, _: connection.run_async(register_asyncpg))
    async with engine.begin() as connection:
        await connection.run_sync(write_and_read)


def test_a_client_side_cursor_writes_arrays(make_engine):
    engine = make_engine("psycopg", connect_args={"cursor_factory": psycopg.ClientCursor})
    with engine.begin() as connection:
        write_and_read(connection)


def test_empty_arrays_and_nulls_come_back(run):
    names = [column.name for column in boxes.columns if column.name != "id"]

    def check(connection):
        boxes.create(connection)
        connection.execute(insert(boxes), [dict.fromkeys(names), dict.fromkeys(names)])
        connection.execute(insert(boxes), {name: [] for name in names})
        connection.execute(insert(boxes), {"grid": [[], []]})
        found = connection.execute(select(*boxes.c[*names]).order_by(boxes.c.id)).all()
        assert found[:2] == [(None,) * len(names)] * 2
        assert [list(value) for value in found[2]] == [[]] * len(names)
        assert found[3].grid == []

    run(check)


def test_two_dimensions_are_found_where_none_are_declared(run):
    def check(connection):
        boxes.create(connection)
        connection.execute(insert(boxes), {"many": [[[1, 2, 3]], [[4, 5, 6]]]})
        connection.execute(insert(boxes), {"many": np.arange(12).reshape(2, 2, 3)})
        assert connection.scalars(select(boxes.c.many).order_by(boxes.c.id)).all() == [
            [[[1, 2, 3]], [[4, 5, 6]]],
            [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]],
        ]
        assert connection.scalars(select(func.array_ndims(boxes.c.many))).all() == [2, 2]

    run(check)


def test_lower_bounds_of_the_server_are_read_over(run):
    def check(connection):
        stored = text(r"""SELECT '[0\:1]={"[1,2]",NULL}'\:\:vector[] AS many""")
        found = select(stored.columns(many=ARRAY(VECTOR(2, returns="list"))).subquery().c.many)
        assert connection.scalar(found) == [[1, 2], None]

    run(check)


def test_elements_slices_and_aggregates_keep_the_type(run):
    def check(connection):
        boxes.create(connection)
        connection.execute(insert(boxes), [{"many": [[0.1, 2, 3], [4, 5, 6]]}, {"many": [[7, 8, 9]]}])
        first = boxes.c.id == 1
        assert connection.scalar(select(boxes.c.many[2]).where(first)) == [4, 5, 6]
        assert connection.scalar(select(boxes.c.many[1:1]).where(first)) == [[0.1, 2, 3]]
        gathered = select(func.array_agg(postgresql.aggregate_order_by(boxes.c.many[1], boxes.c.id)))
        assert connection.scalar(gathered) == [[0.1, 2, 3], [7, 8, 9]]
        built = select(postgresql.array([boxes.c.many[2], boxes.c.many[1]])).where(first)
        assert connection.scalar(built) == [[4, 5, 6], [0.1, 2, 3]]
        nearest = select(boxes.c.id).order_by(boxes.c.many[1].l2_distance([7, 8, 9])).limit(1)
        assert connection.scalar(nearest) == 2

    run(check)


def test_arrays_are_compared_searched_and_updated(run):
    def check(connection):
        boxes.create(connection)
        connection.execute(insert(boxes), [{"many": [[1, 2, 3]]}, {"many": [[4, 5, 6], [1, 2, 3]]}])
        assert connection.scalar(select(boxes.c.id).where(boxes.c.many == [[1, 2, 3]])) == 1
        holding = select(boxes.c.id).where(literal([4, 5, 6], VECTOR(3)) == any_(boxes.c.many))
        assert connection.scalar(holding) == 2
        among = select(boxes.c.id).where(boxes.c.many.in_([[[1, 2, 3]], [[7, 8, 9]]]))
        assert connection.scalars(among).all() == [1]
        connection.execute(update(boxes).values(many=boxes.c.many.concat([[7, 8, 9]])).where(boxes.c.id == 1))
        assert connection.scalar(select(boxes.c.many).where(boxes.c.id == 1)) == [[1, 2, 3], [7, 8, 9]]
        returned = connection.execute(insert(boxes).returning(boxes.c.many), [{"many": [[1, 1, 1]]}, {"many": []}])
        assert returned.scalars().all() == [[[1, 1, 1]], []]

    run(check)


def test_parameters_and_literals_stand_alone(run):
    def check(connection):
        value = [[0.1, 2, 3], None]
        assert connection.scalar(select(literal(value, ARRAY(VECTOR(3, returns="list"))))) == value
        assert connection.scalar(select(cast(value, ARRAY(HALFVEC(3, returns="list"))))) == [
            pytest.approx([0.1, 2, 3], rel=1e-3),
            None,
        ]
        rendered = select(literal(value, ARRAY(VECTOR(3, returns="list"))).label("value")).compile(
            connection, compile_kwargs={"literal_binds": True}
        )
        assert str(rendered) == "SELECT '{\"[0.1,2,3]\",NULL}'::VECTOR(3)[] AS value"
        boxes.create(connection)
        into = (
            insert(boxes).values(many=value, bits=["101"]).compile(connection, compile_kwargs={"literal_binds": True})
        )
        connection.exec_driver_sql(str(into))
        assert connection.execute(select(boxes.c.many, boxes.c.bits)).one() == (value, ["101"])

    run(check)


def test_a_bad_element_is_refused_by_the_name_of_its_column(run):
    def check(connection):
        boxes.create(connection)
        cases = [
            (
                {"many": [[1, 2, 3], [1, 2]]},
                DimensionError,
                "The vector for 'many' does not fit: expected 3 dimensions, not 2. ",
            ),
            ({"halves": [[1, 2, float("nan")]]}, VectorValueError, "The vector for 'halves' holds nan at position 2. "),
            ({"arrays": "[1,2,3]"}, VectorValueError, "The array for 'arrays' is a str. "),
            ({"arrays": [[]]}, VectorValueError, "The vector for 'arrays' is empty. "),
        ]
        for bad, error, start in cases:
            with pytest.raises(StatementError) as caught:
                connection.execute(insert(boxes), bad)
            assert isinstance(caught.value.orig, error)
            assert str(caught.value.orig).startswith(start)
        assert connection.scalar(select(func.count()).select_from(boxes)) == 0

    run(check)


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    chunks: Mapped[list[list[float]]] = mapped_column(MutableList.as_mutable(ARRAY(VECTOR(3, returns="list"))))


def test_entities_with_arrays_are_written_changed_and_read(run):
    def check(connection):
        Base.metadata.create_all(connection)
        with Session(connection) as session:
            session.add_all([Page(chunks=[[1, 2, 3]]), Page(chunks=[])])
            session.flush()
            first = session.get_one(Page, 1, populate_existing=True)
            first.chunks.append([4, 5, 6])
            session.flush()
            session.expire_all()
            assert session.scalars(select(Page.chunks).order_by(Page.id)).all() == [[[1, 2, 3], [4, 5, 6]], []]

    run(check)


def test_reflection_gives_arrays_of_our_types(run):
    def check(connection):
        boxes.create(connection)
        found = {column["name"]: column["type"] for column in inspect(connection).get_columns("box")}
        assert [repr(found[name].item_type) for name in ("many", "halves", "sparse")] == [
            "VECTOR(dim=3)",
            "HALFVEC(dim=3)",
            "SPARSEVEC(dim=3)",
        ]
        connection.execute(insert(boxes), {"many": [[1, 2, 3]]})
        again = Table("box", MetaData(), autoload_with=connection)
        assert list(map(list, connection.scalar(select(again.c.many)))) == [[1, 2, 3]]

    run(check)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg_async", "asyncpg"])
async def test_the_extension_may_be_outside_the_search_path(make_engine, bare_url, driver):
    table = Table("item", MetaData(), Column("many", ARRAY(VECTOR(2, returns="list"))))

    def check(connection):
        connection.execute(text('CREATE SCHEMA "My Tools"'))
        connection.execute(text('CREATE EXTENSION vector SCHEMA "My Tools"'))
        connection.execute(text('CREATE TABLE item (many "My Tools".vector(2)[])'))
        connection.execute(insert(table), {"many": [[1, 2], None]})
        assert connection.scalar(select(table.c.many)) == [[1, 2], None]

    engine = make_engine(driver, url=bare_url)
    if driver == "psycopg":
        with engine.begin() as connection:
            check(connection)
        return
    async with engine.begin() as connection:
        await connection.run_sync(check)


class Unchanged(TypeDecorator):
    """A decorator that does nothing to values."""

    impl = VECTOR
    cache_ok = True


def test_items_of_a_decorator_that_changes_no_values(run):
    table = Table("item", MetaData(), Column("many", ARRAY(Unchanged(2, returns="list"))))

    def check(connection):
        table.create(connection)
        connection.execute(insert(table), {"many": [[1, 2], None]})
        assert connection.scalar(select(table.c.many)) == [[1, 2], None]

    run(check)
