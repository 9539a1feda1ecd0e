"""A search of one list partition reads that partition alone, in a short plan, and gives all rows that there are."""

import numpy as np
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, delete, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column, with_loader_criteria
from steps_of_plans import plan_of

from sqlalchemy_vecsearch import HNSW, IVFFlat, Strategy, copy_rows, embedding_column, nearest
from tests.db.filling import indexed_afterwards

TENANTS, ROWS, COPIES, DIMENSIONS, K = 24, 60, 400, 16, 10
LARGE = 7
MOST_STEPS = 15
QUESTION = np.random.default_rng(3).normal(size=DIMENSIONS).astype("f4")


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"
    __table_args__ = {"postgresql_partition_by": "LIST (tenant)"}  # noqa: RUF012  # as SQLAlchemy documents it
    tenant: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int]
    embedding: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="cosine", index=HNSW())


E = Note.embedding
OWN = select(Note.slug).where(Note.tenant == LARGE)


@pytest.fixture(scope="module")
def url(vecsearch_databases):
    """Give a database of small partitions, and one of 2,000 rows."""
    rng = np.random.default_rng(0)
    tenants = np.concatenate([np.repeat(np.arange(TENANTS), ROWS), np.full(2_000 - ROWS, LARGE)])
    numbers = np.arange(len(tenants))
    vectors = rng.normal(size=(len(tenants), DIMENSIONS)).astype("f4")
    url = vecsearch_databases.create()
    engine = create_engine(url)
    with engine.begin() as connection:
        Note.__table__.create(connection)
        for tenant in range(TENANTS):
            connection.execute(text(f"CREATE TABLE note_{tenant} PARTITION OF note FOR VALUES IN ({tenant})"))
        slugs = [f"note-{number}" for number in numbers]
        rows = {"tenant": tenants, "slug": slugs, "number": numbers, "embedding": vectors}
        with indexed_afterwards(connection, Note.__table__):
            copy_rows(connection, Note, rows)
        connection.execute(text("ANALYZE note"))
    engine.dispose()
    yield url
    vecsearch_databases.drop(url)


@pytest.fixture
def session(url):
    engine = create_engine(url)
    with Session(engine) as session:
        yield session
    engine.dispose()


SOURCES = {
    "columns": lambda tenant: select(Note.slug).where(Note.tenant == tenant),
    "an entity": lambda tenant: select(Note).where(Note.tenant == tenant),
    "a value first": lambda tenant: select(Note.slug).where(tenant == Note.tenant),
    "in an order": lambda tenant: select(Note.slug).where(Note.tenant == tenant).order_by(Note.number),
    "after some": lambda tenant: select(Note.slug).where(Note.tenant == tenant).offset(3),
}
EVERY_SOURCE = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


OTHER_SHAPES = {
    "two partitions": lambda: nearest(select(Note.slug).where(Note.tenant.in_([3, 4])), E, QUESTION, k=K),
    "another condition": lambda: nearest(
        select(Note.slug).where(Note.tenant == LARGE, Note.number % 50 == 0), E, QUESTION, k=K
    ),
    "criteria": lambda: nearest(
        select(Note).where(Note.tenant == LARGE).options(with_loader_criteria(Note, Note.number % 50 == 0)),
        E,
        QUESTION,
        k=K,
    ),
    "a strategy": lambda: nearest(OWN, E, QUESTION, k=K, strategy=Strategy.ITERATIVE),
    "rows of a bound": lambda: nearest(OWN, E, QUESTION, k=K, max_exact_rows=1_000_000),
    "locks": lambda: nearest(OWN.with_for_update(skip_locked=True), E, QUESTION, k=K),
}


def found(session, statement):
    return [getattr(row[0], "slug", row[0]) for row in session.execute(statement)]


@pytest.mark.parametrize("seqscan", ["on", "off"])
@pytest.mark.parametrize("tenant", [3, LARGE])
@EVERY_SOURCE
def test_a_plan_is_short_and_reads_one_partition(session, source, tenant, seqscan):
    session.execute(text(f"SET LOCAL enable_seqscan = {seqscan}"))
    steps = plan_of(session, nearest(source(tenant), E, QUESTION, k=K), analyze=False)
    assert len(steps) <= MOST_STEPS
    assert {step["Relation Name"] for step in steps if "Relation Name" in step} == {f"note_{tenant}"}


@EVERY_SOURCE
def test_the_rows_are_those_of_the_exact_way_in_its_order(session, source):
    session.execute(text("SET LOCAL enable_seqscan = off"))
    statement = source(LARGE)
    assert found(session, nearest(statement, E, QUESTION, k=K)) == found(
        session, nearest(statement, E, QUESTION, k=K, exact=True)
    )


def test_the_second_way_is_not_gone_where_the_first_scan_has_enough(session):
    session.execute(text("SET LOCAL enable_seqscan = off"))
    steps = plan_of(session, nearest(OWN, E, QUESTION, k=K))
    read = [step["Actual Loops"] for step in steps if step.get("Relation Name") == f"note_{LARGE}"]
    assert sorted(read) == [0, 1, 1]


@pytest.mark.parametrize("k", [K, 500, 1_500])
def test_rows_behind_copies_and_dead_rows_are_found(session, k):
    copies = [
        {"tenant": LARGE, "slug": f"copy-{copy}", "number": -1, "embedding": list(QUESTION)} for copy in range(COPIES)
    ]
    session.execute(Note.__table__.insert(), copies)
    session.execute(text("SET LOCAL enable_seqscan = off"))
    assert len(found(session, nearest(OWN, E, QUESTION, k=k))) == k
    session.execute(delete(Note).where(Note.number == -1))
    right = found(session, nearest(OWN, E, QUESTION, k=k, exact=True))
    got = found(session, nearest(OWN, E, QUESTION, k=k))
    assert len(got) == len(set(got)) == k
    assert len(set(got) & set(right)) >= 0.95 * k


def test_a_tenant_with_fewer_rows_gives_all_of_them_once(session):
    assert len(found(session, nearest(select(Note.slug).where(Note.tenant == 3), E, QUESTION, k=500))) == ROWS


def test_a_distance_cuts_the_rows(session):
    distances = [row.distance for row in session.execute(nearest(OWN, E, QUESTION, k=K))]
    within = session.execute(nearest(OWN, E, QUESTION, k=K, within=distances[4])).all()
    assert [row.distance for row in within] == distances[:5]


def test_an_alias_is_searched_alike(session):
    other = aliased(Note)
    statement = nearest(select(other.slug).where(other.tenant == LARGE), other.embedding, QUESTION, k=K)
    assert len(plan_of(session, statement, analyze=False)) <= MOST_STEPS
    assert found(session, statement) == found(session, nearest(OWN, E, QUESTION, k=K))


@pytest.mark.parametrize("statement", OTHER_SHAPES.values(), ids=OTHER_SHAPES)
def test_other_searches_keep_their_ways_and_read_no_other_partitions(session, statement):
    steps = plan_of(session, statement())
    read = {step["Relation Name"] for step in steps if step.get("Relation Name", "").startswith("note_")}
    assert read <= {"note_3", "note_4"} or read == {f"note_{LARGE}"}
    assert len(session.execute(statement()).all()) == K


def test_lists_of_partitions_that_hide_rows_are_not_taken_for_the_answer(session):
    """Of rows that were deleted round the question the index of each partition still has the entries."""
    vectors = np.random.default_rng(3).normal(size=(1_000, DIMENSIONS)).astype("f4")
    lists = embedding_column(DIMENSIONS, metric="cosine", index=IVFFlat(lists=10), name="vector", nullable=False)
    key = Column("id", Integer, primary_key=True)
    listed = Table("listed", MetaData(), key, lists.column, postgresql_partition_by="HASH (id)")
    connection = session.connection()
    listed.create(connection)
    for rest in (0, 1):
        session.execute(text(f"CREATE TABLE l{rest} PARTITION OF listed FOR VALUES WITH (MODULUS 2, REMAINDER {rest})"))
    with indexed_afterwards(connection, listed):
        copy_rows(connection, listed, {"id": np.arange(1_000), "vector": vectors})
    session.execute(text("SET LOCAL enable_seqscan = off"))
    near = session.scalars(nearest(listed, listed.c.vector, QUESTION, k=500, exact=True)).all()
    session.execute(delete(listed).where(listed.c.id.in_(near[:400])))
    assert session.scalars(nearest(listed, listed.c.vector, QUESTION, k=K)).all() == near[400 : 400 + K]
