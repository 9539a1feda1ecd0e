"""Every form that is told the partition reads it alone, however a table is partitioned, and however deep."""

import numpy as np
import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column
from steps_of_plans import plan_of

from sqlalchemy_vecsearch import (
    HNSW,
    boosted,
    copy_rows,
    count_within,
    dense,
    embedding_column,
    embedding_of,
    fulltext,
    hybrid,
    max_sim,
    nearest,
    nearest_each,
    nearest_first,
    nearest_per_group,
    page,
    recommend,
    similar_pairs,
)

TENANTS, ROWS, DIMENSIONS = 6, 40, 8
Q, OTHER = np.random.default_rng(3).normal(size=(2, DIMENSIONS)).astype("f4")
WAYS = {
    "list": ("LIST (tenant)", "FOR VALUES IN ({0})"),
    "range": ("RANGE (tenant)", "FOR VALUES FROM ({0}) TO ({1})"),
    "hash": ("HASH (tenant)", "FOR VALUES WITH (MODULUS 6, REMAINDER {0})"),
    "deep": ("LIST (tenant)", "FOR VALUES IN ({0}) PARTITION BY LIST (region)"),
}


class Base(DeclarativeBase):
    pass


def model(way):
    columns = {
        "__tablename__": way,
        "__table_args__": {"postgresql_partition_by": WAYS[way][0]},
        "__annotations__": {
            "tenant": Mapped[int],
            "region": Mapped[str],
            "number": Mapped[int],
            "book": Mapped[int],
            "words": Mapped[str],
            "embedding": Mapped[list[float]],
        },
        "tenant": mapped_column(primary_key=True),
        "region": mapped_column(primary_key=True),
        "number": mapped_column(primary_key=True),
        "book": mapped_column(),
        "words": mapped_column(TSVECTOR),
        "embedding": embedding_column(DIMENSIONS, metric="cosine", index=HNSW(), nullable=False),
    }
    return type(way, (Base,), columns)


MODELS = {way: model(way) for way in WAYS}
FORMS = {
    "nearest": lambda s, m: nearest(s, m.embedding, Q, k=5),
    "nearest, filtered": lambda s, m: nearest(s.where(m.book > 1), m.embedding, Q, k=5),
    "like a stored row": lambda s, m: nearest(s, m.embedding, embedding_of(m, (2, "eu", 2 * ROWS)), k=5),
    "a batch": lambda s, m: nearest_each(s, m.embedding, {1: Q, 2: OTHER}, k=5),
    "one of each group": lambda s, m: nearest_per_group(s, m.embedding, Q, by=m.book, k=3),
    "some of each group": lambda s, m: nearest_per_group(s, m.embedding, Q, by=m.book, k=3, per_group=2),
    "an average": lambda s, m: recommend(s, m.embedding, positive=[list(Q)], negative=[list(OTHER)], k=5),
    "the best score": lambda s, m: recommend(s, m.embedding, positive=[list(Q)], k=5, strategy="best_score"),
    "hybrid": lambda s, m: hybrid(s, [dense(m.embedding, Q), fulltext(m.words, "amber", language="english")], k=5),
    "a page": lambda s, m: page(s, m.embedding, Q, number=1, size=5, pool=10),
    "nearest first": lambda s, m: nearest_first(s, m.embedding, Q),
    "boosted": lambda s, m: boosted(s, m.embedding, Q, boost=m.book * 0.01, k=5),
    "a count": lambda s, m: count_within(s, m.embedding, Q, within=0.9),
    "late interaction": lambda s, m: max_sim(s, m.embedding, [Q, OTHER], by=m.book, k=3),
    "pairs": lambda s, m: similar_pairs(s, m.embedding, within=0.5),
}


@pytest.fixture(scope="module")
def engine(vecsearch_databases):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    rng = np.random.default_rng(0)
    tenants = np.repeat(np.arange(TENANTS), ROWS)
    numbers = np.arange(len(tenants))
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        for way, (_, values) in WAYS.items():
            for tenant in range(TENANTS):
                place = values.format(tenant, tenant + 1)
                connection.execute(text(f"CREATE TABLE {way}_{tenant} PARTITION OF {way} {place}"))
                for region in ("eu", "us") if way == "deep" else ():
                    of = f"{way}_{tenant} FOR VALUES IN ('{region}')"
                    connection.execute(text(f"CREATE TABLE {way}_{tenant}_{region} PARTITION OF {of}"))
            columns = {
                "tenant": tenants,
                "region": ["us" if number % 2 else "eu" for number in numbers],
                "number": numbers,
                "book": numbers // 5,
                "words": ["amber" if number % 3 else "birch" for number in numbers],
                "embedding": rng.normal(size=(len(tenants), DIMENSIONS)).astype("f4"),
            }
            copy_rows(connection, MODELS[way], columns)
        connection.execute(text("ANALYZE"))
    yield engine
    engine.dispose()
    vecsearch_databases.drop(url)


def partitions_read(session, statement, way):
    steps = plan_of(session, statement, analyze=False)
    return {step["Relation Name"] for step in steps if step.get("Relation Name", "").startswith(way)}


def partitions_of(session, way, tenants):
    """Return the partitions where the rows of some tenants are, whatever the way."""
    table = MODELS[way].__table__
    sql = f"SELECT DISTINCT tableoid::regclass::text FROM {table.name} WHERE tenant = ANY(:tenants) AND region = 'eu'"
    return set(session.scalars(text(sql), {"tenants": tenants}))


@pytest.mark.share(0, 2)
@pytest.mark.parametrize("seqscan", ["on", "off"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_form_reads_the_partitions_that_it_is_told(engine, form, way, seqscan):
    plain = MODELS[way]
    with Session(engine) as session:
        session.execute(text(f"SET LOCAL enable_seqscan = {seqscan}"))
        for of in (plain, aliased(plain)):
            for tenants, condition in (([2], of.tenant == 2), ([2, 4], of.tenant.in_([2, 4]))):
                source = select(of).where(condition, of.region == "eu")
                statement = form(source, of)
                assert partitions_read(session, statement, way) == partitions_of(session, way, tenants)
        rows = session.execute(form(select(plain).where(plain.tenant == 2, plain.region == "eu"), plain)).all()
        assert rows
        assert {value.tenant for row in rows for value in row if isinstance(value, plain)} <= {2}
