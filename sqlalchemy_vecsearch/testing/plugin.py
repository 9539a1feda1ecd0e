"""The pytest hooks and fixtures; loaded through `pytest_plugins = "sqlalchemy_vecsearch.testing"`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from sqlalchemy_vecsearch.errors import ServerError
from sqlalchemy_vecsearch.testing.databases import Databases
from sqlalchemy_vecsearch.testing.server import Plan, Server, Source, plan_server_here, start_server
from sqlalchemy_vecsearch.urls import HiddenUrl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy_vecsearch.measuring.served import SearchPlan

__all__ = ["assert_index_served", "vecsearch_databases", "vecsearch_server", "vecsearch_url"]

PLAN = pytest.StashKey[Plan]()
SERVER = pytest.StashKey[Server]()
WORKER_KEYS = ("origin", "postgres_version", "pgvector_version", "server_url")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the server and its versions above the tests."""
    try:
        plan = _plan(config)
        if plan.source is not Source.EMBEDDED:
            _server(config)
    except ServerError as error:
        return f"vecsearch: {error}"
    if (server := config.stash.get(SERVER, None)) is not None:
        return f"vecsearch: {describe(server.postgres_version, server.pgvector_version, server.origin)}"
    installation = plan.installation
    assert installation is not None
    return f"vecsearch: {describe(installation.postgres_version, installation.pgvector_version, plan.describe())}"


def describe(postgres_version: str, pgvector_version: str, origin: str) -> str:
    """Put versions and origin into one line."""
    return f"PostgreSQL {postgres_version}, pgvector {pgvector_version} ({origin})"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # Any: the hook and its type belong to pytest-xdist
    """Share one server between the workers of pytest-xdist."""
    with suppress(ServerError):  # the fixtures of the workers raise it again, once for each test that needs it
        server = _server(node.config)
        node.workerinput["vecsearch"] = {key: getattr(server, key) for key in WORKER_KEYS}


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server, also after Ctrl-C."""
    if (server := config.stash.get(SERVER, None)) is not None:
        server.stop()


@pytest.fixture(scope="session")
def vecsearch_server(pytestconfig: pytest.Config) -> Server:
    """Give the server that all tests of this run share, started when the first test needs it."""
    return _server(pytestconfig)


@pytest.fixture(scope="session")
def vecsearch_databases(vecsearch_server: Server) -> Iterator[Databases]:
    """Give the maker of databases, for fixtures of a wider scope than one test."""
    with Databases(vecsearch_server.server_url) as databases:
        yield databases


@pytest.fixture
def vecsearch_url(vecsearch_databases: Databases) -> Iterator[str]:
    """Give the URL of a fresh database that has the extension vector and is dropped after the test.

    Its form is `postgresql+psycopg://...`, with the password, which pytest does not show when a test fails.
    """
    url = vecsearch_databases.create()
    yield HiddenUrl(url)
    vecsearch_databases.drop(url)


@pytest.fixture
def assert_index_served() -> Callable[..., SearchPlan]:
    """Give ``assert_index_served(connection, statement, index=None)``, which works on tables of a few rows."""
    from sqlalchemy_vecsearch.measuring.asserting import assert_index_served as function

    return function


def _plan(config: pytest.Config) -> Plan:
    if PLAN not in config.stash:
        config.stash[PLAN] = plan_server_here()
    return config.stash[PLAN]


def _server(config: pytest.Config) -> Server:
    if SERVER not in config.stash:
        shared = getattr(config, "workerinput", {}).get("vecsearch")
        config.stash[SERVER] = Server(**shared) if shared else start_server(_plan(config))
    return config.stash[SERVER]
