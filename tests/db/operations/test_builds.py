from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from alembic_ops.catalog import server
from alembic_ops.catalog.server import find_build_facts
from alembic_ops.errors import BuildError, OperationArgumentError
from alembic_ops.model.index_state import IndexDefinition
from alembic_ops.running import watching

CREATE = 'op.create_vector_index("ix", "document", "embedding", operator_class="vector_cosine_ops")'
LISTS = 'op.create_vector_index("ix", "document", "embedding", method="ivfflat", operator_class="vector_l2_ops", with_={"lists": "auto"})'

pytestmark = pytest.mark.usefixtures("documents")


def test_the_memory_of_a_build_is_set_for_it_alone_and_named_in_the_log(alembic_project, catalog, caplog, load):
    load(200_000 // 1000)
    alembic_project.revision(
        CREATE[:-1] + ', build=alembic_ops.Build(memory="80MB", workers=1))\n'
        'assert op.get_bind().scalar(sa.text("SHOW maintenance_work_mem")) == "64MB"'
    )
    caplog.set_level("INFO", "alembic.alembic_ops")
    alembic_project.upgrade()
    assert "building ix (about 400 rows) with maintenance_work_mem = 81920kB, max_parallel_maintenance_workers = 1" in [
        record.message for record in caplog.records
    ]


def test_automatic_lists_follow_the_rows(alembic_project, catalog, load):
    load(3_000)
    alembic_project.revision(LISTS, 'op.drop_vector_index("ix", "document")')
    alembic_project.upgrade()
    assert catalog.indexes()["ix"] == (
        "CREATE INDEX ix ON public.document USING ivfflat (embedding) WITH (lists='3')",
        True,
    )
    load_more = "INSERT INTO document SELECT i, 'en', '[1,2,3]' FROM generate_series(9000, 12000) i"
    catalog.execute(load_more)
    alembic_project.revision(LISTS)
    alembic_project.upgrade()
    assert "lists='3'" in catalog.indexes()["ix"][0]


def test_an_empty_table_trains_no_lists(alembic_project, catalog):
    catalog.execute("DELETE FROM document")
    alembic_project.revision(LISTS)
    with pytest.raises(
        BuildError, match=r"^The table 'document' has 0 rows, too few for the 1 lists of the index 'ix'\."
    ):
        alembic_project.upgrade()
    assert catalog.indexes() == {}


@pytest.mark.parametrize("operation", ["create", "rebuild"])
def test_an_empty_table_gets_the_lists_that_are_written(alembic_project, catalog, caplog, operation):
    catalog.execute("DELETE FROM document")
    if operation == "rebuild":
        catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)")
    written = LISTS.replace("create", operation).replace('"auto"', "7")
    alembic_project.revision(written)
    alembic_project.upgrade()
    assert catalog.indexes()["ix"] == (
        "CREATE INDEX ix ON public.document USING ivfflat (embedding) WITH (lists='7')",
        True,
    )
    built = "ix" if operation == "create" else "ix__new"
    assert (
        f"The table 'document' is empty, so that the lists of {built} have no rows to learn from. IVFFlat finds almost "
        "nothing of the rows that come later. Build the index again once they are loaded: op.rebuild_vector_index()."
    ) in [record.message for record in caplog.records if record.levelname == "WARNING"]


def test_a_few_rows_are_still_too_few(alembic_project, catalog):
    catalog.execute("DELETE FROM document WHERE id > 6")
    alembic_project.revision(LISTS.replace('"auto"', "7"))
    with pytest.raises(
        BuildError, match=r"^The table 'document' has 6 rows, too few for the 7 lists of the index 'ix'\."
    ):
        alembic_project.upgrade()
    assert catalog.indexes() == {}


def test_sql_for_later_cannot_count_rows(alembic_project):
    alembic_project.revision(LISTS)
    with pytest.raises(OperationArgumentError, match="cannot become SQL for later"):
        alembic_project.sql()


@pytest.fixture
def seen(alembic_project, monkeypatch):
    """Collect what the migration reports of its builds, twenty times a second."""
    monkeypatch.setattr(watching, "_POLL", 0.05)
    reported = []
    monkeypatch.setattr(watching, "seen_by_the_test", reported.append, raising=False)
    source = (alembic_project.folder / "env.py").read_text()
    source = source.replace(
        "transaction_per_migration",
        "vector_progress=__import__('alembic_ops.running.watching').running.watching.seen_by_the_test, transaction_per_migration",
    )
    (alembic_project.folder / "env.py").write_text(source)
    return reported


@contextmanager
def nightly_report(engine):
    """Hold up every build on the table."""
    with engine.connect() as writer:
        writer.execute(text("SET application_name = 'nightly report'"))
        writer.execute(text("UPDATE document SET lang = 'fr' WHERE id = 1"))
        yield
        writer.rollback()


def migrated_once_blockers_are_seen(alembic_project, seen):
    """Run the upgrade in a thread, and return it as soon as it has named a blocker."""
    migration = threading.Thread(target=alembic_project.upgrade)
    migration.start()
    end = time.monotonic() + 60
    while not any(progress.blockers for progress in seen) and time.monotonic() < end:
        migration.join(timeout=0.05)
    return migration


def test_the_build_is_watched_and_who_blocks_it_is_named(alembic_project, catalog, engine, seen):
    alembic_project.revision(CREATE)
    with nightly_report(engine):
        migration = migrated_once_blockers_are_seen(alembic_project, seen)
    migration.join()
    progress = next(one for one in seen if one.blockers)
    assert progress.phase == "waiting for writers before build"
    assert progress.blockers[0].application == "nightly report"
    assert progress.blockers[0].state == "idle in transaction"
    assert progress.blockers[0].query.startswith("UPDATE document SET lang")
    assert catalog.indexes()["ix"][1]


def test_the_build_of_another_session_is_watched_to_its_end(alembic_project, catalog, engine, seen):
    alembic_project.revision(CREATE)
    with nightly_report(engine):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as observer:
            other = threading.Thread(
                target=catalog.execute,
                args=("CREATE INDEX CONCURRENTLY ix ON document USING hnsw (embedding vector_cosine_ops)",),
            )
            other.start()
            while not observer.scalar(
                text(
                    "SELECT count(*) FROM pg_stat_progress_create_index WHERE index_relid > 0 AND datname = current_database()"
                )
            ):
                other.join(timeout=0.05)
        migration = migrated_once_blockers_are_seen(alembic_project, seen)
    other.join()
    migration.join()
    assert {progress.index for progress in seen} == {"ix"}
    assert next(one for one in seen if one.blockers).blockers[0].application == "nightly report"
    assert catalog.indexes() == {
        "ix": ("CREATE INDEX ix ON public.document USING hnsw (embedding vector_cosine_ops)", True)
    }


def test_a_graph_that_outgrows_its_memory_gets_a_hint_with_a_number(alembic_project, catalog, seen, load, caplog):
    load(6_000)
    alembic_project.revision(CREATE[:-1] + ', build=alembic_ops.Build(memory="1MB", workers=0))')
    alembic_project.upgrade()
    hints = {progress.hint for progress in seen} - {None}
    assert len(hints) == 1
    assert "rows; each further row takes 5 to 6 times as long, which build=alembic_ops.Build(memory=" in hints.pop()
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert warning.getMessage().startswith(
        "building ix: the graph takes about 5 MB (6,200 rows x (20 bytes of a vector"
    )
    assert 'build=alembic_ops.Build(memory="5MB") avoids it' in warning.getMessage()


def test_the_machine_of_a_server_is_asked_for_its_memory(catalog, documents, engine):
    definition = IndexDefinition(method="hnsw", operator_class="vector_l2_ops", column="embedding")
    with engine.connect() as connection:
        assert engine.url.host == "127.0.0.1"  # as far as an address tells, the server may be anywhere
        found = find_build_facts(connection, "public.document", definition).machine_memory
    assert found == server._machine_memory()


def test_a_role_with_fewer_rights_does_not_learn_it(catalog, documents, engine):
    definition = IndexDefinition(method="hnsw", operator_class="vector_l2_ops", column="embedding")
    catalog.execute("GRANT SELECT ON document TO pg_monitor")
    with engine.connect() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE pg_monitor")
        assert find_build_facts(connection, "public.document", definition).machine_memory is None
