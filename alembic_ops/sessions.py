"""A session outside of any transaction, whose timeouts cannot stop a build."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alembic_ops.catalog import settings_that_find_vectors
from alembic_ops.errors import ExternalTransactionError, MigrationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection

__all__ = ["PATIENT", "inside_transaction", "outside_transaction", "settings", "vectors_found"]

PATIENT: Final[Mapping[str, str]] = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
"""What an operation needs: each of these, set by a role or a database, would end it half done.

The last two would end it in the pause before it asks for a lock again, or while another process is at work.
"""

_BLOCKS_ALL: Final = ", or write concurrently=False, which blocks readers and writers until the migration has ended"
_OTHER_WAYS: Final[Mapping[str, str]] = {
    "create_vector_index": ", or write concurrently=False, which blocks writers for the whole build",
    "rebuild_vector_index": _BLOCKS_ALL,
    "swap_vector_index": _BLOCKS_ALL,
    "drop_vector_index": _BLOCKS_ALL,
}

_CURRENT: Final = text("SELECT current_setting(:name, true) AS value, pg_backend_pid() AS backend")
_SET: Final = text("SELECT set_config(:name, :value, :local)")
_BACKEND: Final = text("SELECT pg_backend_pid()")


@contextmanager
def outside_transaction(context: MigrationContext, *, operation: str) -> Iterator[Connection]:
    """Give the migration's connection outside of any transaction, committing what came before.

    In an ``autocommit_block()`` that the revision has opened itself it is there already. An error of the server leaves
    through here as it was: Alembic's own block would replace it by its complaint about the connection that the error
    has closed.

    Raises:
        ExternalTransactionError: ``env.py`` holds a transaction of its own open.
    """
    if context._in_external_transaction:  # noqa: SLF001  # there is no public way to ask
        raise ExternalTransactionError(
            f"op.{operation}() cannot run inside a transaction, and env.py has one open. "
            "A statement was executed on the connection before context.configure(), or env.py has begun the "
            "transaction itself as that of the template multidb does, so that Alembic takes the transaction for "
            "yours and would commit nothing. "
            "Call connection.commit() before context.configure() in env.py, and let context.begin_transaction() begin "
            f"the transactions{_OTHER_WAYS.get(operation, '')}.",
            operation=operation,
        )
    failure: Exception | None = None
    try:
        with nullcontext() if _in_autocommit_block(context) else context.autocommit_block():
            assert context.connection is not None, "online there is a connection"
            if context.dialect.driver == "pg8000":
                # it has begun a transaction for Alembic's question about the isolation level
                context.connection.connection.rollback()
            try:
                yield context.connection
            except Exception as error:  # noqa: BLE001  # raised again below, out of reach of what hides it
                failure = error
    except Exception:
        if failure is None:
            raise
    if failure is not None:
        raise failure


def _in_autocommit_block(context: MigrationContext) -> bool:
    """Say whether the revision has opened a block, in which Alembic could not open another one."""
    connection = context.connection
    return (
        context._transaction is None  # noqa: SLF001  # there is no public way to ask
        and connection is not None
        and connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
    )


@contextmanager
def inside_transaction(context: MigrationContext) -> Iterator[Connection]:
    """Give the connection in a transaction: in an ``autocommit_block()`` of the revision one of its own."""
    connection = context.connection
    assert connection is not None, "online there is a connection"
    if not _in_autocommit_block(context):
        yield connection
        return
    connection.exec_driver_sql("BEGIN")
    try:
        yield connection
    except BaseException:
        if not connection.invalidated:
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


@contextmanager
def vectors_found(connection: Connection) -> Iterator[None]:
    """Let names of the vector extension be found for a block, also where its schema is not on the search path."""
    wider = settings_that_find_vectors(connection)
    if not wider:
        yield
        return
    with settings(connection, wider):
        yield


@contextmanager
def settings(connection: Connection, wished: Mapping[str, str], *, local: bool = False) -> Iterator[None]:
    """Set settings of the session for a block, and restore what they were; those the server does not know are left out.

    Args:
        connection: whose settings they are.
        wished: name -> value.
        local: whether they hold for the open transaction only, and end with it.

    Raises:
        MigrationError: a pooler gives each statement another session.
    """
    found = {name: connection.execute(_CURRENT, {"name": name}).one() for name in wished}
    before = {name: row.value for name, row in found.items() if row.value is not None}
    _require_one_backend([row.backend for row in found.values()])  # before a setting reaches a process of others
    try:
        for name in before:
            connection.execute(_SET, {"name": name, "value": wished[name], "local": local})
        _require_one_backend([*(row.backend for row in found.values()), connection.scalar(_BACKEND)])
        yield
    finally:
        if not connection.closed and not connection.invalidated:
            _restore(connection, before, local=local)


def _require_one_backend(backends: Sequence[int | None]) -> None:
    if len(set(backends)) > 1:
        raise MigrationError(
            "The connection reaches another server process with each statement. "
            "A connection pooler in transaction mode stands before the server, so that no setting holds and nobody "
            "could tell which process builds the index. "
            "Let migrations connect to the server itself, or to a pool in session mode."
        )


def _restore(connection: Connection, before: Mapping[str, str], *, local: bool) -> None:
    for name, value in before.items():
        try:
            connection.execute(_SET, {"name": name, "value": value, "local": local})
        except DBAPIError:  # the session or the transaction is gone, and its settings with it
            return
