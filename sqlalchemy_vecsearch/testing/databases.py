"""Fresh databases on a server, each made from a template within milliseconds."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Self

try:
    import psycopg
    from psycopg import sql
except ModuleNotFoundError as error:
    from sqlalchemy_vecsearch.extras import not_installed

    raise ModuleNotFoundError(not_installed("psycopg", user="sqlalchemy_vecsearch.testing"), name="psycopg") from error

from sqlalchemy_vecsearch.errors import ServerError
from sqlalchemy_vecsearch.urls import driver_sentence, parsed_url, shown_url

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy import URL

__all__ = ["Databases", "connect", "create_extension"]

CONNECT_SECONDS = 10
STRATEGIES_SINCE = 150000


class Databases:
    """Creates and drops databases, on one connection of its own.

    Entering it makes a template database with the extension vector; leaving it drops every database it made.

    Args:
        url: a SQLAlchemy URL of any database on the server, for a role that may create databases and the extension.

    Example:
        >>> with Databases(server.url()) as databases:
        ...     url = databases.create()
        ...     databases.drop(url)
    """

    def __init__(self, url: str) -> None:
        self._url = parsed_url(url, setting="VECSEARCH_TEST_URL=").set(drivername="postgresql+psycopg")
        self._connection: psycopg.Connection | None = None
        self._template = f"vecsearch_template_{secrets.token_hex(4)}"
        self._names: set[str] = set()
        self._strategy = sql.SQL("")

    def __enter__(self) -> Self:
        self._strategy = self._cheapest_strategy()
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._template)))
        try:
            create_extension(self._url.set(database=self._template))
        except ServerError:
            self._drop(self._template)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in [*self._names, self._template]:
            self._drop(name)
        self._names.clear()
        if self._connection is not None:
            self._connection.close()

    def create(self, *, with_extension: bool = True) -> str:
        """Make a database and give its URL; about 15 ms where the server keeps its files in memory, else 20 to 140 ms.

        Args:
            with_extension: False gives a database in which `CREATE EXTENSION vector` is still to be run.
        """
        name = f"vecsearch_{secrets.token_hex(6)}"
        template = self._template if with_extension else "template1"
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}{}").format(
                sql.Identifier(name), sql.Identifier(template), self._strategy
            )
        )
        self._names.add(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Drop a database that `create()` made, and end whatever is still connected to it; about 10 ms."""
        name = parsed_url(url, setting="VECSEARCH_TEST_URL=").database
        if name in self._names:
            self._names.discard(name)
            self._drop(name)

    def _cheapest_strategy(self) -> sql.SQL:
        """Copy files where no commit waits for the disk: half the work of a copy through the log.

        Elsewhere the two checkpoints of a copy of files would write what all other databases of the server changed.
        """
        with connect(self._url) as connection:
            row = connection.execute("SELECT pg_catalog.current_setting('fsync')").fetchone()
            is_throw_away = row == ("off",) and connection.info.server_version >= STRATEGIES_SINCE
        return sql.SQL(" STRATEGY FILE_COPY" if is_throw_away else "")

    def _drop(self, name: str) -> None:
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        """Run a statement; a test may have restarted the server, so a broken connection is opened again once."""
        if self._connection is not None:
            try:
                self._connection.execute(statement)
            except psycopg.OperationalError:
                if not self._connection.broken:
                    raise
            else:
                return
        self._connection = connect(self._url)
        self._connection.execute(statement)


def create_extension(url: URL) -> None:
    """Make sure that a database has the extension vector.

    Raises:
        ServerError: the server cannot be reached, has no pgvector, or the role may not create it.
    """
    with connect(url) as connection:
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except psycopg.Error as error:
            raise ServerError(
                f"The extension vector could not be created on '{shown_url(url)}'. "
                f"The server said: {driver_sentence(error, url)} "
                "Install pgvector on the server, and give a role that may create it."
            ) from error


def connect(url: URL) -> psycopg.Connection:
    """Connect in autocommit mode.

    Raises:
        ServerError: the server cannot be reached.
    """
    text = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        return psycopg.connect(text, autocommit=True, connect_timeout=CONNECT_SECONDS)
    except psycopg.Error as error:  # also an option of the URL that libpq does not have
        raise ServerError(
            f"The server at '{shown_url(url)}' could not be reached. "
            f"The driver said: {driver_sentence(error, url)} "
            "Start the server, or correct the URL."
        ) from error
