"""Fixtures that all tests share: engines for every driver on a fresh database each."""

from __future__ import annotations

import asyncio
import re

import pytest
from sqlalchemy import NullPool, create_engine, event, make_url, text
from sqlalchemy.exc import NotSupportedError, ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import UnsupportedServerError
from sqlalchemy_vecsearch.testing import start_embedded_server

pytest_plugins = "sqlalchemy_vecsearch.testing"

DRIVERS = {
    # name in the tests -> driver of the URL, async
    "psycopg": ("psycopg", False),
    "psycopg2": ("psycopg2", False),
    "pg8000": ("pg8000", False),
    "psycopg_async": ("psycopg", True),
    "asyncpg": ("asyncpg", True),
}


ITERATIVE_SCANS = (0, 8)
TRIGRAMS = re.compile(r"word_similarity|<%|%>|gin_trgm_ops")
NO_CONTRIB = re.compile(r'extension "(postgres_fdw|pageinspect)" is not available')


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Say what the tests show on a pgvector that is older than what they need: never nothing.

    A test marked `needs_pgvector(0, 8)` must end with the error that names the version. Another one may, on a pgvector
    without iterative scans, and is counted as refused; so is one that needs pg_trgm, postgres_fdw or pageinspect
    where the server has none.
    """
    if "vecsearch_server" not in pyfuncitem.fixturenames:
        return (yield)
    version = pyfuncitem._request.getfixturevalue("pgvector_version")
    marker = pyfuncitem.get_closest_marker("needs_pgvector")
    if marker is not None and version < marker.args:
        with pytest.raises(UnsupportedServerError):
            yield
        return True
    try:
        return (yield)
    except (UnsupportedServerError, ProgrammingError, NotSupportedError) as error:
        old = isinstance(error, UnsupportedServerError) and version < ITERATIVE_SCANS
        absent = NO_CONTRIB.search(str(error)) or (
            TRIGRAMS.search(str(error)) and not pyfuncitem._request.getfixturevalue("has_trigrams")
        )
        if not old and not absent:
            raise
        pyfuncitem.user_properties.append(("refused", str(error)))
        return True


@pytest.fixture
def make_engine(request):
    """Give `make_engine(driver, url=None, **options)`; the engine is on `vecsearch_url` and disposed after the test.

    Async engines have no pool unless the test passes one, because the test's event loop is gone when we could close it.
    """
    engines = []

    def make(driver="psycopg", *, url=None, **options):
        url = make_url(url or request.getfixturevalue("vecsearch_url"))
        name, is_async = DRIVERS[driver]
        url = url.set(drivername=f"postgresql+{name}")
        if is_async:
            return create_async_engine(url, **({"poolclass": NullPool} | options))
        engine = create_engine(url, **options)
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.dispose()


@pytest.fixture(params=list(DRIVERS))
def run(request, make_engine):
    """Give `run(function)`, which calls it with a Connection of each driver in a transaction; async ones by run_sync.

    `run.driver` is the name of the driver, and `run.engine` the engine.
    """
    return _runner(make_engine, request.param)


@pytest.fixture(params=list(DRIVERS))
def bare_run(request, make_engine, bare_url):
    """Give what `run` gives, on a database without the extension vector."""
    return _runner(make_engine, request.param, url=bare_url)


def _runner(make_engine, driver, **options):
    engine = make_engine(driver, **options)
    _, is_async = DRIVERS[driver]
    if is_async:

        async def begin(function):
            async with engine.begin() as connection:
                return await connection.run_sync(function)

        def call(function):
            return asyncio.run(begin(function))

    else:

        def call(function):
            with engine.begin() as connection:
                return function(connection)

    call.driver, call.engine = driver, engine
    return call


@pytest.fixture
def engine(make_engine):
    """Give a psycopg engine on a fresh database with the extension vector."""
    return make_engine("psycopg")


@pytest.fixture
def bare_url(vecsearch_databases):
    """Give the URL of a fresh database without the extension vector."""
    url = vecsearch_databases.create(with_extension=False)
    yield url
    vecsearch_databases.drop(url)


@pytest.fixture(scope="session")
def pgvector_version(vecsearch_server):
    """Give the version of pgvector as a tuple such as (0, 8, 6)."""
    return tuple(int(part) for part in vecsearch_server.pgvector_version.split("."))


@pytest.fixture(scope="session")
def has_trigrams(vecsearch_databases):
    """Tell whether the server has pg_trgm."""
    engine = create_engine(vecsearch_databases.create(with_extension=False))
    with engine.connect() as connection:
        found = connection.scalar(text("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'"))
    engine.dispose()
    return bool(found)


@pytest.fixture(scope="session")
def postgres_major(vecsearch_server):
    """Give the server's major version, such as 18."""
    return int(vecsearch_server.postgres_version.split(".")[0])


@pytest.fixture(scope="module")
def own_server():
    """Give a server that this module alone uses, and may restart or configure."""
    server = start_embedded_server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def indexes_used():
    """Give `indexes_used(session_or_connection, statement)`: the names of the indexes in its plan, as it runs."""

    def explain(connection, cursor, statement, values, context, executemany):
        return "EXPLAIN " + statement, values

    def names(session, statement):
        connection = session.connection() if isinstance(session, Session) else session
        event.listen(connection.engine, "before_cursor_execute", explain, retval=True)
        try:
            lines = [row[0] for row in connection.execute(statement).cursor.fetchall()]
        finally:
            event.remove(connection.engine, "before_cursor_execute", explain)
        return set(re.findall(r"Index Scan using (\S+)", "\n".join(lines)))

    return names
