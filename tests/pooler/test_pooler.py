"""What a build says behind a real PgBouncer, which has to be installed: `make check-matrix ROWS=pooler`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import NullPool, create_engine, make_url, text

import alembic_ops
from alembic_ops.errors import MigrationError

CONFIGURATION = """
[databases]
* = host={url.host} port={url.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = {mode}
default_pool_size = 5
"""


@pytest.fixture
def pooled(tmp_path, vecsearch_url):
    """Give a function that starts a PgBouncer in a mode before the database, and gives an engine that reaches it."""
    program = shutil.which("pgbouncer")
    assert program, "PgBouncer is not installed; its package is called pgbouncer on Debian, Fedora and Homebrew."
    url = make_url(vecsearch_url)
    started = []

    def start(mode):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        users, configuration = tmp_path / "users.txt", tmp_path / "pgbouncer.ini"
        users.write_text(f'"{url.username}" "{url.password}"\n')
        configuration.write_text(CONFIGURATION.format(url=url, port=port, users=users, mode=mode))
        as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
        for folder in (tmp_path, *list(tmp_path.parents)[:3]):
            folder.chmod(0o755)
        process = subprocess.Popen([program, *as_user, str(configuration)], stderr=subprocess.PIPE, text=True)
        up = any("process up" in line for line in iter(process.stderr.readline, ""))
        reader = threading.Thread(target=process.stderr.read)
        reader.start()
        started.append((process, reader))
        assert up, "PgBouncer did not start."
        return create_engine(url.set(port=port), poolclass=NullPool, connect_args={"prepare_threshold": None})

    yield start
    for process, reader in started:
        process.terminate()
        process.wait()
        reader.join()
        process.stderr.close()


@contextmanager
def other_clients(engine):
    """Let other clients use the pool, so that its server processes change hands."""
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            with engine.connect() as connection:
                connection.execute(text("SELECT pg_sleep(0.002)"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def build(engine):
    alembic_ops.register()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"vector_progress": "none"})
        with context.begin_transaction():
            Operations(context).create_vector_index("ix", "document", "embedding", operator_class="vector_l2_ops")


@pytest.fixture
def document(vecsearch_url):
    engine = create_engine(vecsearch_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE document (id int PRIMARY KEY, embedding vector(3))"))
        connection.execute(
            text("INSERT INTO document SELECT g, ARRAY[g, 1, 2]\\:\\:vector FROM generate_series(1, 300) g")
        )
    return engine


def indexes(engine):
    with engine.connect() as connection:
        query = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix')"
        return connection.scalars(text(query)).all()


def test_a_pool_that_changes_the_process_with_each_statement_is_refused(pooled, document):
    engine = pooled("transaction")
    with other_clients(engine), pytest.raises(MigrationError) as error:
        build(engine)
    assert str(error.value) == (
        "The connection reaches another server process with each statement. A connection pooler in transaction mode "
        "stands before the server, so that no setting holds and nobody could tell which process builds the index. Let "
        "migrations connect to the server itself, or to a pool in session mode."
    )
    assert indexes(document) == []


def test_a_refused_pool_is_left_with_its_own_timeouts(pooled, document):
    engine = pooled("transaction")
    with other_clients(engine):
        for _ in range(5):
            with pytest.raises(MigrationError):
                build(engine)
        with engine.connect() as connection:
            for _ in range(20):
                assert connection.scalar(text("SELECT current_setting('statement_timeout')")) == "0"
                assert (
                    connection.scalar(text("SELECT source FROM pg_settings WHERE name = 'statement_timeout'"))
                    == "default"
                )
                connection.commit()


def test_a_pool_in_session_mode_builds(pooled, document):
    engine = pooled("session")
    with other_clients(engine):
        build(engine)
    assert indexes(document) == [True]
