"""assert_index_served on the small tables of a test."""

import pytest
from sqlalchemy import ForeignKey, Index, create_engine, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import sqlalchemy_vecsearch
from sqlalchemy_vecsearch import (
    HNSW,
    IndexNotServedError,
    IVFFlat,
    Subvector,
    assert_index_served,
    count_within,
    dense,
    distance,
    embedding_column,
    embedding_of,
    hybrid,
    max_sim,
    nearest,
    nearest_each,
    nearest_per_group,
    recommend,
    similar_pairs,
    vector_index,
)

QUERY = [1.0, 2.0, 3.0, 4.0]


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str] = mapped_column(index=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), index=True)
    embedding: Mapped[list[float] | None] = embedding_column(4, metric="cosine", index=HNSW())
    lists: Mapped[list[float]] = embedding_column(4, metric="l2", index=IVFFlat(lists=2))
    half: Mapped[list[float]] = embedding_column(4, metric="l2", index=HNSW(), quantize="halfvec")
    bits: Mapped[list[float]] = embedding_column(4, metric="cosine", index=HNSW(), quantize="binary")
    part: Mapped[list[float]] = embedding_column(4, metric="cosine", index=HNSW(), quantize=Subvector(1, 2))
    bare: Mapped[list[float]] = embedding_column(4, metric="l2")


vector_index("ix_note_en", Note.embedding, metric="cosine", where=Note.lang == "en")


@pytest.fixture(scope="module", params=[0, 3, 60])
def rows_url(vecsearch_databases, request):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    columns = ("embedding", "lists", "half", "bits", "part", "bare")
    rows = [
        {"id": number, "lang": "en" if number % 2 else "de", "author_id": 1}
        | {column: [number + 1, 1, 2, 3] for column in columns}
        for number in range(request.param)
    ]
    with engine.begin() as connection:
        connection.execute(insert(Author), {"id": 1, "name": "A"})
        if rows:
            connection.execute(insert(Note), rows)
    if request.param == 60:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    yield url
    vecsearch_databases.drop(url)


@pytest.fixture
def small(rows_url):
    engine = create_engine(rows_url)
    with Session(engine) as session:
        yield session
    engine.dispose()


def filtered():
    return select(Note).join(Author, Author.id == Note.author_id).where(Note.lang == "de", Author.name == "A")


SERVED = {
    "plain": nearest(Note, Note.embedding, QUERY, k=3),
    "filtered": nearest(select(Note).where(Note.lang == "de"), Note.embedding, QUERY, k=3),
    "joined": nearest(filtered(), Note.embedding, QUERY, k=3),
    "within": nearest(Note, Note.embedding, QUERY, k=3, within=0.5),
    "like a row": nearest(Note, Note.embedding, embedding_of(Note, 1), k=3),
    "lists": nearest(Note, Note.lists, QUERY, k=3),
    "halfvec": nearest(Note, Note.half, QUERY, k=3),
    "binary": nearest(Note, Note.bits, QUERY, k=3),
    "subvector": nearest(filtered(), Note.part, QUERY, k=3),
    "groups": nearest_per_group(Note, Note.embedding, QUERY, by=Note.author_id, k=3),
    "each": nearest_each(Note, Note.embedding, {1: QUERY, 2: QUERY}, k=3),
    "count": count_within(Note, Note.embedding, QUERY, within=0.5, at_most=10),
    "hybrid": hybrid(Note, [dense(Note.embedding, QUERY), dense(Note.lists, QUERY, name="second")], k=3),
    "recommend": recommend(Note, Note.embedding, positive=[1], negative=[2], k=3),
    "max_sim": max_sim(Note, Note.embedding, [QUERY, QUERY], by=Note.author_id, k=3),
    "pairs": similar_pairs(Note, Note.embedding, k=3, within=0.5),
    "by hand": select(Note.id).where(Note.lang == "de").order_by(distance(Note.embedding, QUERY)).limit(5),
}

BY_DISTANCE = distance(Note.embedding, QUERY)
UNSERVED = {
    "exact": nearest(Note, Note.embedding, QUERY, k=3, exact=True),
    "no index": nearest(Note, Note.bare, QUERY, k=3),
    "descending": select(Note.id).order_by(BY_DISTANCE.desc()).limit(3),
    "similarity": select(Note.id).order_by((1 - BY_DISTANCE).desc()).limit(3),
    "nulls first": select(Note.id).order_by(BY_DISTANCE.nulls_first()).limit(3),
    "another operator": select(Note.id).order_by(Note.embedding.l2_distance(QUERY)).limit(3),
    "no order": select(Note.id).limit(3),
}


@pytest.mark.parametrize("form", SERVED)
def test_every_form_of_search_passes_however_few_the_rows(small, form):
    assert assert_index_served(small, SERVED[form]).index_served


@pytest.mark.parametrize("form", UNSERVED)
def test_a_statement_that_no_index_can_serve_fails(small, form):
    with pytest.raises(AssertionError) as error:
        assert_index_served(small, UNSERVED[form])
    assert str(error.value).startswith("No vector index can serve the statement. ")
    assert "\n\nNot served by a vector index.\n\n" in str(error.value)
    assert not error.value.plan.index_served


def test_the_reason_is_what_lint_finds(small):
    with pytest.raises(IndexNotServedError) as error:
        assert_index_served(small, UNSERVED["similarity"])
    reason, _, _ = str(error.value).partition("\n\n")
    assert reason == (
        "No vector index can serve the statement. ORDER BY sorts by a similarity to the column 'embedding', "
        "descending. An index returns rows by the bare distance, ascending, so every row is read and sorted. Order by "
        "distance(column, query), which gives the same order, and select similarity(column, query)."
    )


@pytest.mark.parametrize("exact", [True, False])
def test_without_a_finding_the_index_is_missing_or_not_wanted(small, exact):
    if not exact:
        small.execute(text("DROP INDEX ix_note_lists"))
    with pytest.raises(IndexNotServedError) as error:
        assert_index_served(small, nearest(Note, Note.lists, QUERY, k=3, exact=exact))
    reason, _, _ = str(error.value).partition("\n\n")
    assert reason == (
        "No vector index can serve the statement. PostgreSQL does without one even when sequential scans and sorts are "
        "switched off, so the index is missing in this database, or the ORDER BY is not by the bare distance that it "
        "is built for. Create the tables with their indexes, and search by nearest() without exact=True."
    )


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        (select(Note.id).order_by(BY_DISTANCE), "has no LIMIT. Without one every row is asked for"),
        (select(Note.id, func.count().over()).order_by(BY_DISTANCE).limit(3), "A window function stands at the level"),
    ],
)
def test_a_scan_that_no_limit_ends_fails(small, statement, rule):
    with pytest.raises(IndexNotServedError) as error:
        assert_index_served(small, statement)
    reason, _, _ = str(error.value).partition("\n\n")
    assert reason.startswith("No LIMIT ends the scan of 'ix_note_embedding'. ")
    assert rule in reason


def test_sql_text_is_judged_by_its_plan_alone(small):
    by_distance = "SELECT id FROM note ORDER BY embedding <=> '[1,2,3,4]'"
    assert_index_served(small, text(f"{by_distance} LIMIT 3"))
    with pytest.raises(IndexNotServedError) as error:
        assert_index_served(small, text(by_distance))
    reason, _, _ = str(error.value).partition("\n\n")
    assert reason == (
        "No LIMIT ends the scan of 'ix_note_embedding'. PostgreSQL would read and sort a larger table whole, or return "
        "the few rows that one scan of the index finds. Add LIMIT at the level of the ORDER BY, as nearest(..., k=10) "
        "does."
    )


def test_the_index_can_be_named(small):
    statement = nearest(Note, Note.lists, QUERY, k=3)
    (index,) = [index for index in Note.__table__.indexes if index.name == "ix_note_lists"]
    assert assert_index_served(small, statement, index="ix_note_lists").indexes == ("ix_note_lists",)
    assert assert_index_served(small, statement, index).indexes == ("ix_note_lists",)
    with pytest.raises(IndexNotServedError) as error:
        assert_index_served(small, statement, Index("ix_other"))
    assert str(error.value).startswith(
        "The index 'ix_other' does not serve the statement. The planner chose 'ix_note_lists' among those that can. Drop "
        "the other index, or assert that one.\n\nServed by 'ix_note_lists'.\n\n"
    )


def test_no_setting_of_the_planner_changes(small):
    names = ("enable_seqscan", "enable_sort", "max_parallel_workers_per_gather")
    before = [small.scalar(text(f"SHOW {name}")) for name in names]
    assert_index_served(small, SERVED["plain"])
    with pytest.raises(AssertionError):
        assert_index_served(small, UNSERVED["exact"])
    assert [small.scalar(text(f"SHOW {name}")) for name in names] == before


def test_it_works_in_autocommit(rows_url):
    engine = create_engine(rows_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        assert_index_served(connection, SERVED["filtered"])
        assert connection.scalar(text("SHOW enable_seqscan")) == "on"
    engine.dispose()


async def test_it_works_in_an_async_session(make_engine, rows_url):
    async with AsyncSession(make_engine("psycopg_async", url=rows_url)) as session:
        await session.run_sync(assert_index_served, SERVED["filtered"])


def test_the_fixture_is_the_function(assert_index_served):
    assert assert_index_served is sqlalchemy_vecsearch.assert_index_served
