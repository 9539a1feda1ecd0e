from itertools import pairwise

import numpy as np
import pytest
from sqlalchemy import Column, ForeignKey, Table, create_engine, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column, relationship, selectinload

from sqlalchemy_vecsearch import (
    HNSW,
    IVFFlat,
    Metric,
    SettingsError,
    Subvector,
    embedding_column,
    embedding_of,
    nearest,
    search_settings,
    similarity,
    vector_index,
)
from tests.db.filling import indexed_afterwards

ROWS, DIMENSIONS = 4000, 16


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


REVIEWED = Table(
    "reviewed",
    Base.metadata,
    Column("document_id", ForeignKey("document.id", ondelete="CASCADE"), primary_key=True),
    Column("author_id", ForeignKey("author.id"), primary_key=True),
)


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    hundredth: Mapped[int]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship()
    reviewers: Mapped[list[Author]] = relationship(secondary=REVIEWED)
    embedding: Mapped[list[float] | None] = embedding_column(DIMENSIONS, metric="cosine", index=HNSW())


class Variant(Base):
    """The same vectors under every other kind of index."""

    __tablename__ = "variant"
    id: Mapped[int] = mapped_column(primary_key=True)
    hundredth: Mapped[int]
    lists: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="cosine", index=IVFFlat(lists=60))
    half: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="cosine", index=HNSW(), quantize="halfvec")
    bits: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="cosine", index=HNSW(), quantize="binary")
    part: Mapped[list[float]] = embedding_column(
        DIMENSIONS, metric="cosine", index=HNSW(), quantize=Subvector(1, DIMENSIONS // 2)
    )
    plain: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="l2", index=HNSW())


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(7).normal(size=(ROWS, DIMENSIONS)).astype(np.float32)


@pytest.fixture(scope="module")
def url(vecsearch_databases, vectors):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    with engine.begin() as connection, indexed_afterwards(connection, Document.__table__, Variant.__table__):
        connection.execute(insert(Author), [{"id": i, "name": f"author {i}"} for i in range(10)])
        connection.execute(
            insert(Document),
            [
                {"id": i, "hundredth": i % 100, "author_id": i % 10, "embedding": vector.tolist()}
                for i, vector in enumerate(vectors)
            ],
        )
        connection.execute(insert(Document), {"id": ROWS, "hundredth": 0, "author_id": 0, "embedding": None})
        reviewed = [{"document_id": i, "author_id": (i + step) % 10} for i in range(ROWS) for step in (1, 2)]
        connection.execute(insert(REVIEWED), reviewed)
        columns = ("lists", "half", "bits", "part", "plain")
        connection.execute(
            insert(Variant),
            [
                {"id": i, "hundredth": i % 100, **dict.fromkeys(columns, vector.tolist())}
                for i, vector in enumerate(vectors)
            ],
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE document, variant, author, reviewed"))
    engine.dispose()
    yield url
    vecsearch_databases.drop(url)


@pytest.fixture(scope="module")
def engine(url):
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine):
    with Session(engine) as session:
        yield session


@pytest.fixture
def query(vectors):
    return np.random.default_rng(11).normal(size=DIMENSIONS).astype(np.float32)


def exact_ids(vectors, query, k, keep=lambda i: True, metric="cosine"):
    if metric == "l2":
        distances = np.linalg.norm(vectors - query, axis=1)
    else:
        distances = 1 - vectors @ query / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(query))
    order = [int(i) for i in np.argsort(distances, kind="stable") if keep(int(i))]
    return order[:k]


def recall(found, wanted):
    return len(set(found) & set(wanted)) / len(wanted)


def ascending(rows):
    return all(a.distance <= b.distance for a, b in pairwise(rows))


def test_a_plain_search_is_served_by_the_index_and_right(session, vectors, query, indexes_used):
    statement = nearest(Document, Document.embedding, query, k=10)
    assert indexes_used(session, statement) == {"ix_document_embedding"}
    rows = session.execute(statement).all()
    assert recall([row.Document.id for row in rows], exact_ids(vectors, query, 10)) >= 0.9
    assert ascending(rows)
    assert rows[0].distance == pytest.approx(
        1 - vectors[rows[0].Document.id] @ query / np.linalg.norm(vectors[rows[0].Document.id]) / np.linalg.norm(query),
        abs=1e-5,
    )


@pytest.mark.parametrize("k", [41, 100, 1000, 1500])
def test_k_above_ef_search_returns_k_rows(session, query, k):
    rows = session.execute(nearest(select(Document.id), Document.embedding, query, k=k)).all()
    assert len(rows) == len({row.id for row in rows}) == k
    assert ascending(rows)


def test_an_offset_beyond_ef_search_returns_k_rows(session, query):
    source = select(Document.id)
    first = session.execute(nearest(source, Document.embedding, query, k=70)).scalars().all()
    second = session.execute(nearest(source.offset(60), Document.embedding, query, k=10)).scalars().all()
    assert len(second) == 10
    assert recall(second, first[60:]) >= 0.8


@pytest.mark.parametrize(
    ("name", "condition", "keep"),
    [
        ("1%", Document.hundredth == 7, lambda i: i % 100 == 7),
        ("10%", Document.hundredth < 10, lambda i: i % 100 < 10),
        ("50%", Document.hundredth < 50, lambda i: i % 100 < 50),
    ],
)
def test_a_filter_loses_no_rows(session, vectors, query, name, condition, keep):
    statement = nearest(select(Document).where(condition), Document.embedding, query, k=10)
    rows = session.execute(statement).all()
    assert len(rows) == 10
    assert ascending(rows)
    assert recall([row.Document.id for row in rows], exact_ids(vectors, query, 10, keep)) >= 0.9


def test_a_filter_of_one_percent_is_served_by_the_index_when_it_is_the_cheapest(session, vectors, query, indexes_used):
    statement = nearest(select(Document).where(Document.hundredth % 100 == 7), Document.embedding, query, k=10)
    session.execute(text("SET LOCAL enable_seqscan = off"))
    assert indexes_used(session, statement) == {"ix_document_embedding"}
    rows = session.execute(statement).all()
    assert len(rows) == 10
    assert recall([row.Document.id for row in rows], exact_ids(vectors, query, 10, lambda i: i % 100 == 7)) >= 0.9


def test_a_join_with_a_filter_loses_no_rows_and_loads_relationships(session, vectors, query, indexes_used):
    source = select(Document, Author.name).join(Document.author).where(Author.name == "author 3")
    statement = nearest(source.options(selectinload(Document.author)), Document.embedding, query, k=10)
    session.execute(text("SET LOCAL enable_seqscan = off"))
    assert indexes_used(session, statement) == {"ix_document_embedding"}
    rows = session.execute(statement).all()
    assert len(rows) == 10
    assert {row.name for row in rows} == {row.Document.author.name for row in rows} == {"author 3"}
    assert recall([row.Document.id for row in rows], exact_ids(vectors, query, 10, lambda i: i % 10 == 3)) >= 0.9


def test_a_search_may_start_from_the_other_side_of_a_join(session, query):
    rows = session.execute(
        nearest(select(Author.name, Document.id).join(Document), Document.embedding, query, k=5)
    ).all()
    assert [row.name for row in rows] == [f"author {row.id % 10}" for row in rows]


def test_rows_that_a_join_repeats_are_repeated_as_in_any_select(session, query):
    other = aliased(Author)
    source = select(Document.id, other.id.label("other")).join(other, other.id < 3)
    rows = session.execute(nearest(source, Document.embedding, query, k=6)).all()
    assert [row.other for row in rows[:3]] != []
    assert len({(row.id, row.other) for row in rows}) == 6
    assert len({row.id for row in rows}) == 2


def test_an_outer_join_keeps_rows_without_a_partner(session, query):
    other = aliased(Author)
    source = select(Document.id, other.id.label("other")).outerjoin(other, other.id == Document.id + 1_000_000)
    rows = session.execute(nearest(source, Document.embedding, query, k=5)).all()
    assert [row.other for row in rows] == [None] * 5


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("outer", [False, True])
def test_a_join_through_a_secondary_table_returns_each_pair_once(session, vectors, query, exact, outer):
    source = select(Document.id, Author.name).join(Document.reviewers, isouter=outer).order_by(Author.id)
    found = session.execute(nearest(source, Document.embedding, query, k=6, exact=exact)).all()
    nearest_ids = exact_ids(vectors, query, 3)
    pairs = [(i, f"author {reviewer}") for i in nearest_ids for reviewer in sorted([(i + 1) % 10, (i + 2) % 10])]
    assert [(row.id, row.name) for row in found] == pairs


def test_a_join_through_a_secondary_table_can_be_filtered(session, vectors, query):
    source = select(Document).join(Document.reviewers).where(Author.name == "author 3")
    found = session.scalars(nearest(source, Document.embedding, query, k=10)).all()
    wanted = exact_ids(vectors, query, 10, lambda i: i % 10 in {1, 2})
    assert len({document.id for document in found}) == 10
    assert recall([document.id for document in found], wanted) >= 0.9


def test_a_join_before_other_columns_are_selected_still_counts(session, vectors, query):
    source = select(Document.id).join(Document.author).where(Author.name == "author 3").with_only_columns(Document)
    found = session.scalars(nearest(source, Document.embedding, query, k=10)).all()
    assert recall([document.id for document in found], exact_ids(vectors, query, 10, lambda i: i % 10 == 3)) >= 0.9
    other = aliased(Author)
    source = select(Document.id, other.id).join(other, other.id < 3).with_only_columns(Document.id, other.id)
    rows = session.execute(nearest(source, Document.embedding, query, k=6)).all()
    assert len({(row[0], row[1]) for row in rows}) == 6


def test_a_threshold_bounds_the_distance(session, query):
    everything = session.execute(nearest(Document, Document.embedding, query, k=20)).all()
    middle = everything[9].distance
    rows = session.execute(nearest(Document, Document.embedding, query, k=20, within=middle)).all()
    assert [row.Document.id for row in rows] == [row.Document.id for row in everything[:10]]
    assert session.execute(nearest(Document, Document.embedding, query, k=20, within=0.0)).all() == []


def test_an_exact_search_is_exact_and_uses_no_vector_index(session, vectors, query, indexes_used):
    statement = nearest(select(Document.id), Document.embedding, query, k=25, exact=True)
    assert indexes_used(session, statement) == set()
    assert session.execute(statement).scalars().all() == exact_ids(vectors, query, 25)


def test_a_row_without_an_embedding_is_never_returned(session, query):
    source = select(Document.id).where(Document.id >= ROWS - 3)
    for exact in (False, True):
        rows = session.execute(nearest(source, Document.embedding, query, k=10, exact=exact)).all()
        assert sorted(row.id for row in rows) == [ROWS - 3, ROWS - 2, ROWS - 1]


def test_k_above_the_rows_of_the_table_returns_all_of_them(session, query):
    source = select(Document.id).where(Document.hundredth == 3)
    assert len(session.execute(nearest(source, Document.embedding, query, k=500)).all()) == ROWS // 100


def test_a_filter_that_matches_nothing_returns_nothing(session, query):
    source = select(Document.id).where(Document.hundredth == 1000)
    assert session.execute(nearest(source, Document.embedding, query, k=5)).all() == []


@pytest.mark.parametrize(
    ("column", "index", "least"),
    [
        ("lists", "ix_variant_lists", 0.2),  # one list of 60, whose centres are chosen at random
        ("half", "ix_variant_half_halfvec", 0.6),
        ("bits", "ix_variant_bits_binary", 0.6),
        ("part", "ix_variant_part_subvector_1_8", 0.6),
    ],
)
def test_every_kind_of_index_serves_its_search(session, vectors, query, column, index, least, indexes_used):
    attribute = getattr(Variant, column)
    statement = nearest(select(Variant.id), attribute, query, k=10)
    assert indexes_used(session, statement) == {index}
    rows = session.execute(statement).all()
    assert len(rows) == 10
    assert ascending(rows)
    assert recall([row.id for row in rows], exact_ids(vectors, query, 10)) >= least
    filtered = nearest(select(Variant.id).where(Variant.hundredth < 5), attribute, query, k=50)
    rows = session.execute(filtered).all()
    assert len(rows) == 50
    assert ascending(rows)


def test_a_search_by_another_metric_uses_its_own_index(engine, vectors, query, indexes_used):
    statement = nearest(select(Variant.id), Variant.plain, query, k=10)
    with Session(engine) as session:
        assert indexes_used(session, statement) == {"ix_variant_plain"}
        assert recall(session.execute(statement).scalars().all(), exact_ids(vectors, query, 10, metric="l2")) >= 0.9


def test_more_like_a_stored_row_leaves_it_out(session, vectors, indexes_used):
    statement = nearest(select(Document.id), Document.embedding, embedding_of(Document, 42), k=10)
    assert indexes_used(session, statement) == {"ix_document_embedding"}
    found = session.execute(statement).scalars().all()
    assert 42 not in found
    assert recall(found, exact_ids(vectors, vectors[42], 10, lambda i: i != 42)) >= 0.9


@pytest.mark.parametrize("identity", [ROWS, ROWS + 1])
def test_more_like_a_row_without_an_embedding_is_nothing(session, identity):
    for exact in (False, True):
        statement = nearest(Document, Document.embedding, embedding_of(Document, identity), k=5, exact=exact)
        assert session.execute(statement).all() == []


def test_ties_are_broken_by_the_callers_order(session):
    session.execute(
        insert(Document),
        [{"id": 10_000 - i, "hundredth": 0, "author_id": 0, "embedding": [9.0] * 16} for i in range(5)],
    )
    statement = nearest(select(Document.id).order_by(Document.id), Document.embedding, [9.0] * 16, k=5)
    assert session.execute(statement).scalars().all() == [9996, 9997, 9998, 9999, 10_000]


def test_deleted_rows_do_not_shorten_the_result(session, query, pgvector_version):
    ids = session.execute(nearest(select(Document.id), Document.embedding, query, k=35)).scalars().all()
    session.execute(text("DELETE FROM document WHERE id = ANY(:ids)"), {"ids": ids})
    exact = pgvector_version < (0, 8)  # until the next VACUUM, an index scan of that age counts deleted rows
    assert len(session.execute(nearest(select(Document.id), Document.embedding, query, k=40, exact=exact)).all()) == 40


def test_locked_rows_are_passed_over(engine, query):
    source = select(Document.id).where(Document.hundredth < 50).with_for_update(skip_locked=True)
    statement = nearest(source, Document.embedding, query, k=5)
    with Session(engine) as first, Session(engine) as second:
        one = first.execute(statement).scalars().all()
        two = second.execute(statement).scalars().all()
    assert len(one) == len(two) == 5
    assert not set(one) & set(two)


def test_settings_end_with_the_transaction(session, query):
    session.execute(nearest(Document, Document.embedding, query, k=200))
    session.rollback()
    assert session.execute(select(func.current_setting("hnsw.ef_search"))).scalar() == "40"
    assert session.execute(select(func.current_setting("hnsw.iterative_scan"))).scalar() == "off"


def test_settings_end_with_the_statement_in_autocommit(engine, query):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert len(connection.execute(nearest(Document, Document.embedding, query, k=200)).all()) == 200
        assert connection.execute(select(func.current_setting("hnsw.ef_search"))).scalar() == "40"


def test_a_search_is_not_lowered_by_the_one_before_it(session, query):
    low = nearest(select(Document.id), Document.embedding, query, k=5, ef_search=5)
    session.execute(low).all()
    assert len(session.execute(nearest(select(Document.id), Document.embedding, query, k=30)).all()) == 30
    assert session.execute(select(func.current_setting("hnsw.ef_search"))).scalar() == "120"


@pytest.mark.parametrize(("rows", "candidates"), [(-1, "100"), (62_500, "100"), (250_000, "200"), (9_000_000, "400")])
def test_a_large_table_raises_ef_search(session, query, rows, candidates):
    claimed = text("UPDATE pg_catalog.pg_class SET reltuples = :rows WHERE oid = to_regclass('document')")
    session.execute(claimed, {"rows": rows})
    session.execute(nearest(select(Document.id), Document.embedding, query, k=5)).all()
    assert session.execute(select(func.current_setting("hnsw.ef_search"))).scalar() == candidates


def test_a_large_table_leaves_an_ef_search_that_is_named(session, query):
    session.execute(text("UPDATE pg_catalog.pg_class SET reltuples = 1000000 WHERE oid = to_regclass('document')"))
    session.execute(nearest(select(Document.id), Document.embedding, query, k=5, ef_search=50)).all()
    assert session.execute(select(func.current_setting("hnsw.ef_search"))).scalar() == "50"


def test_a_setting_of_the_session_is_kept_when_it_is_larger(session, query):
    session.execute(text("SET LOCAL hnsw.ef_search = 300"))
    session.execute(nearest(Document, Document.embedding, query, k=10))
    assert session.execute(select(func.current_setting("hnsw.ef_search"))).scalar() == "300"


def test_a_block_of_settings_holds_and_is_restored(session, query):
    session.execute(text("SET LOCAL hnsw.ef_search = 50"))
    with search_settings(session, ef_search=200, probes=20):
        session.execute(nearest(Document, Document.embedding, query, k=10))
        assert session.execute(select(func.current_setting("hnsw.ef_search"))).scalar() == "200"
        assert session.execute(select(func.current_setting("ivfflat.probes"))).scalar() == "20"
    assert session.execute(select(func.current_setting("hnsw.ef_search"))).scalar() == "50"
    assert session.execute(select(func.current_setting("ivfflat.probes"))).scalar() == "1"


def test_a_block_of_settings_is_left_cleanly_by_a_failing_statement(session):
    with pytest.raises(Exception, match="division by zero"), search_settings(session, ef_search=200):
        session.execute(text("SELECT 1/0"))
    session.rollback()
    assert session.execute(select(func.current_setting("hnsw.ef_search"))).scalar() == "40"


def test_a_block_of_settings_refuses_autocommit(engine):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        with pytest.raises(SettingsError) as caught, search_settings(connection, ef_search=200):
            pass
        assert str(caught.value) == (
            "The settings hnsw.ef_search did not last to the next statement. The connection is in autocommit, where "
            "each statement is a transaction of its own. "
            "Begin a transaction first, or pass the setting to the search: nearest(..., ef_search=200)."
        )


def test_a_block_of_settings_needs_a_setting_and_the_right_kind_of_with(session):
    with pytest.raises(SettingsError, match="was given no setting"):
        search_settings(session)


async def test_async_sessions_search_and_hold_settings(url, make_engine, query):
    for driver in ("psycopg_async", "asyncpg"):
        engine = make_engine(driver, url=url)
        async with AsyncSession(engine) as session:
            async with search_settings(session, ef_search=240):
                rows = (await session.execute(nearest(Document, Document.embedding, query.tolist(), k=60))).all()
                filtered = nearest(
                    select(Document.id).where(Document.hundredth == 5), Document.embedding, query.tolist(), k=10
                )
                assert len((await session.execute(filtered)).all()) == 10
                value = (await session.execute(select(func.current_setting("hnsw.ef_search")))).scalar()
            assert len(rows) == 60
            assert value == "240"
            with (
                pytest.raises(SettingsError, match="was entered without 'async'"),
                search_settings(session, ef_search=1),
            ):
                pass
        await engine.dispose()


@pytest.mark.parametrize("driver", ["psycopg2", "pg8000"])
def test_other_drivers_search_too(url, make_engine, vectors, query, driver):
    engine = make_engine(driver, url=url)
    with engine.connect() as connection:
        source = select(Document.id).where(Document.hundredth < 10)
        rows = connection.execute(nearest(source, Document.embedding, query.tolist(), k=45)).all()
    assert len(rows) == 45
    assert ascending(rows)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (Metric.COSINE, lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b)),
        (Metric.INNER_PRODUCT, lambda a, b: a @ b),
        (Metric.L2, lambda a, b: 1 / (1 + np.linalg.norm(a - b))),
        (Metric.L1, lambda a, b: 1 / (1 + np.abs(a - b).sum())),
    ],
)
def test_similarity_grows_with_nearness(session, vectors, query, metric, expected):
    found = session.execute(select(similarity(Document.embedding, query, metric)).where(Document.id == 3)).scalar()
    assert found == pytest.approx(expected(vectors[3].astype(float), query.astype(float)), rel=1e-4)


def test_an_added_index_serves_its_metric(engine, vectors, query, indexes_used):
    class Other(DeclarativeBase):
        pass

    class Item(Other):
        __tablename__ = "item"
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="cosine", index=HNSW())

    vector_index("ix_item_l1", Item.embedding, metric="l1")
    with engine.connect() as connection:
        Other.metadata.create_all(connection)
        with indexed_afterwards(connection, Item.__table__):
            connection.execute(insert(Item), [{"id": i, "embedding": v.tolist()} for i, v in enumerate(vectors[:3000])])
        connection.execute(text("ANALYZE item"))
        with Session(connection) as session:
            assert indexes_used(session, nearest(Item, Item.embedding, query, k=5, metric="l1")) == {"ix_item_l1"}
        connection.rollback()
