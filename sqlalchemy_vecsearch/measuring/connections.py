"""The connection or session that a measurement runs on, left as it was."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.orm import Session, scoped_session

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.selects import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session

__all__ = ["AsyncMeasured", "Measured", "connection_of", "in_sync", "sync_connection", "undoing", "undone"]

Measured: TypeAlias = "Connection | Session | scoped_session[Session]"
AsyncMeasured: TypeAlias = "AsyncConnection | AsyncSession | async_scoped_session[AsyncSession]"


def sync_connection(given: Any, function: str) -> Connection | Session:  # Any: whatever the caller passed
    """Return what statements are executed on.

    Raises:
        SearchError: it is an async connection or session, or neither of both.
    """
    found = given() if isinstance(given, scoped_session) else given
    if isinstance(found, Connection | Session):
        return found
    if type(found).__module__.startswith("sqlalchemy.ext.asyncio") and not hasattr(found, "sync_engine"):
        raise SearchError(
            f"{function}() was given an {type(found).__name__}. "
            "It sends statements and waits for their rows, which an async connection can not do outside of a greenlet. "
            f"Write await a{function}(connection, ...)."
        )
    raise SearchError(
        f"{function}() was given {shown(given)}, which is no connection. "
        "It looks at a database as one connection sees it, in the transaction and with the role of that connection. "
        "Pass a Connection or a Session: with engine.connect() as connection."
    )


async def in_sync(
    given: AsyncMeasured, function: Callable[..., Any], *arguments: Any, **options: Any
) -> Any:  # Any: what the function takes and returns, which the callers say
    """Return what a function returns for the connection or session within an async one."""
    found = given if hasattr(given, "run_sync") else given()
    return await found.run_sync(function, *arguments, **options)


def connection_of(given: Connection | Session, owner: Any) -> Connection:  # Any: a mapped class, or a table
    """Return the connection on which a session reads a class or a table; a connection stands for itself."""
    if isinstance(given, Connection):
        return given
    key = "mapper" if hasattr(owner, "mapper") else "clause"
    return given.connection(bind_arguments={key: owner.mapper if key == "mapper" else owner})


@contextmanager
def undoing(given: Connection | Session, owner: Any) -> Iterator[Connection | Session]:  # Any: as above
    """Give what statements are executed on, and roll back what they did, the settings that they carry included.

    What a session has pending is flushed first, as it would be by the first statement: the roll-back must not undo it.
    """
    if isinstance(given, Connection):
        with undone(given):
            yield given
        return
    if given.autoflush:
        given.flush()
    with undone(connection_of(given, owner)), given.no_autoflush:
        yield given


@contextmanager
def undone(connection: Connection, *, read_only: bool = False) -> Iterator[None]:
    """Run a block and roll back what it did, settings included, and nothing from before it.

    Args:
        connection: that the block runs on.
        read_only: whether the server refuses to change rows in the block.
    """
    if getattr(connection.connection.dbapi_connection, "autocommit", False):
        connection.exec_driver_sql("BEGIN READ ONLY" if read_only else "BEGIN")
        try:
            yield
        finally:
            connection.exec_driver_sql("ROLLBACK")
        return
    savepoint = connection.begin_nested()
    try:
        if read_only:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        yield
    finally:
        savepoint.rollback()
