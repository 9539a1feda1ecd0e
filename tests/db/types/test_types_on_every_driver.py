"""The behaviour of pgvector.sqlalchemy, with our types, on every driver."""

from __future__ import annotations

import numpy as np
import pytest
from pgvector import HalfVector, SparseVector, Vector
from scipy.sparse import coo_array
from sqlalchemy import (
    Connection,
    func,
    insert,
    inspect,
    literal,
    select,
    update,
)
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch.errors import DimensionError, VectorValueError
from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR, avg, sum  # noqa: A004


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float] | None] = mapped_column(VECTOR(3, returns="list"))
    array: Mapped[np.ndarray | None] = mapped_column(VECTOR(3, returns="numpy"))
    half: Mapped[list[float] | None] = mapped_column(HALFVEC(3, returns="list"))
    half_array: Mapped[np.ndarray | None] = mapped_column(HALFVEC(3, returns="numpy"))
    sparse: Mapped[SparseVector | None] = mapped_column(SPARSEVEC(3))
    bits: Mapped[str | None] = mapped_column(BIT(3))


items = Item.__table__
ROWS = [[1, 1, 1], [2, 2, 2], [1, 1, 2]]


def fill(connection: Connection):
    Base.metadata.create_all(connection)
    connection.execute(
        insert(items),
        [
            {"embedding": row, "array": np.array(row), "half": row, "half_array": row, "sparse": row, "bits": bits}
            for row, bits in zip(ROWS, ["000", "101", "111"], strict=True)
        ],
    )


def plain(row):
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in row]


async def test_an_async_psycopg_sends_a_vector(make_engine):
    """Its dumpers are registered on the driver's own cursor; the other tests leave this driver to the full product."""
    async with make_engine("psycopg_async").connect() as connection:
        assert await connection.scalar(select(literal([1, 2, 3], VECTOR(3, returns="list")))) == [1, 2, 3]


def test_values_come_back_in_the_same_classes(run):
    def check(connection):
        fill(connection)
        row = connection.execute(select(items).where(items.c.id == 2)).one()
        assert plain(row) == [2, [2, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2], SparseVector([2, 2, 2]), "101"]
        assert [type(row.embedding), type(row.half)] == [list, list]
        assert row.array.dtype == row.half_array.dtype == np.float32
        assert isinstance(row.bits, str)

    run(check)


def test_null_comes_back_as_none(run):
    def check(connection):
        Base.metadata.create_all(connection)
        names = [column.name for column in items.columns if column.name != "id"]
        connection.execute(insert(items), dict.fromkeys(names))
        connection.execute(insert(items), [dict.fromkeys(names), dict.fromkeys(names)])
        connection.execute(insert(items).returning(items.c.array), [dict.fromkeys(names), dict.fromkeys(names)])
        rows = connection.execute(select(*items.c[*names])).all()
        assert rows == [(None,) * len(names)] * 5

    run(check)


@pytest.mark.parametrize(
    "value",
    [[0.1, 2, 3], (0.1, 2, 3), np.array([0.1, 2, 3]), np.array([0.1, 2, 3], dtype=np.float32), Vector([0.1, 2, 3])],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_value_is_stored_in_single_precision(run, value):
    def check(connection):
        Base.metadata.create_all(connection)
        row = connection.execute(
            insert(items).returning(items.c.embedding, items.c.array), {"embedding": value, "array": value}
        ).one()
        assert row.embedding == [0.1, 2, 3]
        assert row.array.tolist() == np.array([0.1, 2, 3], dtype=np.float32).tolist()

    run(check)


@pytest.mark.parametrize(
    "value",
    [[0, 0.5, 0], np.array([0, 0.5, 0]), SparseVector({1: 0.5}, 3), coo_array([0, 0.5, 0])],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_sparse_value_is_stored(run, value):
    def check(connection):
        Base.metadata.create_all(connection)
        assert connection.scalar(insert(items).returning(items.c.sparse), {"sparse": value}) == SparseVector(
            {1: 0.5}, 3
        )

    run(check)


@pytest.mark.parametrize("value", ["101", [True, False, True], np.array([1, 0, 1], dtype=bool)], ids=str)
def test_every_kind_of_bits_is_stored(run, value):
    def check(connection):
        Base.metadata.create_all(connection)
        assert connection.scalar(insert(items).returning(items.c.bits), {"bits": value}) == "101"

    run(check)


def test_half_values_of_pgvector_are_stored(run):
    def check(connection):
        Base.metadata.create_all(connection)
        value = HalfVector([0.1, 2, 3])
        row = connection.execute(insert(items).returning(items.c.half), {"half": value}).one()
        assert np.float16(row.half).tolist() == value.to_list()

    run(check)


@pytest.mark.parametrize(
    ("column", "method", "query", "distances"),
    [
        ("embedding", "l2_distance", [1, 1, 1], [0, 1.7320508, 1]),
        ("embedding", "max_inner_product", [1, 1, 1], [-3, -6, -4]),
        ("embedding", "cosine_distance", [1, 1, 1], [0, 0, 0.05719095]),
        ("embedding", "l1_distance", [1, 1, 1], [0, 3, 1]),
        ("array", "l2_distance", np.ones(3), [0, 1.7320508, 1]),
        ("half", "l2_distance", [1, 1, 1], [0, 1.7320508, 1]),
        ("half", "max_inner_product", [1, 1, 1], [-3, -6, -4]),
        ("half", "cosine_distance", [1, 1, 1], [0, 0, 0.05719095]),
        ("half_array", "l1_distance", [1, 1, 1], [0, 3, 1]),
        ("sparse", "l2_distance", [1, 1, 1], [0, 1.7320508, 1]),
        ("sparse", "max_inner_product", [1, 1, 1], [-3, -6, -4]),
        ("sparse", "cosine_distance", [1, 1, 1], [0, 0, 0.05719095]),
        ("sparse", "l1_distance", [1, 1, 1], [0, 3, 1]),
        ("bits", "hamming_distance", "101", [2, 0, 1]),
        ("bits", "jaccard_distance", "101", [1, 0, 1 / 3]),
    ],
)
def test_every_distance_can_be_selected_and_ordered_by(run, column, method, query, distances):
    def check(connection):
        fill(connection)
        distance = getattr(items.c[column], method)(query)
        found = connection.scalars(select(distance).order_by(items.c.id)).all()
        assert found == pytest.approx(distances, abs=1e-6)
        ordered = connection.scalars(select(distance).order_by(distance).limit(2)).all()
        assert ordered == pytest.approx(sorted(distances)[:2], abs=1e-6)
        assert connection.scalar(select(func.count()).where(distance < distances[0] + 0.5)) >= 1

    run(check)


def test_averages_and_sums_keep_the_type(run):
    def check(connection):
        fill(connection)
        assert connection.scalar(select(avg(items.c.embedding))) == pytest.approx([4 / 3, 4 / 3, 5 / 3])
        assert connection.scalar(select(sum(items.c.embedding))) == [4, 4, 5]
        assert connection.scalar(select(avg(items.c.array))).tolist() == pytest.approx([4 / 3, 4 / 3, 5 / 3])
        assert connection.scalar(select(sum(items.c.half_array))).tolist() == [4, 4, 5]

    run(check)


def test_arithmetic_keeps_the_type(run):
    def check(connection):
        fill(connection)
        assert connection.scalar(select(items.c.embedding.op("+")([1, 2, 3])).where(items.c.id == 1)) == [2, 3, 4]

    run(check)


def test_a_parameter_without_a_column_beside_it_keeps_its_type(run):
    def check(connection):
        assert connection.scalar(select(literal([0.1, 2, 3], VECTOR(3, returns="list")))) == [0.1, 2, 3]
        assert connection.scalar(select(literal([0.5, 2, 3], HALFVEC(3, returns="numpy")))).tolist() == [0.5, 2, 3]
        assert connection.scalar(select(literal([0, 2, 0], SPARSEVEC(3)))) == SparseVector({1: 2}, 3)

    run(check)


def test_literal_binds_run(run):
    def check(connection):
        fill(connection)
        statement = select(items.c.id).order_by(items.c.embedding.l2_distance([1, 1, 1])).limit(2)
        rendered = statement.compile(connection, compile_kwargs={"literal_binds": True})
        assert connection.exec_driver_sql(str(rendered)).scalars().all() == [1, 3]

    run(check)


def test_bulk_updates_and_lists_of_vectors(run):
    def check(connection):
        fill(connection)
        connection.execute(
            update(items).values(embedding=[7, 8, 9]).where(items.c.embedding.in_([[1, 1, 1], [2, 2, 2]]))
        )
        assert connection.scalars(select(items.c.embedding).order_by(items.c.id)).all() == [
            [7, 8, 9],
            [7, 8, 9],
            [1, 1, 2],
        ]

    run(check)


def test_the_orm_writes_and_reads(run):
    def check(connection):
        Base.metadata.create_all(connection)
        with Session(connection) as session:
            session.add_all([Item(embedding=row, array=np.array(row), bits="101") for row in ROWS])
            session.add(Item())
            session.flush()
            session.expire_all()
            found = session.scalars(select(Item).order_by(Item.embedding.l2_distance([1, 1, 1]), Item.id)).all()
            assert [item.id for item in found] == [1, 3, 2, 4]
            assert found[1].array.tolist() == [1, 1, 2]
            found[0].embedding = np.array([5, 5, 5])
            session.flush()
            session.refresh(found[0])
            assert found[0].embedding == [5, 5, 5]
            nearest = select(Item.embedding).where(Item.id == 2).scalar_subquery()
            assert session.scalar(select(Item.id).order_by(Item.embedding.l2_distance(nearest)).limit(1)) == 2

    run(check)


def test_a_bad_value_is_refused_before_the_database_sees_it(run):
    def check(connection):
        Base.metadata.create_all(connection)
        for bad, error in (([1, 2], DimensionError), ([1, 2, float("nan")], VectorValueError)):
            with pytest.raises(StatementError) as caught:
                connection.execute(insert(items), {"embedding": bad})
            assert isinstance(caught.value.orig, error)
        fill(connection)

    run(check)


def test_reflection_and_automap_give_our_types(run):
    def check(connection):
        fill(connection)
        columns = {column["name"]: column["type"] for column in inspect(connection).get_columns("item")}
        assert [repr(columns[name]) for name in ("embedding", "half", "sparse")] == [
            "VECTOR(dim=3)",
            "HALFVEC(dim=3)",
            "SPARSEVEC(dim=3)",
        ]
        mapped = automap_base()
        mapped.prepare(connection)
        with Session(connection) as session:
            statement = select(mapped.classes.item).order_by(mapped.classes.item.embedding.l2_distance([2, 2, 2]))
            assert list(session.scalars(statement).first().embedding) == [2, 2, 2]

    run(check)
