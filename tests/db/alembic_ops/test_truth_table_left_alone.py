"""Partitions, leftovers, running builds, and what the filters of the user hide."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from subprocess import CalledProcessError

import pytest
from alembic import command
from item_models import ix, models
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Integer, MetaData, Table, text
from sqlalchemy.exc import OperationalError

from alembic_ops.errors import VectorMigrationWarning

CREATE, DROP, REBUILD = "create_vector_index", "drop_vector_index", "rebuild_vector_index"

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


def in_one_transaction(source):
    """Let the operations on vector indexes be of the form that a script can have, which knows no partitions."""
    return re.sub(
        r"(op\.(?:create|drop|rebuild)_vector_index\(.*?)\n    \)",
        r"\1\n        concurrently=False,\n    )",
        source,
        flags=re.DOTALL,
    )


def parents(catalog):
    """Return a catalog without the names of the indexes of partitions, which follow from the statement that made them."""
    indexes, *others = catalog
    return sorted(re.sub(r" \w+ ON (ONLY )?public\.items_", "", sql) for sql, _ in indexes), *others


def test_partitions_and_their_indexes_are_left_alone(project):
    project.metadata = partitioned(ix())
    project.metadata.create_all(project.engine)
    for statement in PARTITIONS:
        project.execute(statement)
    assert project.proposes_nothing()


def test_a_partitioned_table_is_created_with_its_index(project):
    project.metadata = partitioned(ix())
    project.cycle("create_table", CREATE)


CHANGES = {
    "added": ([], [ix()], CREATE),
    "dropped": ([ix()], [], DROP),
    "rebuilt": ([ix()], [ix(with_={"m": 24})], REBUILD),
    "renamed": ([ix()], [ix("ix_f")], "rename_vector_index"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_an_index_of_a_partitioned_table_changes_with_its_partitions(project, case):
    old, new, operation = CHANGES[case]
    partitioned(*old).create_all(project.engine)
    for statement in PARTITIONS:
        project.execute(statement)
    project.metadata = partitioned(*new)
    project.cycle(operation, edit=in_one_transaction)


CONCURRENT = {
    CREATE: 'cannot create index on partitioned table "items" concurrently',
    DROP: 'cannot drop partitioned index "ix_e" concurrently',
    REBUILD: 'cannot create index on partitioned table "items" concurrently',
}


@pytest.mark.parametrize("case", ["added", "dropped", "rebuilt"])
def test_it_changes_partition_by_partition_online_and_not_at_all_by_a_script(project, case):
    old, new, operation = CHANGES[case]
    partitioned(*old).create_all(project.engine)
    for statement in PARTITIONS:
        project.execute(statement)
    project.metadata = partitioned(*new)
    assert re.findall(r"^op\.(\w+)\(", project.autogenerate().upgrade, re.MULTILINE) == [operation]
    before = project.catalog()
    project.upgrade()
    assert project.proposes_nothing()
    after = project.catalog()
    project.downgrade()
    assert parents(project.catalog()) == parents(before)
    project.upgrade()
    assert project.catalog() == after
    project.downgrade()
    before = project.catalog()
    project.execute("DROP TABLE alembic_version")
    with pytest.raises(CalledProcessError) as stopped:
        project.psql(project.sql_of_upgrade())
    assert CONCURRENT[operation] in stopped.value.stderr
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


def test_a_change_beside_a_leftover_leaves_it_where_it_is(project):
    models(ix()).create_all(project.engine)
    leave_invalid(project, "REINDEX INDEX CONCURRENTLY ix_e")
    project.metadata = models(ix(with_={"m": 24}))
    with pytest.warns(VectorMigrationWarning) as caught:
        project.cycle(REBUILD, rows="INSERT INTO items (embedding) VALUES ('[1,2,3]')")
    assert {str(one.message) for one in caught} == {LEFTOVER.format("ix_e_ccnew")}


def test_an_invalid_index_that_a_model_declares_is_rebuilt(project):
    models().create_all(project.engine)
    declared = "CREATE INDEX CONCURRENTLY ix_e ON items USING hnsw (embedding vector_l2_ops)"
    leave_invalid(project, declared)
    project.metadata = models(ix())
    assert project.check_fails()
    assert project.autogenerate().upgrade == "op.rebuild_vector_index(\n'ix_e',\n'items',\n)"
    project.execute("INSERT INTO items (embedding) VALUES ('[1,2,3]')")
    project.upgrade()
    assert project.proposes_nothing()
    after = project.catalog()
    assert [valid for _, valid in after[0]] == [True, True]
    project.downgrade()
    assert project.catalog() == after  # there is no way back to an INVALID index
    project.execute("DROP INDEX ix_e")
    leave_invalid(project, declared)
    assert project.catalog() != after
    project.psql_upgrade(None)
    assert project.catalog() == after


def build(engine):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 60000")
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
        deadline = time.monotonic() + 60
        with project.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            while not watcher.scalar(BUILDS):
                assert time.monotonic() < deadline, "the build did not begin"
        with pytest.warns(
            VectorMigrationWarning, match=r"The index 'ix_e' of the table 'items' is being built by another session\."
        ):
            command.check(project.config())
        holder.rollback()
        building.result(timeout=60)
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
    project.metadata = models(ix("hidden_new", operators="our_own_ops"), ix("shown", with_={"m": 24}))
    project.cycle(REBUILD, rows="INSERT INTO items (embedding) VALUES ('[1,2,3]')")


def test_include_name_hides_tables_and_indexes_of_the_database(project):
    def include_name(name, type_, parents):
        return not (type_ in {"table", "index"} and name.startswith("hidden"))

    project.options = {"include_name": include_name}
    models(
        ix(), ix("hidden_ix", operators="vector_ip_ops"), metadata=models(ix("ix_2"), name="hidden_items")
    ).create_all(project.engine)
    project.metadata = models(ix())
    assert project.proposes_nothing()
    project.metadata = models(ix(with_={"m": 24}))
    project.cycle(REBUILD, rows="INSERT INTO items (embedding) VALUES ('[1,2,3]')")
