"""The operations on a job where names, schemas and tables are odd: quoted, long, translated, partitioned."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import alembic_ops  # noqa: F401  # registers the operations
from sqlalchemy_vecsearch import HNSW, VECTOR, embedding_column
from sqlalchemy_vecsearch.embedding.journal import find_reembedding
from sqlalchemy_vecsearch.embedding.journal_moves import Move, make
from sqlalchemy_vecsearch.provenance import Provenance
from sqlalchemy_vecsearch.quoting import PREPARER
from tests.db.operations.reembedding_jobs import ABORT, BEGIN, FINISH, TABLE, Job, swap

LONG = "d" * 63


@pytest.fixture
def job(vecsearch_url):
    found = Job(vecsearch_url)
    yield found
    found.engine.dispose()


def run(job, operation, *arguments, translate=None, **keywords):
    engine = job.engine.execution_options(schema_translate_map=translate) if translate else job.engine
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        with context.begin_transaction():
            return getattr(Operations(context), operation)(*arguments, **keywords)


def ready(job, name, schema, table, column):
    """Embed every row, and let the job be ready, whatever the names are."""
    hashed, model, at = (f'"{one}"' for one in Provenance().named_for(column))
    job.execute(
        f"""UPDATE {table} SET "{column}" = '[1,2,3,4]', {hashed} = md5(coalesce(title, '')), {model} = 'new', {at} = now()"""
    )
    with job.engine.begin() as connection:
        make(connection, Move.READY, name, schema, verification={})


# what is odd -> (schema, table, live, new, translated from)
PLACES = {
    "quoted": ("Odd %Schema", 'ta"ble: x', "Live %", "New: %", None),
    "of 63 bytes": (None, LONG, "l" * 63, "n" * 63, None),
    "translated": ("tenant", "document", "embedding", "embedding_v2", {None: "tenant"}),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_job_goes_its_way_whatever_the_names_are(job, place):
    schema, table, live, new, translate = PLACES[place]
    quote = PREPARER.quote_identifier
    qualified = quote(table) if schema is None else f"{quote(schema)}.{quote(table)}"
    if schema is not None:
        job.execute(f"CREATE SCHEMA {quote(schema)}")
    job.execute(
        f"CREATE TABLE {qualified} (part int, id int, title text, {quote(live)} vector(3) NOT NULL, PRIMARY KEY (part, id))",
        f"INSERT INTO {qualified} SELECT i % 2, i, 'title ' || i, '[1,2,3]' FROM generate_series(1, 20) i",
        f"CREATE INDEX ON {qualified} USING hnsw ({quote(live)} vector_l2_ops)",
    )
    given = None if translate else schema
    before = job.columns(qualified), job.indexes(qualified)
    begin = {
        "table_name": table, "source": ["title"], "live": live, "new": sa.Column(new, VECTOR(4)), "model": "new",
        "index": HNSW(m=8), "schema": given, "translate": translate,
    }  # fmt: skip
    run(job, "begin_reembedding", "j", **begin)
    run(job, "abort_reembedding", "j", schema=given, translate=translate)
    assert (job.columns(qualified), job.indexes(qualified)) == before
    run(job, "begin_reembedding", "j", **begin)
    with job.engine.connect() as connection:
        found = find_reembedding(connection, "j", schema)
    assert found.index_definition["operator_class"] == "vector_l2_ops", "as the live column's"
    ready(job, "j", schema, qualified, new)
    job.execute(
        f"CREATE INDEX {quote(found.index_definition['name'])} ON {qualified} USING hnsw ({quote(new)} vector_l2_ops)"
    )
    then = job.columns(qualified), job.indexes(qualified)
    arguments = {"schema": given, "translate": translate}
    run(job, "swap_embedding", "j", mode="rename", **arguments)
    assert job.columns(qualified)[live] == ("vector(4)", True)
    run(job, "swap_embedding_back", "j", **arguments)
    assert (job.columns(qualified), job.indexes(qualified)) == then
    run(job, "swap_embedding", "j", mode="rename", **arguments)
    run(job, "finish_reembedding", "j", **arguments)
    assert set(job.columns(qualified)) == {"part", "id", "title", live, *Provenance().named_for(live)}
    assert all(usable for _, usable in job.indexes(qualified).values())
    assert len(job.indexes(qualified)) == 2


PARTITIONED = (
    "CREATE TABLE document (id int, title text, embedding vector(3) NOT NULL, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
    "CREATE TABLE document_1 PARTITION OF document FOR VALUES FROM (0) TO (100)",
    "CREATE TABLE document_2 PARTITION OF document FOR VALUES FROM (100) TO (300) PARTITION BY RANGE (id)",
    "CREATE TABLE document_2_1 PARTITION OF document_2 FOR VALUES FROM (100) TO (200)",
    "INSERT INTO document SELECT i, 'title ' || i, '[1,2,3]' FROM generate_series(1, 150) i",
)


def test_a_partitioned_table_is_begun_switched_by_pointer_and_finished(job):
    job.execute(*PARTITIONED)
    tables = ("document", "document_1", "document_2", "document_2_1")
    before = [(job.columns(one), job.indexes(one)) for one in tables]
    begin = {
        "table_name": "document", "source": ["title"], "live": "embedding", "new": sa.Column("v2", VECTOR(4)), "model": "new",
    }  # fmt: skip
    run(job, "begin_reembedding", "j", **begin)
    for one in tables:
        indexes = job.indexes(one)
        assert [usable for _, usable in indexes.values()] == [True]
    assert job.rows(
        "SELECT count(*) FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE relname LIKE '%pending'"
    ) == [(3,)]
    run(job, "begin_reembedding", "j", **begin)
    run(job, "abort_reembedding", "j")
    assert [(job.columns(one), job.indexes(one)) for one in tables] == before
    job.execute("CREATE INDEX document_1_ix_document_v2_pending ON document_1 (id)")  # of a stranger
    run(job, "begin_reembedding", "j", **begin | {"new": sa.Column("v3", VECTOR(4))})
    ready(job, "j", None, "document", "v3")
    run(job, "swap_embedding", "j")
    run(job, "swap_embedding_back", "j")
    job.execute("UPDATE document SET title = 'edited' WHERE id IN (1, 120)")
    run(job, "swap_embedding", "j", max_pending=2)
    run(job, "finish_reembedding", "j")
    assert set(job.columns("document_2_1")) == {"id", "title", "v3", *Provenance().named_for("v3")}
    assert job.found().state == "finished"


def test_a_partitioned_table_exchanges_names_more_than_once(job):
    job.execute(*PARTITIONED)
    begin = {"table_name": "document", "source": ["title"], "live": "embedding", "new": sa.Column("v2", VECTOR(4))}
    for round_ in (1, 2):
        run(job, "begin_reembedding", f"j{round_}", model="new", **begin)
        ready(job, f"j{round_}", None, "document", "v2")
        run(job, "swap_embedding", f"j{round_}", mode="rename")
        run(job, "swap_embedding_back", f"j{round_}")
        run(job, "swap_embedding", f"j{round_}", mode="rename")
        run(job, "finish_reembedding", f"j{round_}")
        assert set(job.columns("document_2_1")) == {"id", "title", "embedding", *Provenance().named_for("embedding")}
        assert job.columns("document_2_1")["embedding"] == ("vector(4)", True)
    for one in ("document", "document_1", "document_2", "document_2_1"):
        prefix = "" if one == "document" else f"{one}_"
        assert set(job.indexes(one)) == {f"{prefix}ix_document_embedding_pending"}


def test_in_an_autocommit_block_of_the_revision(alembic_project, job):
    job.execute(TABLE)
    for place, source in enumerate((BEGIN, swap("rename"), FINISH)):
        alembic_project.revision(f"with op.get_context().autocommit_block():\n    {source}")
        alembic_project.upgrade()
        if place == 0:
            job.fill()
    assert job.found().state == "finished"


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(sa.Text)
    body: Mapped[str | None] = mapped_column(sa.Text)
    embedding: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW())
    embedding_v2: Mapped[list[float] | None] = embedding_column(
        4, metric="cosine", source=["title", "body"], model="new"
    )


class Later(DeclarativeBase):
    pass


class Switched(Later):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(sa.Text)
    body: Mapped[str | None] = mapped_column(sa.Text)
    embedding: Mapped[list[float] | None] = embedding_column(
        4, metric="cosine", index=HNSW(m=8), source=["title", "body"], model="new"
    )


def changes(job, metadata):
    with job.engine.connect() as connection:
        found = produce_migrations(MigrationContext.configure(connection), metadata).upgrade_ops
    return found.as_diffs()


def test_autogenerate_is_empty_after_a_begin_and_after_the_finish(alembic_project, job):
    job.execute(TABLE)
    alembic_project.revision(BEGIN, ABORT)
    alembic_project.upgrade()
    job.execute("DROP TABLE alembic_version")
    assert changes(job, Document.metadata) == []
    job.fill()
    run(job, "swap_embedding", "j", mode="rename")
    run(job, "finish_reembedding", "j")
    job.execute("ALTER TABLE document ALTER COLUMN embedding DROP NOT NULL")
    assert changes(job, Switched.metadata) == []


class Bare(DeclarativeBase):
    pass


class BareDocument(Bare):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(sa.Text)
    body: Mapped[str | None] = mapped_column(sa.Text)
    embedding: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW())


def test_autogenerate_leaves_the_journal_alone_and_the_worker_s_tables_beside_it(job):
    job.execute(TABLE)
    run(
        job, "begin_reembedding", "j", table_name="document", source=["title"], live="embedding",
        new=sa.Column("embedding_v2", VECTOR(4)), model="new",
    )  # fmt: skip
    run(job, "abort_reembedding", "j")
    assert job.rows("SELECT count(*) FROM pg_class WHERE relname LIKE 'vecsearch%' AND relkind = 'r'") == [(3,)]
    assert changes(job, Bare.metadata) == []
