"""Each operation is hit while it waits, in each way it can be hit, and run again: it ends as if nothing had happened."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

V1 = "CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops) WITH (m = 8)"
V2 = "CREATE INDEX ix_v2 ON document USING hnsw (embedding vector_l2_ops) WITH (m = 12)"
STRANGER = "CREATE INDEX stranger ON document USING hnsw (embedding vector_ip_ops)"
DEFINITION = 'operator_class="vector_l2_ops", with_={"m": 12})'

OPERATIONS = {
    # name -> (what is there before, the operation, m of the index ix afterwards)
    "create": ([], f'op.create_vector_index("ix", "document", "embedding", {DEFINITION}', 12),
    "rebuild, same definition": ([V1], 'op.rebuild_vector_index("ix", "document")', 8),
    "rebuild, new definition": ([V1], f'op.rebuild_vector_index("ix", "document", "embedding", {DEFINITION}', 12),
    "swap": ([V1, V2], 'op.swap_vector_index("ix", replacement="ix_v2", table_name="document")', 12),
    "drop": ([V1], 'op.drop_vector_index("ix", "document")', None),
}

HOLDERS = {
    # what another session does -> what waits for it
    "an open writer": ("READ COMMITTED", "UPDATE document SET lang = 'fr' WHERE id = 1"),
    "a repeatable read snapshot": ("REPEATABLE READ", "SELECT count(*) FROM document"),
}


def wished(m):
    left = {"stranger": True}
    return left if m is None else left | {"ix": True}


def state(catalog, m):
    indexes = catalog.indexes()
    if m is not None and "ix" in indexes:
        assert f"(m='{m}')" in indexes["ix"][0]
    return {name: usable for name, (_, usable) in indexes.items()}


@contextmanager
def held(engine, holder):
    isolation, statement = HOLDERS[holder]
    with engine.connect().execution_options(isolation_level=isolation) as connection:
        connection.execute(text(statement))
        yield
        connection.rollback()


def start(project):
    """Run the upgrade in a process of its own, which can be killed."""
    source = (
        "from alembic import command; from alembic.config import Config; c = Config();"
        f"c.set_main_option('script_location', {str(project.directory)!r});"
        "c.set_main_option('path_separator', 'os');"
        f"c.set_main_option('sqlalchemy.url', {project.url!r});"
        "command.upgrade(c, 'head')"
    )
    return subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def waiting_backend(engine, process):
    """Return the process id of the server that is at work CONCURRENTLY and waits, once there is one."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with engine.connect() as connection:
            pid = connection.scalar(
                text(
                    "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '% CONCURRENTLY %'"
                    " AND datname = current_database()"
                )
            )
        if pid is not None:
            return pid
    raise AssertionError(process.communicate()[0] if process.poll() is not None else "nothing waits")


@pytest.fixture
def observer(vecsearch_url):
    engine = create_engine(vecsearch_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture
def ready(documents, catalog, alembic_project):
    """Write the revision of an operation, and create what it finds."""

    def prepare(operation):
        before, source, m = OPERATIONS[operation]
        for statement in [STRANGER, *before]:
            catalog.execute(statement)
        alembic_project.revision(source)
        return m

    return prepare


@pytest.mark.parametrize(
    ("holder", "fault"),
    [("an open writer", "pg_cancel_backend"), ("a repeatable read snapshot", "pg_terminate_backend")],
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_after_a_cancel_or_a_lost_connection_the_same_upgrade_ends_well(
    ready, alembic_project, catalog, engine, observer, operation, holder, fault
):
    m = ready(operation)
    with held(engine, holder):
        process = start(alembic_project)
        pid = waiting_backend(observer, process)
        with observer.connect() as connection:
            connection.execute(text(f"SELECT {fault}(:pid)"), {"pid": pid})
        output = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert "BuildError: The server did not" in output
    assert catalog.revision() is None
    alembic_project.upgrade()
    assert state(catalog, m) == wished(m)
    assert catalog.revision() == "001"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_after_kill_9_the_same_upgrade_waits_for_the_orphan_and_ends_well(
    ready, alembic_project, catalog, engine, observer, operation
):
    m = ready(operation)
    with held(engine, "a repeatable read snapshot"):
        process = start(alembic_project)
        waiting_backend(observer, process)
        process.kill()
        process.communicate(timeout=60)
        again = threading.Thread(target=alembic_project.upgrade)
        again.start()
        again.join(timeout=1.0)
        assert again.is_alive(), "it must wait for the process that still builds or drops"
    again.join(timeout=60)
    assert state(catalog, m) == wished(m)
    assert catalog.revision() == "001"


@pytest.mark.parametrize("operation", ["create", "drop"])
def test_an_operation_waits_for_another_build(ready, alembic_project, catalog, engine, observer, operation):
    m = ready(operation)
    other = threading.Thread(
        target=catalog.execute,
        args=("CREATE INDEX CONCURRENTLY other ON document USING hnsw (embedding vector_l1_ops)",),
    )
    with held(engine, "a repeatable read snapshot"):
        other.start()
        process = start(alembic_project)
        waiting_backend(observer, process)
    output = process.communicate(timeout=60)[0]
    other.join(timeout=60)
    assert process.returncode == 0, output
    assert state(catalog, m) == wished(m) | {"other": True}


@pytest.mark.parametrize("operation", ["create", "rebuild, same definition", "rebuild, new definition"])
def test_after_an_immediate_restart_of_the_server_the_same_upgrade_ends_well(
    own_server, tmp_path, make_catalog, make_project, operation
):
    before, source, m = OPERATIONS[operation]
    name = f"restart_{len(operation)}"
    server = create_engine(own_server.url(), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = make_url(own_server.url()).set(database=name).render_as_string(hide_password=False)
    catalog, project = make_catalog(url), make_project(tmp_path, url)
    catalog.execute("CREATE EXTENSION vector")
    catalog.execute("CREATE TABLE document (id int PRIMARY KEY, lang text, embedding vector(3))")
    catalog.execute(
        "INSERT INTO document SELECT i, 'en', ARRAY[sin(i), cos(i), i]::vector(3) FROM generate_series(1, 200) i"
    )
    for statement in [STRANGER, *before]:
        catalog.execute(statement)
    project.revision(source)
    holding = catalog.engine.connect().execution_options(isolation_level="REPEATABLE READ")
    holding.execute(text("SELECT count(*) FROM document"))
    process = start(project)
    waiting_backend(create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT"), process)
    own_server.restart()
    output = process.communicate(timeout=60)[0]
    assert process.returncode != 0, output
    holding.invalidate()
    holding.close()
    catalog.engine.dispose()
    project.upgrade()
    assert state(catalog, m) == wished(m)
    catalog.engine.dispose()


@pytest.mark.parametrize("fault", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_partitioned_build_that_is_hit_goes_on_with_what_is_left(alembic_project, catalog, engine, observer, fault):
    catalog.execute("CREATE TABLE document (id int, lang text, embedding vector(3)) PARTITION BY RANGE (id)")
    catalog.execute("CREATE TABLE document_1 PARTITION OF document FOR VALUES FROM (0) TO (100)")
    catalog.execute("CREATE TABLE document_2 PARTITION OF document FOR VALUES FROM (100) TO (200)")
    catalog.execute("INSERT INTO document SELECT i, 'en', ARRAY[i, 1, 2]::vector(3) FROM generate_series(1, 199) i")
    catalog.execute(STRANGER.replace("document", "document_1"))
    alembic_project.revision(OPERATIONS["create"][1])
    with held(engine, "a repeatable read snapshot"):
        process = start(alembic_project)
        pid = waiting_backend(observer, process)
        with observer.connect() as connection:
            connection.execute(text(f"SELECT {fault}(:pid)"), {"pid": pid})
        output = process.communicate(timeout=60)[0]
    assert process.returncode != 0, output
    assert catalog.revision() is None
    alembic_project.upgrade()
    assert state(catalog, 12) == {"document_1_ix": True, "document_2_ix": True, "ix": True, "stranger": True}
