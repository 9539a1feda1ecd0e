"""The database that a command works on: the `--url` option, and a connection for it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer
from sqlalchemy import NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from sqlalchemy_vecsearch.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection

__all__ = ["DatabaseUrl", "connected", "parse_url"]

_PSYCOPG_SERVES: Final = frozenset({"postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg_async"})

DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="DATABASE_URL",
        show_default=False,
        help="The database, as SQLAlchemy or libpq writes it: postgresql://user:password@host:5432/name.",
    ),
]
"""The `--url` option of every command that works on a database of the user."""


def parse_url(text: str) -> URL:
    """Return a SQLAlchemy URL; one without a driver, as other tools write it, or with an async one gets psycopg.

    Raises:
        ServerError: it is no URL of a PostgreSQL database.
    """
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise _no_url() from error
    if url.drivername in _PSYCOPG_SERVES:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "postgresql":
        raise _no_url()
    return url


@contextmanager
def connected(text: str) -> Iterator[Connection]:
    """Open one connection for a command, and close it afterwards; nothing is committed that the command does not.

    Args:
        text: the value of the `--url` option.

    Raises:
        ServerError: the URL is wrong, no server answers there, or it refuses a statement of the block.
    """
    url = parse_url(text)
    engine = create_engine(url, poolclass=NullPool)
    try:
        connection = engine.connect()
    except OperationalError as error:
        raise ServerError(
            f"The database '{url.render_as_string()}' could not be reached. "
            f"The driver said: {str(error.orig).strip().splitlines()[-1].rstrip('.')}. "
            "Start the server, or correct the URL given by --url or DATABASE_URL."
        ) from error
    try:
        with connection:
            yield connection
    except DBAPIError as error:
        raise ServerError(
            f"The database '{url.render_as_string()}' did not do what the command asked for. "
            f"The driver said: {str(error.orig).strip().splitlines()[0].rstrip('.')}. "
            "Remove the reason, and run the command again."
        ) from error


def _no_url() -> ServerError:
    return ServerError(  # without the text, which may hold a password
        "The URL of the database cannot be used. "
        "It is not the URL of a PostgreSQL database. "
        "Write --url postgresql://user:password@host:5432/name, or set DATABASE_URL."
    )
