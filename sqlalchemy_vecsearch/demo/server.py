"""The server of the demo, whose data stays from run to run."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from sqlalchemy_vecsearch.demo.errors import DemoError
from sqlalchemy_vecsearch.testing import remove_server_directory, start_embedded_server, start_server
from sqlalchemy_vecsearch.testing.installations import installations
from sqlalchemy_vecsearch.urls import driver_sentence, parsed_url, shown_url

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DemoServer", "default_directory", "reset", "start"]

DATABASE: Final = "vecsearch_demo"
URL_VARIABLE: Final = "VECSEARCH_TEST_URL"

_NEEDED_BYTES: Final = 300 * 2**20  # measured: 130 MB after two runs, write-ahead log included
_EXISTS: Final = (
    f"SELECT FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) CAST('{DATABASE}' AS pg_catalog.name)"
)
_OURS: Final = "password"  # the file that every directory of an embedded server holds


@dataclass(frozen=True, kw_only=True)
class DemoServer:
    """The running server.

    Attributes:
        origin: where it comes from, in words.
        postgres_version: such as "18.6".
        pgvector_version: such as "0.8.6".
        url: of the demo's database, password included.
        shown_url: the same for people: with the password of a server that we started, without that of a given one.
        directory: where an embedded server keeps its data, None for another one.
        stop: takes the server away if we started it; its data stays.
    """

    origin: str
    postgres_version: str
    pgvector_version: str
    url: str = field(repr=False)
    shown_url: str = field(repr=False)
    directory: Path | None
    stop: Callable[[], None] = field(repr=False)


def default_directory() -> Path:
    """Return the folder for caches of this user, one for each version of Python, whose library is what is searched."""
    if sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "sqlalchemy-vecsearch" / f"demo-python{sys.version_info.major}.{sys.version_info.minor}"


def start(directory: Path, *, port: int | None = None) -> DemoServer:
    """Start the server: the one at `VECSEARCH_TEST_URL`, else an embedded one, else a container.

    Args:
        directory: for the data of an embedded server.
        port: for an embedded server; None takes one that is free.

    Raises:
        DemoError: the directory, the disk or the port is not usable.
        ServerError: there is no server, or it does not start.
    """
    if os.environ.get(URL_VARIABLE) or not installations():
        server = start_server()
        url = make_url(server.url())
        origin, versions = server.origin, (server.postgres_version, server.pgvector_version)
        kept, stop = None, server.stop
    else:
        require_usable(directory)
        if port is not None:
            require_free(port)
        embedded = start_embedded_server(directory=directory, port=port)
        url = make_url(embedded.url())
        origin = f"embedded {embedded.installation.name} {embedded.installation.package_version}"
        versions = (embedded.postgres_version, embedded.pgvector_version)
        kept, stop = directory, embedded.stop
    create_database(url.render_as_string(hide_password=False))
    url = url.set(database=DATABASE)
    whole = url.render_as_string(hide_password=False)
    return DemoServer(
        origin=origin,
        postgres_version=versions[0],
        pgvector_version=versions[1],
        url=whole,
        shown_url=shown_url(url) if os.environ.get(URL_VARIABLE) else whole,
        directory=kept,
        stop=stop,
    )


def reset(directory: Path) -> None:
    """Forget what earlier runs left: the directory of an embedded server, the database of another one.

    Raises:
        DemoError: the directory holds something else.
    """
    if url := os.environ.get(URL_VARIABLE):
        _execute(url, f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        return
    require_ours(directory)
    remove_server_directory(directory)


def create_database(url: str) -> None:
    """Create the demo's database on a server, unless an earlier run did."""
    if not _execute(url, _EXISTS):
        _execute(url, f"CREATE DATABASE {DATABASE}")


def require_usable(directory: Path) -> None:
    """Check that a directory can hold the data.

    Raises:
        DemoError: it holds something else, cannot be written to, or its disk is full.
    """
    require_ours(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(directory).free
        writable = os.access(directory, os.W_OK | os.X_OK)
    except OSError as error:
        raise _unusable(directory, error.strerror or "it cannot be made") from error
    if not writable:
        raise _unusable(directory, "Permission denied")
    require_space(directory, free)


def require_ours(directory: Path) -> None:
    """Check that a directory is new, empty, or left by an earlier run, so that nothing of the user's is lost.

    Raises:
        DemoError: it is none of these.
    """
    if not directory.exists():
        return
    if not directory.is_dir():
        raise _unusable(directory, "Not a directory")
    try:
        ours = (directory / _OURS).exists() or not any(directory.iterdir())
    except OSError as error:
        raise _unusable(directory, error.strerror or "it cannot be read") from error
    if not ours:
        raise DemoError(
            f"The directory '{directory}' is not the demo's. "
            "It holds other files, which --reset would remove. "
            "Name an empty or new one with --directory."
        )


def require_space(directory: Path, free: int) -> None:
    """Check that the disk has room for the demo.

    Args:
        directory: for the message.
        free: bytes that are free on its disk.

    Raises:
        DemoError: they are not enough.
    """
    if free < _NEEDED_BYTES:
        raise DemoError(
            f"The disk of '{directory}' has {free // 2**20} MB free. "
            f"The demo's server needs {_NEEDED_BYTES // 2**20} MB for its data. "
            "Free some, or name a directory on another disk with --directory."
        )


def require_free(port: int) -> None:
    """Check that nobody listens on a port of this machine.

    Raises:
        DemoError: somebody does, or this user may not use it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"The port {port} cannot be used. "
                f"The system said: {error.strerror}. "
                "Name another one with --port, or leave it out for one that is free."
            ) from error


def _execute(url: str, statement: str) -> int:
    """Run a statement outside a transaction, and return how many rows it has."""
    given = parsed_url(url, setting=f"{URL_VARIABLE}=").set(drivername="postgresql+psycopg")
    engine = create_engine(given, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            return connection.execute(text(statement)).rowcount
    except DBAPIError as error:
        raise DemoError(
            f"The server at '{shown_url(given)}' cannot hold the demo. "
            f"The driver said: {driver_sentence(error.orig, given)} "
            f"Name a server that you may create databases on by {URL_VARIABLE}, or none for one of the demo's own."
        ) from error


def _unusable(directory: Path, reason: str) -> DemoError:
    return DemoError(
        f"The directory '{directory}' cannot be used. "
        f"The system said: {reason}. "
        "Name one that you may write to with --directory."
    )
