"""In a large table the first scan looks farther than its candidates, so that it tells how many rows pass near the query.

The catalog is told of a million rows, of which 40,000 are there.
"""

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import HNSW, embedding_column, explain, nearest
from tests.db.filling import indexed_afterwards

ROWS = 40_000
CANDIDATES = 400
DIMENSIONS = 8
K = 10


class Base(DeclarativeBase):
    pass


class Event(Base):
    __tablename__ = "event"
    id: Mapped[int] = mapped_column(primary_key=True)
    share: Mapped[int]
    region: Mapped[int]
    embedding: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="l2", index=HNSW(), nullable=False)


FILL = """
    INSERT INTO event
    SELECT i, i * 7919 % 10000, floor(8 * v[1]), v::vector
    FROM (SELECT i, ARRAY(SELECT random() FROM generate_series(1, :dimensions) WHERE i > 0) AS v
          FROM generate_series(1, :rows) i) made
"""
ENTRIES = text(
    "SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))"
    " FROM pg_index WHERE pg_get_indexdef(indexrelid) LIKE '%USING hnsw%'"
)
LARGE = text("UPDATE pg_class SET reltuples = 1000000 WHERE relname = 'event'")
QUERIES = [[((7 * number + 3 * place) % 11 + 1) / 13 for place in range(DIMENSIONS)] for number in range(20)]


@pytest.fixture(scope="module")
def engine(vecsearch_databases):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("SELECT setseed(0.75)"))
        Base.metadata.create_all(connection)
        with indexed_afterwards(connection, Event.__table__):
            connection.execute(text(FILL), {"dimensions": DIMENSIONS, "rows": ROWS})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE event"))
    yield engine
    engine.dispose()
    vecsearch_databases.drop(url)


@pytest.fixture
def connection(engine):
    """Give a connection whose changes are undone, but for what CREATE INDEX tells the catalog of the table's rows."""
    with engine.connect() as connection:
        connection.execute(LARGE)
        yield connection


@pytest.fixture
def on(pgvector_version):
    """The way that goes on where that pays: before pgvector 0.8 there are no iterative scans."""
    return "scan" if pgvector_version >= (0, 8) else "exact"


def ways(connection, statement):
    return [way.name for way in explain(connection, statement, analyze=True).ways if way.ran]


def entries_for(connection, statement):
    """Return how many entries of the index a statement reads."""
    before = connection.scalar(ENTRIES)
    connection.execute(statement).all()
    return connection.scalar(ENTRIES) - before


def search(query, *filters, **options):
    return nearest(select(Event.id).where(*filters), Event.embedding, query, k=K, **options)


def recall(connection, *filters, **options):
    """Return the share of the nearest rows that a search finds."""
    found = wanted = 0
    for query in QUERIES:
        right = set(connection.scalars(search(query, *filters, exact=True)))
        found += len(right & set(connection.scalars(search(query, *filters, **options))))
        wanted += len(right)
    return found / wanted


def test_a_share_that_the_candidates_hardly_tell_is_told(connection, on):
    """Of 400 candidates four pass, or none, or nine."""
    filters = Event.share + 0 < 100
    assert [ways(connection, search(query, filters)) for query in QUERIES] == [["first", on]] * len(QUERIES)
    assert recall(connection, filters) > 0.97
    of_a_hundred = nearest(select(Event.id).where(Event.share + 0 < 1000), Event.embedding, QUERIES[0], k=100)
    assert len(connection.execute(of_a_hundred).all()) == 100


def test_where_fewer_pass_every_row_is_read(connection, pgvector_version):
    """One of 400 candidates may pass by chance; of the thousands that a look farther returns, too few."""
    filters = Event.share + 0 < 10
    assert [ways(connection, search(query, filters)) for query in QUERIES] == [["first", "exact"]] * len(QUERIES)
    assert recall(connection, filters) == 1.0
    read = [entries_for(connection, search(query, filters)) for query in QUERIES]
    assert max(read) < ROWS / 4  # the scan does not visit the graph for them
    if pgvector_version >= (0, 8):
        assert min(read) > CANDIDATES


def test_what_most_candidates_pass_is_answered_from_them(connection):
    for filters in (Event.share + 0 < 5000, Event.share + 0 < 1000):
        assert [ways(connection, search(query, filters)) for query in QUERIES] == [["first"]] * len(QUERIES)
        assert recall(connection, filters) > 0.97
    assert max(entries_for(connection, search(query, Event.share + 0 < 5000)) for query in QUERIES) < CANDIDATES / 4


def test_a_filter_that_goes_with_the_vectors(connection):
    for region in range(8):
        assert recall(connection, Event.region + 0 == region) > 0.97


def test_a_transaction_s_earlier_scans_do_not_count(connection, on):
    statement = search(QUERIES[0], Event.share + 0 < 100)
    for _ in range(5):
        assert ways(connection, statement) == ["first", on]
        connection.execute(nearest(select(Event.id), Event.embedding, QUERIES[1], k=500)).all()


def test_the_candidates_suffice_where_a_plain_index_leads_to_the_rows(connection):
    connection.execute(text("CREATE INDEX plain ON event (share)"))
    connection.execute(text("SET LOCAL enable_bitmapscan = off"))
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    connection.execute(text("SET LOCAL random_page_cost = 1000"))  # so that the planner looks by the vector index
    connection.execute(LARGE)
    for query in QUERIES:
        assert entries_for(connection, search(query, Event.share < 10)) <= CANDIDATES


def test_so_they_do_where_rows_are_locked(connection):
    source = select(Event.id).where(Event.share + 0 < 10).with_for_update(skip_locked=True)
    statement = nearest(source, Event.embedding, QUERIES[0], k=K)
    assert entries_for(connection, statement) <= CANDIDATES
    assert len(connection.execute(statement).all()) == K


def test_so_they_do_where_nothing_is_counted(connection):
    connection.execute(text("SET LOCAL track_counts = off"))
    for filters in (Event.share + 0 < 5000, Event.share + 0 < 100, Event.share + 0 < 10, Event.share + 0 < 2):
        assert recall(connection, filters) > 0.95


def test_a_bound_that_the_caller_names_still_holds(connection, pgvector_version):
    """So many rows may be visited by a scan, and every row read only in smaller tables."""
    statement = search(QUERIES[0], Event.share + 0 < 2, max_exact_rows=1_000, max_scan_tuples=2_000)
    taken = ways(connection, statement)
    assert taken == (["first", "scan"] if pgvector_version >= (0, 8) else ["first"])


def test_what_is_left_in_force_is_in_order(connection, pgvector_version):
    """A statement by hand in the same transaction has rows in the order of the distance, as it would have before."""
    connection.execute(search(QUERIES[0], Event.share + 0 < 5000)).all()
    if pgvector_version >= (0, 8):
        assert connection.scalar(text("SELECT current_setting('hnsw.iterative_scan')")) == "relaxed_order"
    apart = Event.embedding.l2_distance(QUERIES[2])
    found = connection.execute(select(apart).where(Event.share + 0 < 200).order_by(apart).limit(40)).scalars().all()
    assert len(found) >= 8
    assert found == sorted(found)
