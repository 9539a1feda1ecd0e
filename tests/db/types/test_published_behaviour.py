"""What the published tests of pgvector-python expect of its SQLAlchemy types, with ours, on every driver."""

from __future__ import annotations

import numpy as np
import pytest
import sqlmodel
from pgvector import SparseVector
from sqlalchemy import ARRAY, Index, MetaData, delete, func, insert, inspect, select
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, registry

from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR, avg, sum  # noqa: A004

VECTORS = [[1, 1, 1], [2, 2, 2], [1, 1, 2]]
BITS = ["000", "101", "111"]


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "orm_item"

    id = mapped_column(sqlmodel.Integer, primary_key=True)
    embedding = mapped_column(VECTOR(3, returns="list"))
    half_embedding = mapped_column(HALFVEC(3, returns="list"))
    binary_embedding = mapped_column(BIT(3))
    sparse_embedding = mapped_column(SPARSEVEC(3))
    embeddings = mapped_column(ARRAY(VECTOR(3, returns="list")))
    half_embeddings = mapped_column(ARRAY(HALFVEC(3, returns="list")))


@pytest.fixture
def use(run):
    """Give `use(function)`: it is called with a Session on a database whose table and indexes exist, without rows."""

    def call(function):
        def check(connection):
            Base.metadata.create_all(connection)
            with Session(connection) as session:
                function(session)

        run(check)

    call.run = run
    return call


def fill(session):
    for number, (vector, bits) in enumerate(zip(VECTORS, BITS, strict=True), start=1):
        sparse = SparseVector(vector)
        session.add(
            Item(id=number, embedding=vector, half_embedding=vector, binary_embedding=bits, sparse_embedding=sparse)
        )
    session.flush()
    session.expunge_all()


def test_the_orm_stores_and_loads(use):
    def check(session):
        session.add_all([Item(embedding=np.array([1.5, 2, 3])), Item(embedding=[4, 5, 6]), Item()])
        session.flush()
        session.expunge_all()
        items = session.scalars(select(Item).order_by(Item.id)).all()
        assert [item.embedding for item in items] == [[1.5, 2, 3], [4, 5, 6], None]

    use(check)


@pytest.mark.share(0, 4)  # each distance both ways, and each driver with a fourth of them
@pytest.mark.parametrize("legacy", [True, False], ids=["query", "select"])
@pytest.mark.parametrize(
    ("column", "method", "query", "order"),
    [
        (column, method, [1, 1, 1], order)
        for column in ("embedding", "half_embedding", "sparse_embedding")
        for method, order in (
            ("l2_distance", [1, 3, 2]),
            ("max_inner_product", [2, 3, 1]),
            ("cosine_distance", [1, 2, 3]),
            ("l1_distance", [1, 3, 2]),
        )
    ]
    + [("binary_embedding", "hamming_distance", "101", [2, 3, 1])]
    + [("binary_embedding", "jaccard_distance", "101", [2, 3, 1])],
)
def test_entities_are_ordered_by_every_distance(use, column, method, query, order, legacy):
    def check(session):
        fill(session)
        distance = getattr(getattr(Item, column), method)(query)
        if legacy:
            items = session.query(Item).order_by(distance).all()
        else:
            items = session.scalars(select(Item).order_by(distance)).all()
        assert [item.id for item in items] == order

    use(check)


def test_a_distance_filters_and_is_selected(use):
    def check(session):
        fill(session)
        near = Item.embedding.l2_distance([1, 1, 1]) < 1
        assert [item.id for item in session.query(Item).filter(near)] == [1]
        assert [item.id for item in session.scalars(select(Item).filter(near))] == [1]
        session.execute(delete(Item))
        session.add(Item(embedding=[2, 3, 3]))
        assert session.query(Item.embedding.l2_distance([1, 1, 1])).first()[0] == 3
        assert session.scalars(select(Item.embedding.l2_distance([1, 1, 1]))).all() == [3]

    use(check)


@pytest.mark.parametrize(("aggregate", "expected"), [(avg, [2.5, 3.5, 4.5]), (sum, [5, 7, 9])])
def test_aggregates_keep_the_type(use, aggregate, expected):
    def check(session):
        assert session.query(aggregate(Item.embedding)).first()[0] is None
        assert session.scalars(select(aggregate(Item.half_embedding))).first() is None
        session.add(Item(embedding=[1, 2, 3], half_embedding=[1, 2, 3]))
        session.add(Item(embedding=[4, 5, 6], half_embedding=[4, 5, 6]))
        assert session.query(aggregate(Item.embedding)).first()[0] == expected
        assert session.scalars(select(aggregate(Item.half_embedding))).first() == expected

    use(check)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1, 2], "expected 3 dimensions, not 2"),
        (np.array([[1, 2, 3]]), "expected ndim to be 1"),
        (np.array(["one", "two", "three"]), "could not convert string to float"),
    ],
    ids=["dimensions", "ndim", "dtype"],
)
def test_bad_values_are_refused_in_the_same_words(use, bad, message):
    def check(session):
        session.begin_nested()
        session.add(Item(embedding=bad))
        with pytest.raises(StatementError, match=message):
            session.flush()

    use(check)


def test_columns_are_inspected(use):
    def check(session):
        types = [column["type"] for column in inspect(session.connection()).get_columns("orm_item")]
        assert [type(found) for found in types[1:5:3]] == [VECTOR, SPARSEVEC]
        assert isinstance(types[2], HALFVEC)

    use(check)


def test_literal_binds_are_written_as_python_prints_floats(use):
    def check(session):
        statement = select(Item).order_by(Item.embedding.l2_distance([1, 2, 3]))
        sql = str(statement.compile(session.connection(), compile_kwargs={"literal_binds": True}))
        assert "embedding <-> '[1.0,2.0,3.0]'" in sql
        fill(session)
        assert sorted(session.connection().exec_driver_sql(sql).scalars()) == [1, 2, 3]

    use(check)


def test_core_inserts_one_row_and_many(use):
    def check(session):
        session.execute(insert(Item).values(embedding=np.array([1, 2, 3])))
        session.execute(insert(Item), [{"embedding": np.array([1, 2, 3])}])
        session.bulk_insert_mappings(Item, [{"embedding": np.array([1, 2, 3])}])
        assert session.scalars(select(Item.embedding)).all() == [[1, 2, 3]] * 3

    use(check)


def test_an_automapped_class_stores_and_loads(use):
    def check(session):
        metadata = MetaData()
        metadata.reflect(session.connection(), only=["orm_item"])
        base = automap_base(metadata=metadata)
        base.prepare()
        found = base.classes.orm_item
        session.execute(insert(found), [{"embedding": np.array([1, 2, 3]), "embeddings": [[4, 5, 6]]}])
        item = session.query(found).first()
        assert (list(item.embedding), list(map(list, item.embeddings))) == ([1, 2, 3], [[4, 5, 6]])

    use(check)


def test_arrays_of_vectors_are_stored_and_loaded(use):
    def check(session):
        vectors = [np.array([1, 2, 3]), np.array([4, 5, 6])]
        session.add(Item(id=1, embeddings=vectors, half_embeddings=vectors))
        session.flush()
        session.expunge_all()
        item = session.get(Item, 1)
        assert item.embeddings == item.half_embeddings == [[1, 2, 3], [4, 5, 6]]

    use(check)


def index(name, expression, operator_class, method="hnsw", **parameters):
    return Index(
        name,
        expression,
        postgresql_using=method,
        postgresql_with=parameters,
        postgresql_ops={"embedding": operator_class},
    )


class Indexed(Base):
    __tablename__ = "indexed_item"

    id = mapped_column(sqlmodel.Integer, primary_key=True)
    embedding = mapped_column(VECTOR(3))


index("by_embedding", Indexed.embedding, "vector_l2_ops", m=16, ef_construction=64)
index("by_list", Indexed.embedding, "vector_l2_ops", "ivfflat", lists=1)
index("by_half", func.cast(Indexed.embedding, HALFVEC(3)).label("embedding"), "halfvec_l2_ops")
index("by_bits", func.cast(func.binary_quantize(Indexed.embedding), BIT(3)).label("embedding"), "bit_hamming_ops")


def test_half_precision_and_binary_quantisation_are_searched(use):
    def check(session):
        session.add_all([Indexed(id=number, embedding=vector) for number, vector in enumerate(VECTORS, start=1)])
        session.flush()
        half = func.cast(Indexed.embedding, HALFVEC(3)).l2_distance([1, 1, 1])
        assert [item.id for item in session.query(Indexed).order_by(half)] == [1, 3, 2]
        session.execute(delete(Indexed))
        for number, vector in enumerate(([-1, -2, -3], [1, -2, 3], [1, 2, 3]), start=1):
            session.add(Indexed(id=number, embedding=vector))
        session.flush()
        quantised = func.cast(func.binary_quantize(Indexed.embedding), BIT(3))
        query = func.binary_quantize(func.cast([3, -1, 2], VECTOR(3)))
        assert [item.id for item in session.query(Indexed).order_by(quantised.hamming_distance(query))] == [2, 3, 1]

    use(check)


@pytest.mark.parametrize("driver", ["psycopg_async", "asyncpg"])
async def test_async_sessions_store_load_and_aggregate(make_engine, driver):
    engine = make_engine(driver)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    async with sessions() as session, session.begin():
        session.add(Item(id=1, embedding=[1, 2, 3], binary_embedding="101", sparse_embedding=[1, 2, 3]))
        session.add(Item(id=2, embedding=[4, 5, 6], half_embedding=[4, 5, 6], embeddings=[[1, 2, 3]]))
        assert (await session.scalars(select(func.avg(Item.embedding, type_=VECTOR(3, returns="list"))))).first() == [
            2.5,
            3.5,
            4.5,
        ]
    async with sessions() as session:
        first, second = await session.get(Item, 1), await session.get(Item, 2)
        assert (first.binary_embedding, first.sparse_embedding.to_list()) == ("101", [1, 2, 3])
        assert (second.half_embedding, second.embeddings) == ([4, 5, 6], [[1, 2, 3]])


@pytest.mark.parametrize("driver", ["asyncpg"])
async def test_a_bit_string_of_asyncpg_is_stored(make_engine, driver):
    from asyncpg import BitString

    async with make_engine(driver).begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(insert(Item), {"binary_embedding": BitString("101")})
        assert await connection.scalar(select(Item.binary_embedding)) == "101"


class Page(sqlmodel.SQLModel, registry=registry()):
    pass


class Leaf(Page, table=True):
    id: int | None = sqlmodel.Field(default=None, primary_key=True)
    embedding: list[float] | None = sqlmodel.Field(default=None, sa_type=VECTOR(3, returns="list"))


def test_sqlmodel_stores_searches_and_aggregates(run):
    def check(connection):
        Leaf.metadata.create_all(connection)
        with sqlmodel.Session(connection) as session:
            assert session.exec(sqlmodel.select(avg(Leaf.embedding))).first() is None
            session.add_all([Leaf(id=number, embedding=vector) for number, vector in enumerate(VECTORS, start=1)])
            session.add(Leaf(id=4))
            session.flush()
            session.expunge_all()
            loaded = session.exec(sqlmodel.select(Leaf).order_by(Leaf.id)).all()
            assert [leaf.embedding for leaf in loaded] == [*VECTORS, None]
            for method, order in (
                ("l2_distance", [1, 3, 2]),
                ("l1_distance", [1, 3, 2]),
                ("max_inner_product", [2, 3, 1]),
                ("cosine_distance", [1, 2, 3]),
            ):
                distance = getattr(Leaf.embedding, method)([1, 1, 1])
                found = session.exec(sqlmodel.select(Leaf).where(Leaf.id < 4).order_by(distance)).all()
                assert [leaf.id for leaf in found] == order
            near = Leaf.embedding.l2_distance([1, 1, 1]) < 1
            assert [leaf.id for leaf in session.exec(sqlmodel.select(Leaf).where(near))] == [1]
            assert session.exec(sqlmodel.select(sum(Leaf.embedding))).first() == [4, 4, 5]
            session.begin_nested()
            session.add(Leaf(embedding=[1, 2]))
            with pytest.raises(StatementError, match="expected 3 dimensions, not 2"):
                session.flush()

    run(check)
