"""SQL on the caller's connection: statements without parameters, and what undoes them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, CursorResult

__all__ = ["all_or_nothing", "attempt", "run"]

_SAVEPOINT: Final = "vecsearch_attempt"


def run(connection: Connection, statement: str) -> CursorResult[Any]:
    """Run a statement whose text is final, so that its percent signs need no doubling."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


@contextmanager
def all_or_nothing(connection: Connection) -> Iterator[None]:
    """Give a savepoint in the caller's transaction, or a transaction where the connection is in autocommit."""
    dbapi_connection: Any = connection.connection.dbapi_connection  # every driver has the attribute
    if not dbapi_connection.autocommit:
        with connection.begin_nested():
            yield
        return
    run(connection, "BEGIN")
    try:
        yield
    except BaseException:
        run(connection, "ROLLBACK")
        raise
    run(connection, "COMMIT")


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
