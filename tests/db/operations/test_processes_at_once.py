"""Two, four and eight processes run the same operation at the same moment: all succeed, and one does the work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import NullPool, event

from alembic_ops import wait_for_other_upgrades
from alembic_ops.errors import (
    ExtensionError,
    IndexConflictError,
    LockWaitError,
    MigrationError,
    OperationArgumentError,
)
from tests.db.operations.pods import Pods

TABLE = (
    "DROP TABLE IF EXISTS document",
    "CREATE TABLE document (id int PRIMARY KEY, embedding vector(3) NOT NULL, embedding_v2 vector(3) NOT NULL)",
    "INSERT INTO document SELECT i, ARRAY[sin(i), cos(i), i % 7]::vector(3), ARRAY[i, 1, 2]::vector(3)"
    " FROM generate_series(1, 300) i",
)
PARTITIONED = (
    "DROP TABLE IF EXISTS document",
    "CREATE TABLE document (id int, embedding vector(3)) PARTITION BY LIST (id)",
    "CREATE TABLE document_1 PARTITION OF document FOR VALUES IN (1)",
    "CREATE TABLE document_2 PARTITION OF document FOR VALUES IN (2)",
    "INSERT INTO document SELECT 1 + i % 2, ARRAY[sin(i), cos(i), i % 7]::vector(3) FROM generate_series(1, 300) i",
)
IX = "CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)"
BESIDE = "CREATE INDEX ix_v2 ON document USING hnsw (embedding vector_l2_ops) WITH (m = 8)"
LIVE = "CREATE INDEX ix_live ON document USING hnsw (embedding_v2 vector_l2_ops)"
DEFINITION = "CREATE INDEX ix ON public.document USING hnsw (embedding vector_l2_ops)"
COLUMNS = (
    "SELECT string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)"
    " FROM pg_attribute WHERE attrelid = 'document'::regclass AND attnum > 0 AND NOT attisdropped"
)
VECTORS = "id integer, embedding vector(3), embedding_v2 vector(3)"


@dataclass
class Work:
    """An operation: what is there before, which indexes and columns there are after it, and how many builds it takes."""

    source: str
    before: tuple[str, ...]
    indexes: dict[str, str]
    builds: int = 0
    columns: str = VECTORS


CREATE = 'op.create_vector_index("ix", "document", "embedding", operator_class="vector_l2_ops"{})'
WORK = {
    "create": Work(CREATE.format(""), TABLE, {"ix": DEFINITION}, builds=1),
    "create in the transaction": Work(CREATE.format(", concurrently=False"), TABLE, {"ix": DEFINITION}, builds=1),
    "create on partitions": Work(
        CREATE.format(""),
        PARTITIONED,
        {
            "ix": DEFINITION.replace("public", "ONLY public"),
            "document_1_ix": "CREATE INDEX document_1_ix ON public.document_1 USING hnsw (embedding vector_l2_ops)",
            "document_2_ix": "CREATE INDEX document_2_ix ON public.document_2 USING hnsw (embedding vector_l2_ops)",
        },
        builds=3,
        columns="id integer, embedding vector(3)",
    ),
    "rebuild": Work('op.rebuild_vector_index("ix", "document")', (*TABLE, IX), {"ix": DEFINITION}, builds=1),
    "rebuild in the transaction": Work(
        'op.rebuild_vector_index("ix", "document", concurrently=False)', (*TABLE, IX), {"ix": DEFINITION}, builds=1
    ),
    "rebuild by another definition": Work(
        'op.rebuild_vector_index("ix", "document", "embedding", operator_class="vector_l2_ops", with_={"m": 8})',
        (*TABLE, IX),
        {"ix": f"{DEFINITION} WITH (m='8')"},
        builds=1,
    ),
    "swap": Work(
        'op.swap_vector_index("ix", replacement="ix_v2", table_name="document")',
        (*TABLE, IX, BESIDE),
        {"ix": f"{DEFINITION} WITH (m='8')"},
    ),
    "swap in the transaction": Work(
        'op.swap_vector_index("ix", replacement="ix_v2", table_name="document", concurrently=False)',
        (*TABLE, IX, BESIDE),
        {"ix": f"{DEFINITION} WITH (m='8')"},
    ),
    "rename": Work(
        'op.rename_vector_index("ix_old", "ix", table_name="document")',
        (*TABLE, IX.replace("ix", "ix_old", 1)),
        {"ix": DEFINITION},
    ),
    "drop": Work('op.drop_vector_index("ix", "document")', (*TABLE, IX), {}),
    "drop in the transaction": Work('op.drop_vector_index("ix", "document", concurrently=False)', (*TABLE, IX), {}),
    "add a column": Work(
        'op.add_embedding_column("document", sa.Column("third", VECTOR(3), nullable=False, server_default="[0,0,0]"))',
        TABLE,
        {},
        columns=f"{VECTORS}, third vector(3)",
    ),
    "alter the type": Work(
        'op.alter_embedding_type("document", "embedding", existing_type=VECTOR(3), type_=HALFVEC(3))',
        (*TABLE, IX),
        {"ix": DEFINITION.replace("vector_l2", "halfvec_l2")},
        builds=1,
        columns=VECTORS.replace("vector", "halfvec", 1),
    ),
    "swap columns": Work(
        'op.swap_embedding_columns("document", live="embedding", replacement="embedding_v2")',
        (*TABLE, IX, LIVE),
        {"ix": DEFINITION, "ix_live": DEFINITION.replace("ix", "ix_live").replace("embedding", "embedding_v2")},
        columns="id integer, embedding_v2 vector(3), embedding vector(3)",
    ),
}


@pytest.fixture(scope="module")
def pods():
    """Give up to eight processes."""
    pods = Pods()
    yield pods
    pods.close()


def one_round(pods, catalog, url, work, number):
    for statement in work.before:
        catalog.execute(statement)
    outcomes = pods.operate(number, url, work.source, having_looked=True)
    assert [one.error for one in outcomes] == [None] * number
    assert catalog.indexes() == {name: (sql, True) for name, sql in work.indexes.items()}
    assert catalog.scalar(COLUMNS) == work.columns
    assert len([build for one in outcomes for build in one.builds]) == work.builds


@pytest.mark.share(0, 3)
@pytest.mark.parametrize("number", [2, 4, 8])
@pytest.mark.parametrize("operation", WORK)
def test_all_succeed_and_one_does_the_work(pods, catalog, vecsearch_url, operation, number):
    one_round(pods, catalog, vecsearch_url, WORK[operation], number)


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 4, 8])
@pytest.mark.parametrize("operation", WORK)
def test_all_succeed_in_twenty_rounds(pods, catalog, vecsearch_url, operation, number):
    for _ in range(20):
        one_round(pods, catalog, vecsearch_url, WORK[operation], number)


def new_databases(databases, rounds):
    """Give new databases without the extension, one after the other."""
    for _ in range(rounds):
        url = databases.create(with_extension=False)
        yield url
        databases.drop(url)


ROUNDS = [2, pytest.param(20, marks=pytest.mark.slow)]


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("number", [2, 4, 8])
@pytest.mark.parametrize("having_looked", [False, True], ids=["started together", "having looked"])
def test_the_extension_is_created_once(pods, vecsearch_databases, make_catalog, number, having_looked, rounds):
    for url in new_databases(vecsearch_databases, rounds):
        outcomes = pods.operate(number, url, "op.create_vector_extension()", having_looked=having_looked)
        assert [one.error for one in outcomes] == [None] * number
        catalog = make_catalog(url)
        assert catalog.scalar("SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == 1
        catalog.engine.dispose()


@pytest.mark.parametrize("operation", ["op.update_vector_extension()", "op.drop_vector_extension()"])
def test_the_extension_is_updated_and_dropped_by_several(pods, catalog, vecsearch_url, operation):
    outcomes = pods.operate(4, vecsearch_url, operation, having_looked=True)
    assert [one.error for one in outcomes] == [None] * 4
    left = catalog.scalar("SELECT count(*) FROM pg_extension WHERE extname = 'vector'")
    assert left == (1 if "update" in operation else 0)


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("number", [2, 4, 8])
def test_an_index_on_a_new_database_is_built_once(pods, vecsearch_databases, make_catalog, number, rounds):
    work = WORK["create"]
    for url in new_databases(vecsearch_databases, rounds):
        catalog = make_catalog(url)
        catalog.execute("CREATE EXTENSION vector")
        for statement in TABLE:
            catalog.execute(statement)
        outcomes = pods.operate(number, url, work.source)
        assert [one.error for one in outcomes] == [None] * number
        assert catalog.indexes() == {"ix": (DEFINITION, True)}
        assert len([build for one in outcomes for build in one.builds]) == 1
        catalog.engine.dispose()


@pytest.fixture
def race(make_engine, catalog):
    """Give `race(statement, before=...)`: an `op`, before whose statement that begins so another program runs one."""

    @contextmanager
    def prepare(statement, *, before):
        engine, statements = make_engine(), [statement]

        @event.listens_for(engine, "before_cursor_execute")
        def meet(connection, cursor, sql, *_):
            if sql.startswith(before) and statements:
                catalog.execute(statements.pop())

        with migration(engine) as op:
            yield op
        assert not statements, "nothing was raced against"

    return prepare


@contextmanager
def migration(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        with context.begin_transaction():
            yield Operations(context)


def test_another_program_that_creates_the_extension_meanwhile_is_no_error(catalog, race):
    """It takes no turn: the server says that there is one already, in the transaction that then goes on."""
    catalog.execute("DROP EXTENSION vector")
    with race("CREATE EXTENSION vector", before="CREATE EXTENSION") as op:
        op.create_vector_extension()
        op.execute("CREATE TABLE item (embedding vector(3))")
    assert catalog.scalar("SELECT count(*) FROM item") == 0


def test_another_program_that_creates_it_in_another_schema_is_an_error(catalog, race):
    catalog.execute("DROP EXTENSION vector")
    catalog.execute("CREATE SCHEMA extensions")
    create = "CREATE EXTENSION vector WITH SCHEMA extensions"
    refused = pytest.raises(ExtensionError, match="in the schema 'extensions', not in 'public'")
    with refused, race(create, before="CREATE EXTENSION") as op:
        op.create_vector_extension(schema="public")


def test_an_error_that_nobody_else_has_caused_stays_an_error(catalog, race):
    catalog.execute("DROP EXTENSION vector")
    catalog.execute("CREATE TYPE vector AS (x int)")
    with pytest.raises(ExtensionError) as error, race("SELECT 1", before="CREATE EXTENSION") as op:
        op.create_vector_extension()
    assert error.value.sqlstate == "42710"


@pytest.mark.parametrize("how", ["", ", concurrently=False"])
def test_what_another_program_did_is_not_said_to_be_ours(catalog, race, caplog, how):
    for statement in TABLE:
        catalog.execute(statement)
    caplog.set_level("INFO", logger="alembic.alembic_ops")
    with race(IX, before="CREATE INDEX") as op:
        eval(CREATE.format(how), {"op": op})
    assert catalog.indexes() == {"ix": (DEFINITION, True)}
    assert caplog.messages[-1].endswith("the index 'ix' is there already, valid and as wished")


def test_an_index_of_another_definition_that_another_program_makes_meanwhile_is_an_error(catalog, race):
    for statement in TABLE:
        catalog.execute(statement)
    refused = pytest.raises(IndexConflictError, match="it is another one: hnsw")
    with refused, race(f"{IX} WITH (m = 8)", before="CREATE INDEX") as op:
        eval(CREATE.format(""), {"op": op})
    assert catalog.indexes() == {"ix": (f"{DEFINITION} WITH (m='8')", True)}


def until(catalog, condition):
    """Wait until something is so, as the server's clock counts, for a minute."""
    for _ in range(6000):
        if condition():
            return
        catalog.scalar("SELECT pg_sleep(0.01)")
    raise AssertionError(catalog.scalar("SELECT string_agg(concat(pid, ' ', query), '; ') FROM pg_stat_activity"))


BUILDER = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'"
)


def test_the_turn_of_a_killed_process_goes_to_the_next_and_other_tables_do_not_wait(catalog, make_engine, caplog):
    """One builds, and is held up by a writer; one waits for it; a third builds on another table; the first is killed."""
    for statement in (*TABLE, "CREATE TABLE note AS SELECT * FROM document"):
        catalog.execute(statement)
    caplog.set_level("INFO", logger="alembic.alembic_ops")

    def create(table):
        with migration(make_engine(poolclass=NullPool)) as op:
            op.create_vector_index(f"ix_{table}", table, "embedding", operator_class="vector_l2_ops")

    with ThreadPoolExecutor(2) as others, catalog.engine.connect() as writer:
        writer.exec_driver_sql("DELETE FROM document WHERE id = 1")
        killed = others.submit(create, "document")
        until(catalog, lambda: catalog.scalar(BUILDER) is not None)
        builder = catalog.scalar(BUILDER)
        waiting = others.submit(create, "document")
        line = f"process {builder} is at work on the table 'document'; waiting until it has finished"
        until(catalog, lambda: line in caplog.messages)
        create("note")
        assert not killed.done()
        assert not waiting.done()
        catalog.execute(f"SELECT pg_terminate_backend({builder})")
        with pytest.raises(MigrationError, match=r"An administrator ended the connection|The connection was lost"):
            killed.result(60)
        assert catalog.indexes()["ix_document"][1] is False
        writer.rollback()
        waiting.result(60)
    assert {name: usable for name, (_, usable) in catalog.indexes().items()} == {"ix_document": True, "ix_note": True}


def test_who_waits_for_us_is_not_waited_for(catalog, make_engine):
    """A build that waits for the lock of our own transaction would wait for us, and we for its turn: we go first."""
    for statement in (*TABLE, IX.replace("ix", "ix_old", 1)):
        catalog.execute(statement)

    def create():
        with migration(make_engine(poolclass=NullPool)) as op:
            eval(CREATE.format(""), {"op": op})

    with ThreadPoolExecutor(1) as others:
        with migration(make_engine()) as op:
            op.execute("DELETE FROM document WHERE id = 1")
            other = others.submit(create)
            until(catalog, lambda: catalog.scalar(BUILDER) is not None)
            op.rename_vector_index("ix_old", "ix_new", table_name="document")
        other.result(60)
    assert catalog.indexes() == {"ix": (DEFINITION, True), "ix_new": (DEFINITION.replace("ix", "ix_new", 1), True)}


def test_a_transaction_that_is_left_open_is_not_waited_for_for_ever(catalog, make_engine):
    for statement in TABLE:
        catalog.execute(statement)
    with migration(make_engine()) as op:
        op.drop_vector_index("nothing", "document", concurrently=False)
        with make_engine().connect() as connection:
            context = MigrationContext.configure(connection, opts={"vector_lock_deadline": 1})
            with pytest.raises(LockWaitError, match="has done nothing for 1 s"), context.begin_transaction():
                Operations(context).drop_vector_index("nothing", "document", concurrently=False)


LOCKED = """
from alembic import context
from sqlalchemy import create_engine, pool
import alembic_ops

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with alembic_ops.wait_for_other_upgrades(connection), context.begin_transaction():
        context.run_migrations()
"""
LOCKED_ASYNC = """
import asyncio
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine
import alembic_ops

def migrate(connection):
    context.configure(connection=connection)
    with alembic_ops.wait_for_other_upgrades(connection), context.begin_transaction():
        context.run_migrations()

async def main():
    url = context.config.get_main_option("sqlalchemy.url").replace("+psycopg", "+asyncpg")
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

asyncio.run(main())
"""


def life_of_a_table(project):
    """Write revisions of which each fails, or undoes itself, where it is run twice."""
    project.revision(
        'op.create_vector_extension()\nop.execute("CREATE TABLE document (id int, embedding vector(3), v2 vector(3))")'
    )
    project.revision(CREATE.format(""))
    project.revision(CREATE.format("").replace('"ix"', '"ix_v2"').replace('"embedding"', '"v2"'))
    project.revision('op.swap_embedding_columns("document", live="embedding", replacement="v2")')


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("env", [LOCKED, LOCKED_ASYNC], ids=["sync", "async"])
def test_eight_upgrades_wait_for_each_other(
    pods, vecsearch_databases, make_catalog, make_project, tmp_path, env, rounds
):
    for number, url in enumerate(new_databases(vecsearch_databases, rounds)):
        project = make_project(tmp_path / str(number), url)
        life_of_a_table(project)
        (project.folder / "env.py").write_text(env)
        assert [one.error for one in pods.upgrade(8, project)] == [None] * 8
        catalog = make_catalog(url)
        assert catalog.revision() == "004"
        assert [usable for _, usable in catalog.indexes().values()] == [True, True]
        assert catalog.scalar(COLUMNS) == "id integer, v2 vector(3), embedding vector(3)"
        catalog.engine.dispose()


def test_a_pool_of_one_connection_is_said_to_be_too_small(make_engine):
    engine = make_engine(pool_size=1, max_overflow=0, pool_timeout=0.1)
    refused = pytest.raises(MigrationError, match="gives no second connection")
    with engine.connect() as connection, refused, wait_for_other_upgrades(connection):
        pass


async def test_an_asynchronous_connection_is_refused_with_the_place_to_write_it(make_engine):
    async with make_engine("asyncpg").connect() as connection:
        refused = pytest.raises(OperationArgumentError, match="in the function that run_sync")
        with refused, wait_for_other_upgrades(connection):
            pass


def test_no_build_waits_for_an_upgrade_that_waits(catalog, make_engine, caplog):
    """Who waits asks again and again, and holds no snapshot meanwhile; the migration's connection is left as it was."""
    for statement in TABLE:
        catalog.execute(statement)
    caplog.set_level("INFO", logger="alembic.alembic_ops")
    engine = make_engine(poolclass=NullPool)

    def upgrade():
        with engine.connect() as connection, wait_for_other_upgrades(connection):
            assert not connection.in_transaction()

    with ThreadPoolExecutor(1) as others:
        with engine.connect() as connection, wait_for_other_upgrades(connection):
            waiting = others.submit(upgrade)
            until(catalog, lambda: "waiting until it has finished" in caplog.text)
            with migration(engine) as op:
                eval(CREATE.format(""), {"op": op})
            assert not waiting.done()
        waiting.result(60)
    assert catalog.indexes() == {"ix": (DEFINITION, True)}
