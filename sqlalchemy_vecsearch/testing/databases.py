"""Fresh databases on a server, each made from a template within milliseconds."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from sqlalchemy_vecsearch.errors import ServerError

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy import URL

__all__ = ["Databases", "connect"]

CONNECT_SECONDS = 10


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
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._connection: psycopg.Connection | None = None
        self._template = f"vecsearch_template_{secrets.token_hex(4)}"
        self._names: set[str] = set()

    def __enter__(self) -> Self:
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._template)))
        try:
            with connect(self._url.set(database=self._template)) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except psycopg.Error as error:
            self._drop(self._template)
            raise ServerError(
                f"The extension vector could not be created on '{self._url.render_as_string()}'. "
                f"The server said: {str(error).strip().rstrip('.')}. "
                "Install pgvector on the server, and give a role that may create it."
            ) from error
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
        """Make a database and give its URL; about 15 ms.

        Args:
            with_extension: False gives a database in which `CREATE EXTENSION vector` is still to be run.
        """
        name = f"vecsearch_{secrets.token_hex(6)}"
        template = self._template if with_extension else "template1"
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        self._names.add(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Drop a database that `create()` made, and end whatever is still connected to it; about 10 ms."""
        name = make_url(url).database
        if name in self._names:
            self._names.discard(name)
            self._drop(name)

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


def connect(url: URL) -> psycopg.Connection:
    """Connect in autocommit mode.

    Raises:
        ServerError: the server cannot be reached.
    """
    text = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        return psycopg.connect(text, autocommit=True, connect_timeout=CONNECT_SECONDS)
    except psycopg.OperationalError as error:
        raise ServerError(
            f"The server at '{url.render_as_string()}' could not be reached. "
            f"The driver said: {str(error).strip().splitlines()[-1].rstrip('.')}. "
            "Start the server, or correct the URL."
        ) from error
