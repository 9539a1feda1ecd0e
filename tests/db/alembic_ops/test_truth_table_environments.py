"""Environments, options and models of every kind."""

import re

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.migration import MigrationContext
from item_models import half, ix, models
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import Column, DefaultClause, Integer, MetaData, String, text
from sqlalchemy.exc import IntegrityError

from alembic_ops.errors import ExternalTransactionError, VectorMigrationWarning
from alembic_ops.operations import RebuildVectorIndexOp

ROWS = "INSERT INTO items (kind, embedding) SELECT 'a', ARRAY[i, 7 - i, 1]::vector(3) FROM generate_series(1, 20) i"


def test_compare_metadata_shows_the_operations(project):
    models(ix()).create_all(project.engine)
    with project.engine.connect() as connection:
        (diff,) = compare_metadata(MigrationContext.configure(connection), models(ix(with_={"m": 24})))
    assert diff[:4] == ("rebuild_vector_index", None, "items", "ix_e")
    assert diff[4:] == ("changed vector index 'ix_e' on 'items': m 16 -> 24",)


def test_produce_migrations_holds_the_operations(project):
    models(ix()).create_all(project.engine)
    with project.engine.connect() as connection:
        script = produce_migrations(MigrationContext.configure(connection), models(ix(with_={"m": 24})))
    assert [type(one) for one in script.upgrade_ops.ops] == [RebuildVectorIndexOp]


def test_several_metadata_objects(project):
    project.metadata = [models(ix()), models(ix("ix_2"), name="others")]
    project.cycle("create_table", "create_vector_index", "create_table", "create_vector_index")


def test_a_transaction_a_migration(project):
    project.options = {"transaction_per_migration": True}
    models().create_all(project.engine)
    project.metadata = models(ix())
    project.cycle("create_vector_index", rows="INSERT INTO items (embedding) VALUES ('[1,2,3]')")


def test_batches_are_no_hindrance(project):
    project.options = {"render_as_batch": True}
    models(ix()).create_all(project.engine)
    project.metadata = models(ix(with_={"m": 24}), dimensions=4)
    project.metadata.tables["items"].append_column(Column("more", Integer))
    project.cycle("drop_vector_index", "alter_embedding_type", "create_vector_index")


def test_another_type_stands_outside_of_a_batch_and_in_its_place(project):
    project.options = {"render_as_batch": True}
    models().create_all(project.engine)
    project.metadata = models(dimensions=None)
    items = project.metadata.tables["items"]
    items.append_column(Column("more", Integer))
    items.c.embedding.comment = "of a model"
    revision = project.cycle("alter_embedding_type", rows="INSERT INTO items (embedding) VALUES ('[1,2,3]')")
    added = """    with op.batch_alter_table('items', schema=None) as batch_op:
        batch_op.add_column(sa.Column('more', sa.Integer(), nullable=True))
"""
    changed = """    op.alter_embedding_type(
        'items',
        'embedding',
        existing_type=sqlalchemy_vecsearch.types.VECTOR(3),
        type_=pgvector.sqlalchemy.VECTOR(),
    )
"""
    commented = """    with op.batch_alter_table('items', schema=None) as batch_op:
        batch_op.alter_column('embedding',
               existing_type=pgvector.sqlalchemy.VECTOR(),
               comment='of a model',
               existing_nullable=True)
"""
    written = re.sub(r"\n\n+", "\n", revision.whole)
    assert added + changed + commented in written


ASYNC_ENV = """\
import asyncio

import alembic_ops
from alembic import context

attributes = context.config.attributes


def run(connection=None, **options):
    options |= attributes["options"]
    context.configure(connection=connection, target_metadata=attributes["metadata"], **options)
    with context.begin_transaction():
        context.run_migrations()


async def main():
    async with attributes["engine"].connect() as connection:
        await connection.run_sync(run)
    await attributes["engine"].dispose()


if context.is_offline_mode():
    run(url="postgresql://", literal_binds=True)
else:
    asyncio.run(main())
"""


@pytest.mark.parametrize("driver", ["asyncpg", pytest.param("psycopg_async", marks=pytest.mark.slow)])
def test_an_async_environment(project, make_engine, driver):
    (project.folder / "env.py").write_text(ASYNC_ENV)
    project.engine_of_env = make_engine(driver)
    project.options = {"compare_server_default": True}
    models(ix()).create_all(project.engine)
    project.metadata = models(ix(with_={"m": 24}), half())
    project.cycle("create_vector_index", "rebuild_vector_index", rows=ROWS)
    project.metadata = models(ix("ix_f", with_={"m": 24}))
    project.cycle("drop_vector_index", "rename_vector_index")
    project.metadata = models(ix("ix_f", with_={"m": 24}))
    project.metadata.tables["items"].c.embedding.server_default = DefaultClause("[1,2,3]")
    project.cycle("alter_column")
    project.execute("DELETE FROM items")
    project.metadata = models(ix("ix_f", with_={"m": 24}), dimensions=4)
    project.metadata.tables["items"].c.embedding.server_default = DefaultClause("[1,2,3,4]")
    project.cycle("alter_embedding_type", "alter_column")


def several(**options):
    named = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s"})
    models(ix(None, **options), half(), schema="app", metadata=named)
    return [named, models(ix("ix_default", **options))]


OPTIONS = {"include_schemas": True, "transaction_per_migration": True, "compare_server_default": True}


@pytest.mark.parametrize("driver", [None, "asyncpg", pytest.param("psycopg_async", marks=pytest.mark.slow)])
def test_every_option_with_several_metadata_objects(project, make_engine, driver):
    if driver is not None:
        (project.folder / "env.py").write_text(ASYNC_ENV)
        project.engine_of_env = make_engine(driver)
    project.execute("CREATE SCHEMA app")
    project.options = OPTIONS
    project.metadata = several()
    new = ["create_table", "create_vector_index"]
    project.cycle(*new, "create_vector_index", *new)
    project.metadata = several(with_={"m": 24})
    rows = f"{ROWS}; {ROWS.replace('items', 'app.items')}"
    revision = project.cycle("rebuild_vector_index", "rebuild_vector_index", rows=rows)
    assert "'ix_items_embedding'" in revision.upgrade


@pytest.mark.parametrize("driver", [pytest.param("psycopg2", marks=pytest.mark.slow), "pg8000"])
def test_other_drivers(project, make_engine, driver):
    models(ix()).create_all(project.engine)
    project.engine_of_env = make_engine(driver)
    project.metadata = models(ix(with_={"m": 24}), half())
    project.cycle("create_vector_index", "rebuild_vector_index", rows=ROWS)


BLOCK = """\
    with op.get_context().autocommit_block():
        op.\\1_vector_index("""


@pytest.mark.share(0, 2)  # each driver with one of the two
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000", "psycopg_async", "asyncpg"])
@pytest.mark.parametrize("per_migration", [False, True])
def test_an_operation_in_an_autocommit_block_by_hand(project, make_engine, driver, per_migration):
    if "async" in driver:
        (project.folder / "env.py").write_text(ASYNC_ENV)
    models().create_all(project.engine)
    project.engine_of_env = make_engine(driver)
    project.options = {"transaction_per_migration": per_migration}
    project.metadata = models(ix(), ix("ix_m", with_={"m": 8}))
    project.cycle(
        "create_vector_index",
        "create_vector_index",
        rows=ROWS,
        edit=lambda source: re.sub(r"    op\.(create|drop)_vector_index\(", BLOCK, source),
    )


CONFIGURE = "        context.configure(connection="
LOCK = '        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(1)")\n'
COMMIT = "        connection.commit()\n"


def test_a_statement_before_configure_is_an_error_and_changes_nothing(project):
    env = project.folder / "env.py"
    sound = env.read_text()
    models().create_all(project.engine)
    project.metadata = models(ix())
    revision = project.autogenerate()
    before = project.catalog()
    env.write_text(sound.replace(CONFIGURE, LOCK + CONFIGURE))
    with pytest.raises(ExternalTransactionError) as caught:
        project.upgrade()
    assert str(caught.value) == (
        "op.create_vector_index() cannot run inside a transaction, and env.py has one open. "
        "A statement was executed on the connection before context.configure(), or env.py has begun the transaction"
        " itself as that of the template multidb does, so that Alembic takes the transaction for yours and would commit"
        " nothing. "
        "Call connection.commit() before context.configure() in env.py, and let context.begin_transaction() begin the"
        " transactions, or write concurrently=False, which blocks writers for the whole build."
    )
    revision.path.write_text(revision.whole.replace("    op.create_vector_index(", BLOCK.replace(r"\1", "create")))
    with pytest.raises(AssertionError):  # Alembic's own, before it lets the operation run
        project.upgrade()
    assert project.catalog() == before
    revision.path.unlink()
    env.write_text(sound.replace(CONFIGURE, LOCK + COMMIT + CONFIGURE))
    project.cycle("create_vector_index", rows=ROWS)


def test_a_read_only_server_is_said_and_nothing_is_proposed(project, make_engine):
    project.metadata = models(ix(), half())
    project.metadata.create_all(project.engine)
    assert project.proposes_nothing()
    project.engine = make_engine(connect_args={"options": "-cdefault_transaction_read_only=on"})
    with pytest.warns(
        VectorMigrationWarning,
        match=r"The index 'ix_h' of the table 'items' could not be compared\. .* cannot execute CREATE TABLE in a read-only transaction\.",
    ):
        command.check(project.config())


def test_an_index_that_the_server_refuses_is_an_error_with_its_words(project):
    models().create_all(project.engine)
    project.metadata = models(ix(where=text("no_such > 1")))
    with pytest.raises(
        ValueError,
        match=r"The index 'ix_e' of the table 'items' cannot be built\. The server says: column \"no_such\" does not exist\.",
    ):
        project.autogenerate()


def test_a_predicate_over_a_column_that_comes_with_it(project):
    models().create_all(project.engine)
    project.metadata = models()
    items = project.metadata.tables["items"]
    items.append_column(Column("lang", String(2)))
    ix(where=items.c.lang == "en")(items)
    with pytest.warns(VectorMigrationWarning) as caught:
        project.cycle("add_column", "create_vector_index", rows="INSERT INTO items (embedding) VALUES ('[1,2,3]')")
    assert {str(one.message) for one in caught} == {
        "The revision changes a table and then builds the index 'ix_e', which needs that change. "
        "A concurrent build commits what came before it, so that the revision could not be run again if it failed. "
        "Move the build into a revision of its own, after this one."
    }


def test_a_revision_that_failed_after_its_builds_is_run_again(project):
    models(ix()).create_all(project.engine)
    project.execute("INSERT INTO items (embedding) VALUES ('[1,2,3]')")
    project.metadata = models(ix(with_={"m": 24}), half())
    project.metadata.tables["items"].append_column(Column("lang", String(2), nullable=False))
    project.metadata.tables["items"].append_column(Column("second", HALFVEC(3)))
    project.metadata.tables["items"].append_column(Column("note", String))
    revision = project.autogenerate()
    assert re.findall(r"^op\.(\w+)\(", revision.upgrade, re.MULTILINE) == [
        "add_embedding_column",
        "create_vector_index",
        "rebuild_vector_index",
        "add_column",
        "add_column",
    ]
    with pytest.raises(IntegrityError, match='column "lang" of relation "items" contains null values'):
        project.upgrade()
    project.execute("DELETE FROM items")
    project.upgrade()
    assert project.proposes_nothing()
