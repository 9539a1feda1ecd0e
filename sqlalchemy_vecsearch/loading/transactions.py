"""SQL on the caller's connection: statements without parameters, and what undoes them."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, insert, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapper, Session, scoped_session

from sqlalchemy_vecsearch.errors import LoadingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import CursorResult, Table

__all__ = ["all_or_nothing", "attempt", "connection_of", "run"]

_SAVEPOINT: Final = "vecsearch_attempt"


def run(connection: Connection, statement: str) -> CursorResult[Any]:
    """Run a statement whose text is final, so that its percent signs need no doubling."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def connection_of(given: Any, entity: Any, table: Table) -> Connection:  # whatever the caller passed
    """Return the connection of the caller's transaction; a session is flushed first, if it does that by itself.

    Args:
        given: a Connection, a Session, or a registry of sessions.
        entity: the table or mapped class, by which a session with several databases finds its own, as for an INSERT.
        table: its table.

    Raises:
        LoadingError: it is something else.
    """
    session = given() if isinstance(given, scoped_session) else given
    if isinstance(session, Session):
        if session.autoflush:
            session.flush()
        mapper = inspect(entity, raiseerr=False)
        of_mapper = {"mapper": mapper} if isinstance(mapper, Mapper) else {}
        return session.connection(bind_arguments={"clause": insert(table), **of_mapper})
    if isinstance(given, Connection):
        return given
    raise LoadingError(
        f"Rows cannot be loaded through {given!r}. "
        "They go into the transaction of a Connection or a Session, and that is neither. "
        "Pass the connection of `with engine.begin() as connection:`, and await acopy_rows() for an async one."
    )


@contextmanager
def all_or_nothing(connection: Connection) -> Iterator[None]:
    """Give a savepoint in the caller's transaction, or a transaction where the connection is in autocommit."""
    dbapi_connection: Any = connection.connection.dbapi_connection  # every driver has the attribute
    if dbapi_connection.autocommit:
        run(connection, "BEGIN")
        keep: Callable[[], Any] = partial(run, connection, "COMMIT")
        undo: Callable[[], Any] = partial(run, connection, "ROLLBACK")
    else:
        nested = connection.begin_nested()
        keep, undo = nested.commit, nested.rollback
    try:
        yield
        keep()
    except BaseException:
        _undo_unless_lost(undo)
        raise


def _undo_unless_lost(undo: Callable[[], Any]) -> None:
    """Undo what was done; a server that has lost the connection does it by itself, and the first error says why."""
    try:
        undo()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise


def attempt(connection: Connection, action: Callable[[], Any]) -> Exception | None:
    """Do something in a savepoint, keep what it did and return None; or undo it and return the error.

    The savepoint is made by SQL, because that of SQLAlchemy would begin a transaction of its own in autocommit.

    Raises:
        DBAPIError: the connection is lost, so that nothing can be undone on it.
    """
    run(connection, f"SAVEPOINT {_SAVEPOINT}")
    try:
        action()
    except Exception as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        run(connection, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        return error
    run(connection, f"RELEASE SAVEPOINT {_SAVEPOINT}")
    return None
