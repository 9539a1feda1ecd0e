"""Fixtures that all tests share: engines for every driver on a fresh database each."""

from __future__ import annotations

import asyncio
import gc
import os
import re

import hypothesis
import pytest
from sqlalchemy import NullPool, create_engine, event, make_url, text
from sqlalchemy.exc import NotSupportedError, ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import UnsupportedServerError
from sqlalchemy_vecsearch.testing import start_embedded_server
from sqlalchemy_vecsearch.testing.directories import DIRECTORY_VARIABLE
from tests.memory_directory import memory_directory

if DIRECTORY_VARIABLE not in os.environ and (in_memory := memory_directory()):
    os.environ[DIRECTORY_VARIABLE] = str(in_memory)  # also for the programs that tests start

pytest_plugins = "sqlalchemy_vecsearch.testing"

# how long an example takes says how busy the machine is
hypothesis.settings.register_profile("vecsearch", parent=hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("vecsearch")

DRIVERS = {
    # name in the tests -> driver of the URL, async
    "psycopg": ("psycopg", False),
    "psycopg2": ("psycopg2", False),
    "pg8000": ("pg8000", False),
    "psycopg_async": ("psycopg", True),
    "asyncpg": ("asyncpg", True),
}


OF_OTHER_CODE_PATHS = {"psycopg2", "psycopg_async"}
"""Drivers that the fixtures `run` and `bare_run` leave to `--every-combination`: psycopg2 sends and reads text as pg8000
does, and psycopg has one code path, sync or async."""

ITERATIVE_SCANS = (0, 8)
TRIGRAMS = re.compile(r"word_similarity|<%|%>|gin_trgm_ops")
NO_CONTRIB = re.compile(r'extension "postgres_fdw" is not available')


def pytest_addoption(parser):
    parser.addoption(
        "--every-combination",
        action="store_true",
        help="run the full product of parameters on all drivers; without it tests marked `share` run a part of their "
        "product that has every pair of parameters, and most tests three drivers of five",
    )


def pytest_collection_modifyitems(config, items):
    """Leave out what `--every-combination` adds. The choice hangs on the parameters alone, so each run makes the same."""
    if config.getoption("--every-combination"):
        for item in items:
            if item.get_closest_marker("slow") is not None and item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(3600))
        return
    left_out = [item for item in items if _is_of_the_full_product(item)]
    config.hook.pytest_deselected(items=left_out)
    taken_out = set(left_out)
    items[:] = [item for item in items if item not in taken_out]


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Let `-n auto` start a process more than there are cores: one of them waits for its server most of the time."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else cores() + 1


def cores():
    """Return on how many cores this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage while tests are collected, which makes little and took a third of the time to find none."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish(session):
    """Leave what was collected to the end of the run: half a million objects, which took each collection 0.3 s."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)  # of 700: looking for garbage was a tenth of what the tests of a worker computed


def _is_of_the_full_product(item):
    """Tell whether an item is left out by its marker `share`, or by its driver.

    Tests marked `slow` are left out too.

    The positions of the parameters in their lists are added up, as in a Latin square: modulo 2, two tests that take
    the shares 0 and 1 run each combination once between them; a third parameter of three values meets each pair once.
    """
    if item.get_closest_marker("slow") is not None:
        return True
    if not hasattr(item, "callspec"):
        return False
    drivers = {item.callspec.params.get(fixture) for fixture in ("run", "bare_run")}
    share = item.get_closest_marker("share")
    if share is None:
        return bool(drivers & OF_OTHER_CODE_PATHS)
    number, of = share.args
    return sum(_positions(item)) % of != number


def _positions(item):
    """Yield the position of each parameter in the list of its values; names that are given together have one.

    `callspec.indices` has them for fixtures alone: for the parameters of a test it holds the number of the combination.
    """
    given, found = item.callspec.params, set()
    for mark in item.iter_markers("parametrize"):
        names, values = mark.args[:2]
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        found |= set(names)
        for position, value in enumerate(values):
            parts = value.values if isinstance(value, type(pytest.param())) else value if len(names) > 1 else (value,)
            if all(given[name] is part for name, part in zip(names, parts, strict=True)):
                yield position
                break
        else:
            raise AssertionError((item.nodeid, "a parameter is none of its values"))
    yield from (position for name, position in item.callspec.indices.items() if name not in found)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Say what the tests show on a pgvector that is older than what they need: never nothing.

    A test marked `needs_pgvector(0, 8)` must end with the error that names the version. Another one may, on a pgvector
    without iterative scans, and is counted as refused; so is one that needs pg_trgm or postgres_fdw where the
    server has none.
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


def pytest_terminal_summary(terminalreporter):
    """Say how many of the passed tests ended with the error for an old server."""
    passed = terminalreporter.getreports("passed")
    refused = sum(any(name == "refused" for name, _ in report.user_properties) for report in passed)
    if refused:
        terminalreporter.write_line(f"{refused} of the passed tests ended with the error for an old server.")


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
    return runner(make_engine, request.param)


@pytest.fixture(params=list(DRIVERS))
def bare_run(request, make_engine, bare_url):
    """Give what `run` gives, on a database without the extension vector."""
    return runner(make_engine, request.param, url=bare_url)


def runner(make_engine, driver, **options):
    """Return the function that the fixture `run` gives, on a database of one's own."""
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
        found = re.findall(r"Index Scan using (\S+)", "\n".join(lines))
        return {name for name in found if not name.startswith("pg_") and not name.endswith("_pkey")}

    return names
