"""The database that a command works on: the `--url` option, and a connection for it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from sqlalchemy_vecsearch.errors import ServerError
from sqlalchemy_vecsearch.urls import driver_sentence, parsed_url, shown_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine

__all__ = ["DatabaseUrl", "connected", "parse_url"]

_PSYCOPG_SERVES: Final = frozenset({"postgresql", "postgresql+asyncpg", "postgresql+psycopg_async"})

DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="DATABASE_URL",
        metavar="URL",
        show_default=False,
        help="postgresql://user:password@host:5432/name",
    ),
]
"""The `--url` option of every command that works on a database of the user."""


def parse_url(text: str) -> URL:
    """Return a SQLAlchemy URL; one without a driver, as other tools write it, or with an async one gets psycopg.

    Raises:
        ServerError: it is no URL of a PostgreSQL database.
    """
    url = parsed_url(text, setting="--url ")
    return url.set(drivername="postgresql+psycopg") if url.drivername in _PSYCOPG_SERVES else url


@contextmanager
def connected(text: str) -> Iterator[Connection]:
    """Open one connection for a command, and close it afterwards; nothing is committed that the command does not.

    Args:
        text: the value of the `--url` option.

    Raises:
        ServerError: the URL is wrong, no server answers there, or it refuses a statement of the block.
    """
    url = parse_url(text)
    connection = _opened(_engine(url))
    try:
        with connection:
            yield connection
    except DBAPIError as error:
        raise ServerError(
            f"The database '{shown_url(url)}' did not do what the command asked for. "
            f"The driver said: {driver_sentence(error.orig, url)} "
            "Remove the reason, and run the command again."
        ) from error


def _engine(url: URL) -> Engine:
    try:
        return create_engine(url, poolclass=NullPool)
    except (NoSuchModuleError, ArgumentError) as error:
        raise ServerError(
            f"The database '{shown_url(url)}' cannot be reached that way. "
            f"SQLAlchemy has no driver of the name '{url.get_driver_name()}' for PostgreSQL. "
            "Write postgresql://..., which psycopg serves, or name another driver that is installed."
        ) from error


def _opened(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except (DBAPIError, OSError, TypeError, ValueError) as error:  # the last two: options that the driver has not
        raise ServerError(
            f"The database '{shown_url(engine.url)}' could not be reached. "
            f"The driver said: {driver_sentence(getattr(error, 'orig', None) or error, engine.url)} "
            "Start the server, or correct the URL given by --url or DATABASE_URL."
        ) from error
