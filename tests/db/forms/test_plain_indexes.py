"""Where few rows pass and a plain index leads to them, they are all read; where none does, the scan goes on."""

import pytest
from sqlalchemy import ForeignKey, create_engine, func, or_, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from sqlalchemy_vecsearch import HNSW, embedding_column, explain, nearest
from sqlalchemy_vecsearch.search.building import decided
from tests.db.filling import indexed_afterwards

QUERY = [0.5, 0.5, 0.5, 0.5]
WANTED = 10


class Base(DeclarativeBase):
    pass


class Owner(Base):
    __tablename__ = "owner"
    id: Mapped[int] = mapped_column(primary_key=True)


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int] = mapped_column("of %tenant")
    lang: Mapped[str]
    hidden: Mapped[bool]
    deleted_at: Mapped[str | None]
    owner_id: Mapped[int] = mapped_column(ForeignKey(Owner.id))
    embedding: Mapped[list[float]] = embedding_column(4, metric="cosine", index=HNSW(), nullable=False)


Other = aliased(Note)
NOTES = select(Note)
OF_TENANT = NOTES.where(Note.tenant == 7)
TENANT = 'CREATE INDEX plain ON note ("of %tenant")'
FILL = """
    INSERT INTO note SELECT i, i % 60, 'en', false, NULL, 1, ARRAY[random(), random(), random(), random()]::vector(4)
    FROM generate_series(1, 6000) i
"""


@pytest.fixture(scope="module")
def notes(vecsearch_databases):
    """Give an engine on a database of 6,000 notes."""
    url = vecsearch_databases.create()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("SELECT setseed(0.5)"))
        Base.metadata.create_all(connection)
        connection.execute(text("INSERT INTO owner VALUES (1)"))
        with indexed_afterwards(connection, Note.__table__):
            connection.execute(text(FILL))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE note"))
    yield engine
    engine.dispose()
    vecsearch_databases.drop(url)


@pytest.fixture
def connection(notes, monkeypatch):
    """Give a connection whose planner takes the vector index wherever there is an ORDER BY for it."""
    monkeypatch.setattr(decided, "_READ_FOR_VISITED", 1)
    monkeypatch.setattr(decided, "_PART_VISITED", 1)
    decided.decided.cache_clear()
    with notes.connect() as connection:
        connection.execute(text("SET LOCAL enable_sort = off"))
        yield connection
    decided.decided.cache_clear()


@pytest.fixture
def on(pgvector_version):
    """Give what goes on from the first scan where no plain index decides it: before pgvector 0.8 no scan can."""
    return "scan" if pgvector_version >= (0, 8) else "exact"


def ways(connection, statement):
    return [way.name for way in explain(connection, statement, analyze=True).ways if way.ran]


def found(connection, source, column=Note.embedding, **options):
    return ways(connection, nearest(source, column, QUERY, k=WANTED, **options))


def test_without_a_plain_index_the_scan_goes_on(connection, on):
    assert found(connection, OF_TENANT) == ["first", on]


@pytest.mark.parametrize(
    "index",
    [
        TENANT,
        'CREATE INDEX plain ON note USING hash ("of %tenant")',
        'CREATE INDEX plain ON note ("of %tenant", lang)',
        'CREATE UNIQUE INDEX plain ON note ("of %tenant", id)',
    ],
)
def test_a_plain_index_that_begins_with_the_column_lets_all_that_pass_be_read(connection, index):
    connection.execute(text(index))
    statement = nearest(OF_TENANT, Note.embedding, QUERY, k=WANTED)
    assert ways(connection, statement) == ["first", "exact"]
    exact = nearest(OF_TENANT, Note.embedding, QUERY, k=WANTED, exact=True)
    assert [row.id for row in connection.execute(statement)] == [row.id for row in connection.execute(exact)]


@pytest.mark.parametrize(
    "index",
    [
        "CREATE INDEX plain ON note (lang)",
        'CREATE INDEX plain ON note (lang, "of %tenant")',
        "CREATE INDEX plain ON note (\"of %tenant\") WHERE lang = 'en'",
        'CREATE INDEX plain ON note USING brin ("of %tenant")',
        'CREATE INDEX plain ON note (("of %tenant" + 0))',
    ],
)
def test_other_indexes_do_not_count(connection, on, index):
    connection.execute(text(index))
    assert found(connection, OF_TENANT) == ["first", on]


def test_an_invalid_index_does_not_count(connection, on):
    connection.execute(text(TENANT))
    connection.execute(text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'plain'::regclass"))
    assert found(connection, OF_TENANT) == ["first", on]


@pytest.mark.parametrize(
    "source",
    [
        OF_TENANT.where(~Note.hidden, Note.deleted_at.is_(None), Note.hidden.is_(False), Note.hidden == False),  # noqa: E712
        NOTES.where(Note.tenant.in_([7, 70])),
        NOTES.where(Note.tenant > 6, Note.tenant <= 7),
        NOTES.where(Note.tenant.between(7, 7)),
        NOTES.where(7 == Note.tenant),  # noqa: SIM300  # the other way round
    ],
    ids=["flags", "in", "range", "between", "reversed"],
)
def test_conditions_that_the_index_serves(connection, source):
    connection.execute(text(TENANT))
    assert found(connection, source) == ["first", "exact"]


@pytest.mark.parametrize(
    "source",
    [
        OF_TENANT.where(Note.lang == "en"),
        NOTES.where(or_(Note.tenant == 7, Note.tenant == 70)),
        NOTES.where(func.abs(Note.tenant) == 7),
        NOTES.where(Note.tenant == Note.id - Note.id + 7),
        NOTES.where(Note.tenant.in_(select(Owner.id + 6))),
        OF_TENANT.join(Owner, Owner.id == Note.owner_id).where(Owner.id == 1),
        OF_TENANT.where(func.length(Note.lang) == 2),
    ],
    ids=["another column", "or", "of an expression", "of the row", "sub-select", "joined", "function"],
)
def test_conditions_of_which_it_is_not_known(connection, on, source):
    connection.execute(text(TENANT))
    assert found(connection, source) == ["first", on]


def test_each_column_has_its_index(connection):
    connection.execute(text(TENANT))
    connection.execute(text("CREATE INDEX of_lang ON note (lang)"))
    assert found(connection, OF_TENANT.where(Note.lang == "en")) == ["first", "exact"]


def test_an_alias_is_searched_as_its_table(connection):
    connection.execute(text(TENANT))
    assert found(connection, select(Other).where(Other.tenant == 7), Other.embedding) == ["first", "exact"]


def test_what_may_be_read_is_bounded_by_name(connection):
    connection.execute(text(TENANT))
    assert found(connection, OF_TENANT, max_exact_rows=100) == ["first", "scan"]
    assert found(connection, OF_TENANT, max_exact_rows=6000) == ["first", "exact"]


def test_where_many_pass_the_scan_goes_on(connection, on):
    connection.execute(text(TENANT))
    assert found(connection, NOTES.where(Note.tenant < 5)) == ["first", on]
