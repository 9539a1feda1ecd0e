"""Extensions, schemas, partitions, leftovers, filters and environments of every kind."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.migration import MigrationContext
from pgvector.sqlalchemy import HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import ARRAY, Column, Index, Integer, MetaData, String, Table, cast, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from alembic_ops.declared import IndexRuleError
from alembic_ops.errors import VectorMigrationWarning
from alembic_ops.operations import RebuildVectorIndexOp
from sqlalchemy_vecsearch import HNSW, embedding_column, vector_index


def models(*indexes, name="items", schema=None, metadata=None, dimensions=3):
    metadata = MetaData() if metadata is None else metadata
    items = Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True),
        Column("kind", String(10)),
        Column("embedding", VECTOR(dimensions)),
        schema=schema,
    )
    for index in indexes:
        index(items)
    return metadata


def ix(name="ix_e", operators="vector_l2_ops", **options):
    given = {f"postgresql_{key.rstrip('_')}": value for key, value in options.items()} | {"postgresql_using": "hnsw"}
    return lambda table: Index(name, table.c.embedding, postgresql_ops={"embedding": operators}, **given)


def half(name="ix_h"):
    def declare(table):
        Index(name, cast(table.c.embedding, HALFVEC(3)).label("x"), postgresql_using="hnsw",
              postgresql_ops={"x": "halfvec_l2_ops"}, postgresql_where=text("id > 1"))  # fmt: skip

    return declare


# --- the extension -------------------------------------------------------------------------------------------------


def test_the_extension_comes_first(bare_project):
    bare_project.metadata = models(ix(), half())
    revision = bare_project.cycle(
        "create_vector_extension", "create_table", "create_vector_index", "create_vector_index"
    )
    assert revision.downgrade.endswith("op.drop_vector_extension()")


def test_a_database_without_vectors_needs_no_extension(bare_project):
    bare_project.metadata = MetaData()
    Table("items", bare_project.metadata, Column("id", Integer, primary_key=True), Index("ix_id", "id"))
    bare_project.cycle("create_table", "create_index")


# --- schemas -------------------------------------------------------------------------------------------------------


def test_tables_of_another_schema(project):
    project.execute("CREATE SCHEMA app")
    project.options = {"include_schemas": True}
    models(ix(), schema="app").create_all(project.engine)
    project.metadata = models(ix(with_={"m": 24}), half(), schema="app")
    revision = project.cycle("create_vector_index", "rebuild_vector_index")
    assert revision.upgrade.count("schema='app'") == 2


@pytest.mark.parametrize("schema", [None, "public"])
def test_one_name_on_two_tables_of_a_schema_is_an_error_that_names_both(project, schema):
    project.metadata = models(ix(), name="others", schema=schema, metadata=models(ix()))
    with pytest.raises(IndexRuleError) as caught:
        project.autogenerate()
    first, second = ("items", "others") if schema is None else ("items", "public.others")
    assert str(caught.value) == (
        f"The index 'ix_e' of the table '{second}' has the name of an index of the table '{first}'. "
        "PostgreSQL knows the indexes of a schema by their names alone, whatever their tables. "
        "Give each of them a name, or name the table in the naming convention: 'ix_%(table_name)s_...'."
    )


def test_one_name_in_two_schemas(project):
    project.execute("CREATE SCHEMA app")
    project.options = {"include_schemas": True}
    models(ix(), schema="app", metadata=models(ix())).create_all(project.engine)
    project.metadata = models(ix(with_={"m": 24}), schema="app", metadata=models(ix()))
    assert "schema='app'" in project.cycle("rebuild_vector_index").upgrade


def test_the_default_schema_by_name(project):
    models(ix()).create_all(project.engine)
    project.metadata = models(ix(), schema="public")
    assert project.proposes_nothing()


def test_an_extension_in_a_schema_of_the_search_path(bare_project, make_engine, bare_url):
    project = bare_project
    project.execute("CREATE SCHEMA ext")
    project.execute("CREATE EXTENSION vector SCHEMA ext")
    project.engine = make_engine(url=bare_url, connect_args={"options": "-csearch_path=public,ext"})
    models(ix(), half()).create_all(project.engine)
    project.metadata = models(ix(with_={"m": 24}), half())
    assert project.autogenerate().upgrade.count("op.") == 1
    project.upgrade()
    assert project.proposes_nothing()


def test_an_extension_in_a_schema_outside_the_search_path_is_still_compared(bare_project):
    project = bare_project
    project.execute("CREATE SCHEMA ext")
    project.execute("CREATE EXTENSION vector SCHEMA ext")
    project.execute("CREATE TABLE items (id serial PRIMARY KEY, kind varchar(10), embedding ext.vector(3))")
    project.execute("CREATE INDEX ix_e ON items USING hnsw (embedding ext.vector_l2_ops)")
    project.execute(
        "CREATE INDEX ix_h ON items USING hnsw ((embedding::ext.halfvec(3)) ext.halfvec_l2_ops) WHERE id > 1"
    )
    project.metadata = models(ix(operators="ext.vector_l2_ops"), half())
    assert project.proposes_nothing()
    project.metadata = models(ix(operators="ext.vector_l2_ops"), half(), dimensions=4)
    with project.engine.connect() as connection:
        with pytest.warns(VectorMigrationWarning) as caught:
            (diff,) = compare_metadata(MigrationContext.configure(connection), project.metadata)
        assert [str(one.message) for one in caught] == [
            "The vector extension is in the schema 'ext', which is not on the search path. "
            "Revisions find it there when they run; queries and the output of --sql name its operators without a schema. "
            "Add ext to the search path: ALTER ROLE ... SET search_path, or options in the URL of the database."
        ]
        assert diff[0] == "alter_embedding_type"
        assert connection.scalar(text("SHOW search_path")) == '"$user", public'


OUTSIDE = "is in the schema 'Extensions', which is not on the search path"


def test_revisions_find_an_extension_outside_the_search_path(bare_project):
    project = bare_project
    project.execute('CREATE SCHEMA "Extensions"')
    project.execute('CREATE EXTENSION vector SCHEMA "Extensions"')
    bare = project.catalog()
    project.metadata = models(ix(), half())
    project.metadata.tables["items"].append_column(Column("several", ARRAY(VECTOR(3))))
    with pytest.warns(VectorMigrationWarning, match=OUTSIDE):
        revision = project.autogenerate()
    assert "alembic_ops.InSchema('Extensions', pgvector.sqlalchemy.VECTOR(3))" in revision.upgrade
    project.upgrade()
    assert project.proposes_nothing()
    project.execute("INSERT INTO items (id, embedding) VALUES (2, '[1,2,3]')")
    first = project.catalog()
    project.metadata = models(ix(with_={"m": 24}), half(), ix("ix_new", "vector_ip_ops"))
    items = project.metadata.tables["items"]
    items.append_column(Column("several", ARRAY(HALFVEC(3))))
    items.append_column(Column("second", SPARSEVEC(3)))
    items.c.embedding.type = HALFVEC(3)
    for index in items.indexes:
        index.dialect_options["postgresql"]["ops"] = {
            key: value.replace("vector_", "halfvec_")
            for key, value in index.dialect_options["postgresql"]["ops"].items()
        }
    vector_index("ix_second", items.c.second, metric="l2")
    with pytest.warns(VectorMigrationWarning, match=OUTSIDE):
        project.autogenerate()
    project.upgrade()
    assert project.proposes_nothing()
    second = project.catalog()
    project.downgrade()
    assert project.catalog() == first
    project.upgrade()
    assert project.catalog() == second
    project.downgrade("base")
    assert project.catalog() == bare
    with project.engine.connect() as connection:
        assert connection.scalar(text("SHOW search_path")) == '"$user", public'


def test_concurrent_operations_find_an_extension_outside_the_search_path(bare_project):
    project = bare_project
    project.execute("CREATE SCHEMA ext")
    project.execute("CREATE EXTENSION vector SCHEMA ext")
    project.execute("CREATE TABLE items (id serial PRIMARY KEY, kind varchar(10), embedding ext.vector(3))")
    project.execute("INSERT INTO items (embedding) SELECT '[1,2,3]' FROM generate_series(1, 9)")
    project.metadata = models(ix(), half())
    before = project.catalog()
    with pytest.warns(VectorMigrationWarning):
        project.autogenerate()
    project.upgrade()
    assert project.proposes_nothing()
    project.metadata = models(ix("ix_other_name"), half("ix_h"), ix("ix_m", "vector_ip_ops", with_={"m": 8}))
    with pytest.warns(VectorMigrationWarning):
        project.autogenerate()
    project.upgrade()
    assert project.proposes_nothing()
    project.metadata = models(ix("ix_other_name"), half("ix_h"), ix("ix_m", "vector_ip_ops", with_={"m": 9}))
    with pytest.warns(VectorMigrationWarning):
        project.autogenerate()
    project.upgrade()
    assert project.proposes_nothing()
    project.downgrade("base")
    assert project.catalog() == before


# --- partitions ----------------------------------------------------------------------------------------------------


def partitioned(*indexes):
    metadata = MetaData()
    items = Table(
        "items",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("embedding", VECTOR(3)),
        postgresql_partition_by="RANGE (id)",
    )
    for index in indexes:
        index(items)
    return metadata


PARTITIONS = ["CREATE TABLE items_1 PARTITION OF items FOR VALUES FROM (0) TO (100)",
              "CREATE TABLE items_2 PARTITION OF items FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id)",
              "CREATE TABLE items_3 PARTITION OF items_2 FOR VALUES FROM (100) TO (200)",
              "CREATE INDEX only_here ON items_1 USING hnsw (embedding vector_ip_ops)",
              "CREATE INDEX plain_one ON items_1 (id)",
              "INSERT INTO items SELECT i, ARRAY[i, 1, 2]::vector(3) FROM generate_series(1, 150) i"]  # fmt: skip


def test_partitions_and_their_indexes_are_left_alone(project):
    project.metadata = partitioned(ix())
    project.metadata.create_all(project.engine)
    for statement in PARTITIONS:
        project.execute(statement)
    assert project.proposes_nothing()


def test_an_index_on_a_partitioned_table_is_added_and_dropped(project):
    partitioned().create_all(project.engine)
    for statement in PARTITIONS:
        project.execute(statement)
    project.metadata = partitioned(ix())
    assert project.autogenerate().upgrade.count("op.") == 1
    before = project.catalog()
    project.upgrade()
    assert project.proposes_nothing()
    project.downgrade()
    assert project.catalog() == before


def test_an_index_that_is_not_on_all_partitions_yet_is_no_leftover(project):
    partitioned().create_all(project.engine)
    project.execute(PARTITIONS[0])
    project.execute("CREATE INDEX ix_e ON ONLY items USING hnsw (embedding vector_l2_ops)")
    project.metadata = partitioned(ix())
    assert project.proposes_nothing()


# --- leftovers -----------------------------------------------------------------------------------------------------


def leave_invalid(project, statement):
    """Let a concurrent statement fail as a cancelled build does: at once, with the index left behind."""
    holder = project.engine.connect()
    holder.execute(text("INSERT INTO items (kind) VALUES ('held')"))
    impatient = project.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    impatient.exec_driver_sql("SET statement_timeout = 300")
    with pytest.raises(OperationalError):
        impatient.exec_driver_sql(statement)
    impatient.exec_driver_sql("RESET statement_timeout")
    impatient.close()
    holder.rollback()
    holder.close()


LEFTOVER = (
    "The index {0!r} of the table 'items' is INVALID, and no model declares it. "
    "A concurrent build, rebuild or drop was cancelled and left it: writes pay for it, and no query uses it. "
    "Remove it with: DROP INDEX CONCURRENTLY {0};"
)


def test_leftovers_are_named_with_the_command_that_removes_them_and_never_proposed(project):
    project.metadata = models(ix())
    project.metadata.create_all(project.engine)
    leave_invalid(project, "REINDEX INDEX CONCURRENTLY ix_e")
    leave_invalid(project, "CREATE INDEX CONCURRENTLY ix_other ON items USING hnsw (embedding vector_ip_ops)")
    expected = [LEFTOVER.format("ix_e_ccnew"), LEFTOVER.format("ix_other")]
    with pytest.warns(VectorMigrationWarning) as caught:
        command.check(project.config())
    assert [str(one.message) for one in caught] == expected
    with pytest.warns(VectorMigrationWarning) as caught:
        revision = project.autogenerate()
    assert [str(one.message) for one in caught] == expected
    assert (revision.upgrade, revision.downgrade) == ("pass", "pass")
    for message in expected:
        project.execute(re.search("DROP .*(?=;)", message)[0])
    revision.path.unlink()
    assert project.proposes_nothing()


def test_an_invalid_index_that_a_model_declares_is_rebuilt(project):
    models().create_all(project.engine)
    leave_invalid(project, "CREATE INDEX CONCURRENTLY ix_e ON items USING hnsw (embedding vector_l2_ops)")
    project.metadata = models(ix())
    assert project.autogenerate().upgrade == "op.rebuild_vector_index(\n'ix_e',\n'items',\n)"
    project.upgrade()
    assert project.proposes_nothing()
    assert [valid for _, valid in project.catalog()[0]] == [True, True]


def build(engine):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 20000")
        connection.exec_driver_sql("CREATE INDEX CONCURRENTLY ix_e ON items USING hnsw (embedding vector_l2_ops)")
        connection.exec_driver_sql("RESET statement_timeout")


BUILDS = text(
    "SELECT count(*) FROM pg_stat_progress_create_index WHERE index_relid <> 0 AND datname = current_database()"
)


def test_an_index_that_is_being_built_is_left_to_its_builder(project):
    models().create_all(project.engine)
    project.metadata = models(ix())
    with ThreadPoolExecutor() as threads, project.engine.connect() as holder:
        holder.execute(text("INSERT INTO items (kind) VALUES ('held')"))
        building = threads.submit(build, project.engine)
        deadline = time.monotonic() + 10
        with project.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            while not watcher.scalar(BUILDS):
                assert time.monotonic() < deadline, "the build did not begin"
        with pytest.warns(
            VectorMigrationWarning, match=r"The index 'ix_e' of the table 'items' is being built by another session\."
        ):
            command.check(project.config())
        holder.rollback()
        building.result(timeout=20)
    assert project.proposes_nothing()


# --- filters -------------------------------------------------------------------------------------------------------


def test_include_object_hides_indexes_on_either_side(project):
    seen = []

    def include_object(item, name, type_, reflected, compare_to):
        if type_ == "index":
            seen.append((name, reflected, compare_to is not None, item.dialect_options["postgresql"]["using"]))
        return type_ != "index" or not name.startswith("hidden")

    project.options = {"include_object": include_object}
    models(
        ix("hidden_gone"), ix("hidden_both", operators="vector_ip_ops"), ix("shown", operators="vector_cosine_ops")
    ).create_all(project.engine)
    project.metadata = models(ix("hidden_new"), ix("hidden_both"), ix("shown", operators="vector_cosine_ops"))
    assert project.proposes_nothing()
    assert set(seen) == {
        ("hidden_gone", True, False, "hnsw"),
        ("hidden_new", False, False, "hnsw"),
        ("hidden_both", False, True, "hnsw"),
        ("shown", False, True, "hnsw"),
    }


def test_include_name_hides_tables_and_indexes_of_the_database(project):
    def include_name(name, type_, parents):
        return not (type_ in {"table", "index"} and name.startswith("hidden"))

    project.options = {"include_name": include_name}
    models(
        ix(), ix("hidden_ix", operators="vector_ip_ops"), metadata=models(ix("ix_2"), name="hidden_items")
    ).create_all(project.engine)
    project.metadata = models(ix())
    assert project.proposes_nothing()


# --- environments --------------------------------------------------------------------------------------------------


def test_compare_metadata_shows_the_operations(project):
    models(ix()).create_all(project.engine)
    with project.engine.connect() as connection:
        (diff,) = compare_metadata(MigrationContext.configure(connection), models(ix(with_={"m": 24})))
    assert diff[:4] == ("rebuild_vector_index", None, "items", "ix_e")
    assert [definition.parameters for definition in diff[4:]] == [(), (("m", 24),)]


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
    project.autogenerate()
    project.upgrade()
    assert project.proposes_nothing()


ASYNC_ENV = """\
import asyncio

import alembic_ops
from alembic import context

attributes = context.config.attributes


def run(connection):
    context.configure(connection=connection, target_metadata=attributes["metadata"], **attributes["options"])
    with context.begin_transaction():
        context.run_migrations()


async def main():
    async with attributes["engine"].connect() as connection:
        await connection.run_sync(run)
    await attributes["engine"].dispose()


asyncio.run(main())
"""


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg_async"])
def test_an_async_environment(project, make_engine, driver):
    (project.folder / "env.py").write_text(ASYNC_ENV)
    models(ix()).create_all(project.engine)
    project.execute("INSERT INTO items (embedding) VALUES ('[1,2,3]')")
    project.engine = make_engine(driver)
    project.metadata = models(ix(with_={"m": 24}), half())
    assert project.autogenerate().upgrade.count("op.") == 2
    project.upgrade()
    assert project.proposes_nothing()
    project.downgrade()
    project.upgrade()
    assert project.proposes_nothing()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg_async"])
def test_an_async_environment_with_every_option_and_several_metadata_objects(project, make_engine, driver):
    (project.folder / "env.py").write_text(ASYNC_ENV)
    project.execute("CREATE SCHEMA app")
    project.options = {"include_schemas": True, "transaction_per_migration": True, "compare_server_default": True}

    def several(**options):
        named = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s"})
        models(ix(None, **options), half(), schema="app", metadata=named)
        return [named, models(ix("ix_default", **options))]

    before = project.catalog()
    sync, project.engine = project.engine, make_engine(driver)
    project.metadata = several()
    project.autogenerate()
    project.upgrade()
    assert project.proposes_nothing()
    project.metadata = several(with_={"m": 24})
    revision = project.autogenerate()
    assert revision.upgrade.count("op.rebuild_vector_index(") == revision.upgrade.count("op.") == 2
    assert "'ix_items_embedding'" in revision.upgrade
    project.upgrade()
    assert project.proposes_nothing()
    project.downgrade("base")
    project.engine = sync
    assert project.catalog() == before


@pytest.mark.parametrize("driver", ["psycopg2", "pg8000"])
def test_other_drivers(project, make_engine, driver):
    models(ix()).create_all(project.engine)
    project.engine = make_engine(driver)
    project.metadata = models(ix(with_={"m": 24}), half())
    assert project.autogenerate().upgrade.count("op.") == 2


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


# --- models of every kind ------------------------------------------------------------------------------------------


def test_models_of_ours(project):
    class Base(DeclarativeBase):
        pass

    class Document(Base):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        lang: Mapped[str]
        embedding: Mapped[list[float] | None] = embedding_column(
            4, metric="cosine", index=HNSW(m=16), quantize="halfvec"
        )

    vector_index("ix_en", Document.embedding, metric="l2", where=Document.lang == "en")
    project.metadata = Base.metadata
    project.cycle("create_table", "create_vector_index", "create_vector_index")


def test_mapped_dataclasses(project):
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Item(Base):
        __tablename__ = "items"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        embedding: Mapped[list[float]] = mapped_column(VECTOR(3))
        __table_args__ = (
            Index("ix_e", "embedding", postgresql_using="hnsw", postgresql_ops={"embedding": "vector_l2_ops"}),
        )

    project.metadata = Base.metadata
    project.cycle("create_table", "create_vector_index")


def test_sqlmodel(project):
    from sqlmodel import Field, SQLModel

    class Base(SQLModel):
        metadata = MetaData()

    class Item(Base, table=True):
        __tablename__ = "items"
        id: int | None = Field(default=None, primary_key=True)
        title: str
        embedding: list[float] = Field(sa_type=VECTOR(3))

    vector_index("ix_e", Item.__table__.c.embedding, metric="l2")
    project.metadata = Base.metadata
    project.cycle("create_table", "create_vector_index")
