"""Rows that a policy hides are noticed by batches, on partitions, under quantised indexes and lists, counted or not."""

import numpy as np
import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import (
    HNSW,
    IVFFlat,
    copy_rows,
    embedding_column,
    nearest,
    nearest_each,
    nearest_per_group,
    page,
    recommend,
)
from tests.db.filling import indexed_afterwards

DIMENSIONS, ROWS, OWN, K = 64, 20_000, 3_000, 10


class Base(DeclarativeBase):
    pass


class Row:
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]


def vectors(index, **options):
    return embedding_column(DIMENSIONS, metric="cosine", index=index, nullable=False, **options)


class Whole(Row, Base):
    __tablename__ = "whole"
    bits: Mapped[list[float]] = vectors(HNSW(), quantize="binary")
    lists: Mapped[list[float]] = vectors(IVFFlat(lists=30))


class Parted(Row, Base):
    __tablename__ = "parted"
    bits: Mapped[list[float]] = vectors(HNSW(), quantize="binary")
    lists: Mapped[list[float]] = vectors(IVFFlat(lists=30))
    __table_args__ = {"postgresql_partition_by": "HASH (id)"}  # noqa: RUF012  # as SQLAlchemy declares it


FORMS = {
    "nearest": lambda s, c, q, **o: nearest(s, c, q, k=K, **o),
    "a batch": lambda s, c, q, **o: nearest_each(s, c, {1: q}, k=K, **o),
    "groups": lambda s, c, q, **o: nearest_per_group(s, c, q, by=c.parent.class_.id, k=K, **o),
    "the best score": lambda s, c, q, **o: recommend(s, c, positive=[q.tolist()], k=K, strategy="best_score", **o),
    "a page": lambda s, c, q, **o: page(s, c, q, number=1, size=K, pool=K, **o),
}
EVERY_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
CENTRES = np.random.default_rng(5).normal(size=(32, DIMENSIONS))
QUESTIONS = (CENTRES[[3, 4, 1, 9]] + 0.6 * np.random.default_rng(7).normal(size=(4, DIMENSIONS))).astype("f4")


@pytest.fixture(scope="module")
def engine(vecsearch_databases):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    rng = np.random.default_rng(0)
    tenants = rng.permutation(np.concatenate([np.full(OWN, 1), rng.choice(range(2, 32), ROWS - OWN)]))
    found = (CENTRES[tenants] + 0.6 * rng.normal(size=(ROWS, DIMENSIONS))).astype("f4")
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        for part in range(3):
            connection.exec_driver_sql(
                f"CREATE TABLE part_{part} PARTITION OF parted FOR VALUES WITH (MODULUS 3, REMAINDER {part})"
            )
        for table in (Whole.__table__, Parted.__table__):
            with indexed_afterwards(connection, table):
                copy_rows(connection, table, {"id": np.arange(ROWS), "tenant": tenants, "bits": found, "lists": found})
            connection.exec_driver_sql(f"ANALYZE {table.name}")
            connection.exec_driver_sql(f"GRANT SELECT ON {table.name} TO PUBLIC")
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY")
            connection.exec_driver_sql(
                f"CREATE POLICY own ON {table.name} USING (tenant = (SELECT current_setting('app.tenant')::int))"
            )
        connection.exec_driver_sql(
            "DO $$ BEGIN CREATE ROLE tenant_of_rows; EXCEPTION WHEN duplicate_object THEN END $$"
        )
    yield engine
    engine.dispose()
    vecsearch_databases.drop(url)


@pytest.fixture
def session(engine):
    with Session(engine) as session:
        session.execute(text("SELECT set_config('app.tenant', '1', true)"))
        yield session


def recall(session, form, column):
    """Return the share of the nearest rows that a form finds, all of which are wanted."""
    source = select(column.parent.class_.id)
    shares = []
    for question in QUESTIONS:
        found, wanted = (session.execute(form(source, column, question, **o)) for o in ({}, {"exact": True}))
        found, wanted = ({row.id for row in rows} for rows in (found, wanted))
        assert len(found) == len(wanted) == K
        shares.append(len(found & wanted) / K)
    return np.mean(shares)


def by_tenant(session, form, column):
    session.execute(text("SET LOCAL ROLE tenant_of_rows"))
    return recall(session, form, column)


@pytest.mark.usefixtures("small_tables_searched_as_large_ones")
@EVERY_FORM
@pytest.mark.parametrize("column", [Whole.bits, Parted.bits], ids=str)
def test_a_quantised_index_is_not_believed_where_the_rows_were_read_by_other_means(session, form, column):
    assert by_tenant(session, form, column) >= 0.95


@EVERY_FORM
@pytest.mark.parametrize("counts", ["on", "off"])
@pytest.mark.parametrize("column", [Whole.lists, Parted.lists], ids=str)
def test_lists_are_not_believed_where_rows_were_hidden_or_nobody_counts(session, form, column, counts):
    session.execute(text(f"SET LOCAL track_counts = {counts}"))
    assert by_tenant(session, form, column) >= 0.95
