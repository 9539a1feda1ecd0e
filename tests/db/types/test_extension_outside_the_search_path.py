"""The extension in a schema that the search path does not lead to: everything that SQLAlchemy writes names the schema."""

import numpy as np
import psycopg
import pytest
from pgvector import SparseVector
from pgvector import sqlalchemy as stock
from sqlalchemy import (
    ARRAY,
    Column,
    Computed,
    Index,
    Integer,
    MetaData,
    Table,
    bindparam,
    case,
    cast,
    func,
    insert,
    inspect,
    make_url,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch import (
    HNSW,
    IVFFlat,
    SearchPathError,
    Subvector,
    assert_index_served,
    copy_rows,
    distance,
    embedding_column,
    nearest,
    similarity,
    vector_index,
)
from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR, avg
from sqlalchemy_vecsearch.types import sum as vector_sum
from tests.db.planted_overloads import qualified_names, without_qualification

CREATED = ['CREATE SCHEMA "My Tools"', 'CREATE EXTENSION vector SCHEMA "My Tools"']


LISTS = VECTOR(3, returns="list")
HALF_LISTS = HALFVEC(3, returns="list")


class Decorated(TypeDecorator):
    impl = LISTS
    cache_ok = True


def tables():
    return Table(
        "item",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("embedding", LISTS),
        Column("array", VECTOR(3, returns="numpy")),
        Column("half", HALF_LISTS),
        Column("sparse", SPARSEVEC(3)),
        Column("bits", BIT(3)),
        Column("many", ARRAY(LISTS)),
        Column("own", Decorated),
        Column("stock", stock.VECTOR(3)),
    )


items = tables()
vector_index("ix_plain", items.c.embedding, metric="cosine", method=HNSW(m=8))
vector_index("ix_lists", items.c.embedding, metric="l2", method=IVFFlat(lists=1))
vector_index("ix_half", items.c.embedding, metric="l1", quantize="halfvec")
vector_index("ix_bits", items.c.embedding, metric="inner_product", quantize="binary")
vector_index("ix_part", items.c.array, metric="l2", quantize=Subvector(1, 2), where=items.c.id > 0)
vector_index("ix_sparse", items.c.sparse, metric="l2")
vector_index("ix_of_bits", items.c.bits, metric="jaccard")
Index("ix_stock", items.c.stock, postgresql_using="hnsw", postgresql_ops={"stock": "vector_l2_ops"})

ROW = {
    "embedding": [0.1, 2, 3],
    "array": np.array([0.1, 2, 3]),
    "half": [0.5, 2, 3],
    "sparse": [0, 2, 0],
    "bits": "101",
    "many": [[1, 2, 3], None],
    "own": [1, 2, 3],
    "stock": [1, 2, 3],
}


@pytest.fixture
def outside(bare_run):
    """Give `outside(function)`, which calls it with a connection of each driver to a database with the tables."""

    def prepared(connection, function):
        for statement in CREATED:
            connection.execute(text(statement))
        items.metadata.create_all(connection)
        return function(connection)

    return lambda function: bare_run(lambda connection: prepared(connection, function))


def test_values_go_in_and_come_out(outside):
    def check(connection):
        connection.execute(insert(items), ROW)
        connection.execute(insert(items), [ROW, ROW])
        assert len(connection.execute(insert(items).returning(items.c.id), [ROW, ROW]).all()) == 2
        connection.execute(update(items).values(half=[1, 2, 3]).where(items.c.id == 1))
        row = connection.execute(select(items).where(items.c.id == 1)).one()
        assert (row.embedding, row.half, row.bits) == ([0.1, 2, 3], [1, 2, 3], "101")
        assert (row.sparse, row.many, row.own) == (SparseVector({1: 2}, 3), [[1, 2, 3], None], [1, 2, 3])
        assert row.array.tolist() == np.float32([0.1, 2, 3]).tolist()

    outside(check)


def test_every_operator_is_found(outside):
    def check(connection):
        connection.execute(insert(items), ROW)
        c = items.c
        query = [0, 2, 3]
        distances = [
            *(
                getattr(c[name], f"{metric}_distance")(query)
                for name in ("embedding", "half")
                for metric in ("l2", "cosine", "l1")
            ),
            *(getattr(c.sparse, f"{metric}_distance")(SparseVector(query)) for metric in ("l2", "cosine", "l1")),
            *(c[name].max_inner_product(query) for name in ("embedding", "half", "array", "own", "stock")),
            c.bits.hamming_distance("111"),
            c.bits.jaccard_distance("111"),
            distance(c.embedding, query, metric="cosine"),
            similarity(c.stock, query),
        ]
        values = connection.execute(select(*(one.label(f"d{number}") for number, one in enumerate(distances)))).one()
        assert all(isinstance(value, float) for value in values)
        assert values[-4:-2] == pytest.approx([1, 1 / 3])
        assert connection.scalars(select(c.id).order_by(c.many[1].l2_distance(query))).all() == [1]
        other = items.alias()
        both = select(c.embedding.cosine_distance(other.c.embedding)).where(c.embedding <= other.c.embedding)
        assert connection.scalar(both) == pytest.approx(0, abs=1e-6)

    outside(check)


def test_arithmetic_and_comparisons_bind_as_python_binds_them(outside):
    def check(connection):
        connection.execute(insert(items), ROW)
        one, two = cast([1, 2, 3], LISTS), cast([4, 5, 6], LISTS)
        assert connection.scalar(select(one + two * two)) == [17, 27, 39]
        assert connection.scalar(select((one + two) * two)) == [20, 35, 54]
        assert connection.scalar(select(two - one - one)) == [2, 1, 0]
        assert connection.scalar(select(two - (one - one))) == [4, 5, 6]
        assert connection.scalar(select(cast(one.concat(two), VECTOR(6, returns="list")))) == [1, 2, 3, 4, 5, 6]
        assert connection.scalar(select(one < two)) is True
        assert connection.scalar(select((one == two) | (one + one != two))) is True
        assert connection.scalars(select(items.c.id).where(items.c.half == [0.5, 2, 3])).all() == [1]
        assert connection.scalars(select(items.c.id).where(items.c.bits == "101", items.c.id + 1 == 2)).all() == [1]

    outside(check)


def test_functions_and_aggregates_are_found(outside):
    def check(connection):
        connection.execute(insert(items), [ROW, ROW])
        c = items.c
        average, total, number = connection.execute(
            select(avg(c.embedding), vector_sum(c.half), func.avg(c.id).label("number"))
        ).one()
        assert (average, total, float(number)) == ([0.1, 2, 3], [1, 4, 6], 1.5)
        assert connection.scalar(select(func.avg(c.embedding, type_=LISTS))) == [0.1, 2, 3]
        assert connection.scalar(select(func.sum(c.id))) == 3
        assert connection.scalar(select(func.vector_dims(c.embedding)).limit(1)) == 3
        unit = connection.scalar(select(func.l2_normalize(c.stock, type_=LISTS)).limit(1))
        assert unit == pytest.approx([0.2673, 0.5345, 0.8018], abs=1e-4)
        assert connection.scalar(select(func.subvector(c.half, 1, 2, type_=HALFVEC(2, returns="list"))).limit(1)) == [
            0.5,
            2,
        ]
        assert connection.scalar(select(cast(c.embedding, HALF_LISTS)).limit(1)) == pytest.approx([0.1, 2, 3], abs=1e-3)
        chosen = case((c.id == 1, c.embedding), else_=cast([0, 0, 0], LISTS))
        assert connection.scalars(select(chosen).order_by(c.id)).all() == [[0.1, 2, 3], [0, 0, 0]]
        assert len(connection.execute(union_all(select(c.embedding), select(c.embedding))).all()) == 4

    outside(check)


def test_literals_carry_the_schema(outside):
    def check(connection):
        connection.execute(insert(items), ROW)
        statement = select(items.c.id).where(items.c.embedding.l2_distance([0.1, 2, 3]) < 0.5)
        compiled = str(statement.compile(connection, compile_kwargs={"literal_binds": True}))
        assert """embedding OPERATOR("My Tools".<->) '[0.1,2.0,3.0]\'""" in compiled.replace(
            "'[0.1,2,3]'", "'[0.1,2.0,3.0]'"
        )
        assert connection.execute(text(compiled)).all() == [(1,)]
        unknown = select(items.c.id).where(items.c.embedding == bindparam("query", type_=VECTOR(3)))
        assert connection.execute(unknown, {"query": [0.1, 2, 3]}).all() == [(1,)]

    outside(check)


def test_indexes_are_made_and_serve(outside):
    def check(connection):
        definitions = dict(
            connection.execute(text("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'item'")).all()
        )
        assert set(definitions) == {*(index.name for index in items.indexes), "item_pkey"}
        assert '"My Tools".vector_cosine_ops' in definitions["ix_plain"]
        connection.execute(insert(items), [ROW] * 9)
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        for column, metric, index in (
            (items.c.embedding, "cosine", "ix_plain"),
            (items.c.stock, "l2", "ix_stock"),
            (items.c.bits, "jaccard", "ix_of_bits"),
        ):
            statement = nearest(select(items.c.id), column, ROW[column.name], k=3, metric=metric)
            assert len(connection.execute(statement).all()) == 3
            assert_index_served(connection, statement, index=index)

    outside(check)


def test_rows_are_copied(outside):
    def check(connection):
        assert copy_rows(connection, items, [{"id": 1, **ROW}, {"id": 2, **ROW}]) == 2
        assert copy_rows(connection, items, [{"id": 2, **ROW}, {"id": 3, **ROW}], on_conflict="update") == 2
        assert copy_rows(connection, items, {"id": [4], "embedding": np.ones((1, 3), dtype=np.float32)}) == 1
        assert connection.scalars(select(items.c.embedding).order_by(items.c.id)).all() == [[0.1, 2, 3]] * 3 + [
            [1, 1, 1]
        ]

    outside(check)


def test_tables_are_reflected(outside):
    def check(connection):
        types = {column["name"]: repr(column["type"]) for column in inspect(connection).get_columns("item")}
        assert types == {
            "id": "INTEGER()",
            **dict.fromkeys(("embedding", "array", "own", "stock"), "VECTOR(dim=3)"),
            "half": "HALFVEC(dim=3)",
            "sparse": "SPARSEVEC(dim=3)",
            "bits": types["bits"],
            "many": types["many"],
        }
        again = Table("item", MetaData(), autoload_with=connection)
        connection.execute(insert(again), {name: value for name, value in ROW.items() if name != "bits"})
        assert connection.scalars(select(again.c.id).order_by(again.c.half.l2_distance([1, 2, 3]))).all() == [1]
        automapped = automap_base()
        automapped.prepare(autoload_with=connection)
        with Session(connection) as session:
            assert session.scalars(select(automapped.classes.item)).one().embedding == pytest.approx([0.1, 2, 3])

    outside(check)


def test_entities_with_declared_embeddings(outside):
    class Base(DeclarativeBase):
        pass

    class Document(Base):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW(), quantize="binary")
        unit: Mapped[list[float] | None] = mapped_column(
            LISTS, Computed('"My Tools".l2_normalize(embedding)', persisted=True)
        )

    def check(connection):
        Base.metadata.create_all(connection)
        with Session(connection) as session:
            session.add_all([Document(embedding=[1, 2, 3]), Document(embedding=[3, 2, 1])])
            session.flush()
            rows = session.execute(nearest(Document, Document.embedding, [1, 2, 3], k=2)).all()
            assert [document.id for document, _ in rows] == [1, 2]
            assert [found for _, found in rows] == pytest.approx([0, 0.2857], abs=1e-3)
            assert rows[0][0].unit == pytest.approx([0.2673, 0.5345, 0.8018], abs=1e-4)

    outside(check)


def test_text_is_left_as_it_is_and_its_error_says_where_the_extension_is(outside):
    def check(connection):
        for statement, words in {
            "SELECT '[1]'::vector": 'type "vector" does not exist',
            "SELECT embedding <-> '[1,2,3]' FROM item": 'operator does not exist: "My Tools".vector <-> unknown',
            "SELECT vector_dims(embedding) FROM item": 'function vector_dims("My Tools".vector) does not exist',
        }.items():
            with pytest.raises(SearchPathError) as caught, connection.begin_nested():
                connection.execute(text(statement))
            assert str(caught.value) == (
                f"PostgreSQL did not find what pgvector brings: {words}. "
                'The extension is in the schema "My Tools", which is not on the search path; SQL that SQLAlchemy makes '
                "names the schema by itself, SQL that is written as text does not. Write the schema in the text, or add "
                'it to the search path: ALTER ROLE your_role SET search_path = public, "My Tools".'
            )
            assert caught.value.schema == '"My Tools"'
        for other in (
            "SELECT no_function(1)",
            "SELECT 1::no_type",
            "SELECT * FROM no_table",
            'SELECT "My Tools".vector_dims(1)',
            'SELECT embedding OPERATOR("My Tools".<->) 1 FROM item',
        ):
            with pytest.raises(ProgrammingError), connection.begin_nested():
                connection.execute(text(other))
        assert connection.scalar(text('SELECT "My Tools".vector_dims(\'[1,2]\'::"My Tools".vector)')) == 2

    outside(check)


# --- where the engine looks, and when -------------------------------------------------------------------------------


def plain_sql(engine):
    return str(select(items.c.embedding.l2_distance([1, 2, 3])).compile(engine))


def test_an_engine_that_finds_the_extension_first_on_its_path_writes_plain_names(make_engine, bare_url):
    engine = make_engine(url=bare_url, connect_args={"options": '-csearch_path="My\\ Tools",public'})
    with engine.begin() as connection:
        for statement in CREATED:
            connection.execute(text(statement))
        items.metadata.create_all(connection)
        connection.execute(insert(items), ROW)
    assert "OPERATOR" not in plain_sql(engine)
    other = make_engine(url=bare_url, connect_args={"options": '-csearch_path=public,"My\\ Tools"'})
    with other.connect() as connection:
        assert connection.scalar(select(items.c.embedding.l2_distance(ROW["embedding"]))) == 0
    assert "OPERATOR" in plain_sql(other)
    assert "OPERATOR" not in plain_sql(engine)


def test_no_operator_or_function_of_a_schema_that_comes_before_the_extension_is_called(make_engine, bare_url):
    """Who may create in public could name his own as pgvector does, with the very types of pgvector."""
    owner = make_engine(url=bare_url)
    with owner.begin() as connection:
        for statement in (*CREATED, *BEFORE_THE_EXTENSION):
            connection.execute(text(statement))
    engine = make_engine(url=bare_url, connect_args={"options": '-csearch_path=public,"My\\ Tools"'})
    items.metadata.create_all(engine)
    binary = func.binary_quantize(items.c.embedding, type_=BIT(3))
    with engine.begin() as connection:
        assert copy_rows(connection, items, [ROW]) == 1
        connection.execute(nearest(select(items.c.id), items.c.embedding, [1, 2, 3], k=1, metric="cosine")).one()
        assert connection.execute(select(binary)).all() == [("111",)]
        assert connection.scalar(text("SELECT pg_sequence_last_value('called')")) is None
        wrong = text("SELECT embedding <=> 1 FROM item")
        with pytest.raises(ProgrammingError):  # which says nothing of the path: it leads there
            connection.execute(wrong)


BEFORE_THE_EXTENSION = (
    "CREATE SEQUENCE called",
    """CREATE FUNCTION binary_quantize("My Tools".vector) RETURNS bit LANGUAGE sql"""
    " AS $$ SELECT CAST(nextval('public.called') AS bit(3)) $$",
    *(
        statement
        for number, name in enumerate(("<=>", "<->", "<#>", "<+>"))
        for statement in (
            f'CREATE FUNCTION planted{number}("My Tools".vector, "My Tools".vector) RETURNS float8 LANGUAGE sql'
            " AS $$ SELECT CAST(nextval('public.called') AS float8) $$",
            f'CREATE OPERATOR {name} (LEFTARG = "My Tools".vector, RIGHTARG = "My Tools".vector,'
            f" FUNCTION = planted{number})",
        )
    ),
)


def test_an_engine_knows_of_an_extension_that_another_one_made_after_an_error(make_engine, bare_url):
    early, other = make_engine(url=bare_url), make_engine(url=bare_url)
    with early.connect() as connection:
        connection.execute(text("SELECT 1"))
    with other.begin() as connection:
        for statement in CREATED:
            connection.execute(text(statement))
        items.metadata.create_all(connection)
    query = select(items.c.embedding.l2_distance([1, 2, 3]))
    with early.connect() as connection:
        with pytest.raises(ProgrammingError):
            connection.execute(query)
        connection.rollback()
        connection.execute(text("SELECT 1"))
        assert connection.execute(query).all() == []


def test_an_engine_that_makes_or_reflects_tables_knows_of_an_extension_that_another_one_made(make_engine, bare_url):
    early, late, other = (make_engine(url=bare_url) for _ in range(3))
    for engine in (early, late):
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    with other.begin() as connection:
        for statement in CREATED:
            connection.execute(text(statement))
    items.metadata.create_all(early)
    again = Table("item", MetaData(), autoload_with=late)
    with late.begin() as connection:
        connection.execute(insert(again), {"embedding": [1, 2, 3]})
        assert connection.scalar(select(again.c.embedding.l2_distance([1, 2, 3]))) == 0


def test_a_session_that_leaves_the_path_of_the_extension_is_noticed_after_an_error(engine):
    items.metadata.create_all(engine)
    query = select(items.c.embedding.l2_distance([1, 2, 3]))
    with engine.connect() as connection:
        assert connection.execute(query).all() == []
        connection.execute(text("CREATE SCHEMA tenant"))
        connection.execute(text("CREATE TABLE tenant.item (LIKE item)"))
        connection.execute(text("SET search_path = tenant"))
        connection.commit()
        with pytest.raises(ProgrammingError):
            connection.execute(query)
        connection.rollback()
        connection.execute(text("SELECT 1"))
        assert connection.execute(query).all() == []
    with engine.connect() as connection:  # the names stay for sessions that would not need them
        assert connection.execute(query).all() == []
    assert "OPERATOR(public.<->)" in plain_sql(engine)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_mappers_that_have_compiled_their_statements_go_on_in_such_a_session(make_engine, driver):
    class Base(DeclarativeBase):
        pass

    class Document(Base):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[list[float]] = mapped_column(LISTS)
        many: Mapped[list | None] = mapped_column(ARRAY(HALFVEC(2, returns="list")))

    def write(session):
        session.add_all([Document(embedding=[1, 2, 3], many=[[1, 2]]), Document(embedding=[4, 5, 6])])
        session.flush()
        session.scalars(select(Document)).first().embedding = [7, 8, 9]
        session.commit()

    engine = make_engine(driver)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        write(session)
        session.execute(text("CREATE SCHEMA tenant"))
        session.execute(text("CREATE TABLE tenant.document (LIKE document INCLUDING ALL)"))
        session.execute(text("SET search_path = tenant"))
        session.commit()
        with pytest.raises(ProgrammingError):
            session.execute(select(Document.embedding.l2_distance([1, 2, 3]))).all()
        session.rollback()
        session.execute(text("SELECT 1"))
        write(session)
        assert session.scalars(select(Document.embedding).order_by(Document.id)).all() == [[7, 8, 9], [4, 5, 6]]


def test_what_another_thread_compiled_meanwhile_is_compiled_again_after_its_error(engine):
    items.metadata.create_all(engine)
    query = select(items.c.embedding.l2_distance([1, 2, 3]))

    def fails_once(connection, error):
        with pytest.raises(error):
            connection.execute(query)
        connection.rollback()
        connection.execute(text("SELECT 1"))
        assert connection.execute(query).all() == []

    with engine.connect() as connection:
        connection.execute(query)
        compiled_before = dict(engine._compiled_cache)
        connection.execute(text("CREATE SCHEMA tenant"))
        connection.execute(text("CREATE TABLE tenant.item (LIKE item)"))
        connection.execute(text("SET search_path = tenant"))
        connection.commit()
        fails_once(connection, ProgrammingError)
        engine._compiled_cache.update(compiled_before)
        fails_once(connection, SearchPathError)


def test_an_extension_that_moves_is_followed(make_engine, bare_url):
    engine = make_engine(url=bare_url)
    with engine.begin() as connection:
        for statement in CREATED:
            connection.execute(text(statement))
        items.metadata.create_all(connection)
        query = select(items.c.embedding.l2_distance([1, 2, 3]))
        assert connection.execute(query).all() == []
        connection.execute(text("CREATE SCHEMA other"))
        connection.execute(text("ALTER EXTENSION vector SET SCHEMA other"))
        assert connection.execute(query).all() == []
        connection.execute(text("DROP TABLE item"))
        connection.execute(text("DROP EXTENSION vector"))
        connection.execute(text("CREATE EXTENSION vector"))
        items.metadata.create_all(connection)
        assert connection.execute(query).all() == []


@pytest.fixture
def asked(make_engine):
    """Give the statements about the extension that three connections of one engine send."""
    sent = []

    class Listening(psycopg.Cursor):
        def execute(self, query, *rest, **more):
            sent.append(str(query))
            return super().execute(query, *rest, **more)

    engine = make_engine(connect_args={"cursor_factory": Listening})
    for _ in range(3):
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        engine.pool.dispose()
    return [query for query in sent if "pg_type_is_visible" in query]


def test_one_query_finds_the_extension_for_an_engine(asked):
    assert len(asked) == 1


def test_no_planted_overload_is_called_by_that_query(planted, engine, asked):
    (query,) = asked
    names = qualified_names(query)
    assert names == {"=", "min", "bool_or", "pg_type_is_visible", "current_schemas"}
    planted.plant(names, first=True)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(query).all() == [("public", True, True)]
    assert planted.calls() == {}
    for name in names:
        with engine.connect() as connection:
            connection.exec_driver_sql(without_qualification(query, name))
        assert planted.calls().get(name, 0) > 0, name


def test_a_table_of_that_name_is_no_extension(make_engine, bare_url):
    engine = make_engine(url=bare_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA apart"))
        connection.execute(text("CREATE TABLE apart.vector (id int)"))
        connection.execute(text("CREATE TABLE apart.halfvec (id int)"))
    engine.dispose()
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert "OPERATOR" not in plain_sql(engine)


def test_a_rolled_back_move_of_the_extension_is_noticed_after_an_error(make_engine, bare_url):
    engine = make_engine(url=bare_url)
    query = select(items.c.embedding.l2_distance([1, 2, 3]))
    with engine.connect() as connection:
        for statement in CREATED:
            connection.execute(text(statement))
        items.metadata.create_all(connection)
        connection.commit()
        connection.execute(text("CREATE SCHEMA other"))
        connection.execute(text("ALTER EXTENSION vector SET SCHEMA other"))
        assert connection.execute(query).all() == []
        connection.rollback()
        with pytest.raises(ProgrammingError, match='schema "other" does not exist'):
            connection.execute(query)
        connection.rollback()
        connection.execute(text("SELECT 1"))
        assert connection.execute(query).all() == []


def test_an_engine_runs_where_the_catalog_can_not_be_asked(make_engine, vecsearch_url):
    with make_engine().begin() as connection:
        connection.execute(text("CREATE ROLE stranger LOGIN PASSWORD 'x'"))
        connection.execute(text("REVOKE SELECT ON pg_type FROM PUBLIC"))
    try:
        engine = make_engine("pg8000", url=make_url(vecsearch_url).set(username="stranger", password="x"))
        with engine.connect() as connection:
            assert connection.scalar(select(1)) == 1
            assert not inspect(connection).has_table("item")
        assert "OPERATOR" not in plain_sql(engine)
        engine.dispose()
    finally:
        with make_engine().begin() as connection:
            connection.execute(text("DROP ROLE stranger"))
