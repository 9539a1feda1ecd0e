"""The session of an operation: its transaction, its settings, and the meaning of the server's errors in it."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.exc import DBAPIError

from alembic_ops.catalog.indexes import settings_that_find_vectors
from alembic_ops.errors import ExternalTransactionError, MigrationError
from alembic_ops.running.locks import policy_of, with_short_lock
from alembic_ops.running.own_transaction import own_transaction
from alembic_ops.running.server_errors import explained
from alembic_ops.sql.statements import verbatim
from sqlalchemy_vecsearch.quoting import qualified_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection, Row

    from alembic_ops.operations import Operation

__all__ = ["PATIENT", "Session", "print_script", "refuse_pooler", "session", "settings"]

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

_CURRENT: Final = text("""
SELECT s.name, pg_catalog.current_setting(s.name, true) AS value
  FROM pg_catalog.unnest(:names) AS s (name)
""").bindparams(bindparam("names", type_=ARRAY(Text)))
_SET: Final = text("""
SELECT pg_catalog.set_config(s.name, s.value, :local)
  FROM ROWS FROM (pg_catalog.unnest(:names), pg_catalog.unnest(:values)) AS s (name, value)
""").bindparams(bindparam("names", type_=ARRAY(Text)), bindparam("values", type_=ARRAY(Text)))
_SERVER: Final = text("""
SELECT pg_catalog.pg_backend_pid() AS backend, pg_catalog.pg_is_in_recovery() AS replica,
       CAST(pg_catalog.current_setting('server_version_num') AS pg_catalog.int4) AS version
""")
_BACKEND: Final = text("SELECT pg_catalog.pg_backend_pid()")

_ASKED: Final = 100
"""How often a pooler is asked for the process, for 20 ms: by chance it may give the same one.

Measured behind PgBouncer with four other clients and five operations: 7 times let one pass in 2 of 3 runs, 40 times in
1 of 3.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Where an operation runs its statements.

    ``server_version`` is a number such as 160004; ``on_replica`` says that the server takes no writes; ``options`` are
    those of ``context.configure()``.
    """

    connection: Connection
    in_transaction: bool
    server_version: int
    on_replica: bool
    options: Mapping[str, object]

    def execute(self, *statements: str) -> None:
        """Run SQL as it stands, in which no colon is taken for a bind parameter."""
        for sql in statements:
            self.connection.execute(verbatim(sql))

    def shortly(self, act: Callable[[], None], *, table_name: str, schema: str | None) -> None:
        """Run something that takes a strong lock on a table for a moment: see ``with_short_lock``."""
        with_short_lock(
            self.connection,
            act,
            table_name=table_name,
            table=qualified_name(schema, table_name),
            policy=policy_of(self.options),
            in_transaction=self.in_transaction,
        )

    def atomically(self, act: Callable[[Session], None], *, table_name: str, schema: str | None) -> None:
        """Run something in a transaction of its own that takes a strong lock for a moment, again until it has the lock.

        Outside of any transaction only. What is raised rolls back, and whoever runs the operation again finds either
        all or nothing.

        Args:
            act: several statements in the transaction of the session that it is given.
            table_name: the table.
            schema: its schema, None for the default one.
        """
        assert not self.in_transaction, "a transaction of its own"

        def attempt() -> None:
            with own_transaction(self.connection):
                act(replace(self, in_transaction=True))

        self.shortly(attempt, table_name=table_name, schema=schema)


def print_script(operations: Operations, statements: Iterable[str], *, in_transaction: bool) -> None:
    """Print what an operation is in a script of ``--sql``, as it stands: nothing in it is doubled for a driver.

    Args:
        operations: Alembic's, offline.
        statements: without semicolons.
        in_transaction: False where each has to be a transaction of its own.
    """
    context = operations.migration_context
    with nullcontext() if in_transaction else context.autocommit_block():
        for sql in statements:
            context.impl.static_output(f"{sql};")


@contextmanager
def session(operations: Operations, operation: Operation, *, in_transaction: bool) -> Iterator[Session]:
    """Give an operation the migration's connection, with no timeout that could stop it and with pgvector in reach.

    Args:
        operations: Alembic's, online.
        operation: what is done there, for the errors.
        in_transaction: True for the transaction that also changes the version of the database, which in an
            ``autocommit_block()`` of the revision is one of its own. False for none, where what came before is
            committed.

    Raises:
        ExternalTransactionError: no transaction is wanted, and ``env.py`` holds one of its own open.
        MigrationError: the server has refused something, or a pooler gives each statement another session.
    """
    context = operations.migration_context
    server: Row[tuple[int, bool, int]] | None = None
    try:
        with _inside_transaction(context) if in_transaction else _outside_transaction(context, operation) as connection:
            server = connection.execute(_SERVER).one()
            asked = 0 if in_transaction or not _is_behind_a_pooler(connection, server.backend) else _ASKED
            _require_one_backend(connection, server.backend, asked)  # before a setting reaches a process of others
            with settings(connection, PATIENT, local=in_transaction):
                _require_one_backend(connection, server.backend, asked)
                with settings(connection, settings_that_find_vectors(connection), local=in_transaction):
                    yield Session(
                        connection=connection,
                        in_transaction=in_transaction,
                        server_version=server.version,
                        on_replica=server.replica,
                        options=context.opts,
                    )
    except DBAPIError as error:
        raise explained(error, operation, on_replica=server is not None and server.replica) from error


@contextmanager
def _outside_transaction(context: MigrationContext, operation: Operation) -> Iterator[Connection]:
    """Give the migration's connection outside of any transaction, committing what came before.

    In an ``autocommit_block()`` that the revision has opened itself it is there already. An error of the server leaves
    through here as it was: Alembic's own block would replace it by its complaint about the connection that the error
    has closed.
    """
    if context._in_external_transaction:  # noqa: SLF001  # there is no public way to ask
        name = str(operation.to_diff_tuple()[0])
        raise ExternalTransactionError(
            f"op.{name}() cannot run inside a transaction, and env.py has one open. "
            "A statement was executed on the connection before context.configure(), or env.py has begun the "
            "transaction itself as that of the template multidb does, so that Alembic takes the transaction for "
            "yours and would commit nothing. "
            "Call connection.commit() before context.configure() in env.py, and let context.begin_transaction() begin "
            f"the transactions{_OTHER_WAYS.get(name, '')}.",
            operation=name,
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
def _inside_transaction(context: MigrationContext) -> Iterator[Connection]:
    """Give the connection in a transaction: in an ``autocommit_block()`` of the revision one of its own."""
    connection = context.connection
    assert connection is not None, "online there is a connection"
    if not _in_autocommit_block(context):
        yield connection
        return
    with own_transaction(connection):
        yield connection


def refuse_pooler(connection: Connection) -> None:
    """Refuse a connection outside of a transaction whose statements reach several processes of the server.

    Raises:
        MigrationError: a pooler in transaction mode stands before it.
    """
    backend = connection.execute(_SERVER).one().backend
    _require_one_backend(connection, backend, _ASKED if _is_behind_a_pooler(connection, backend) else 0)


def _is_behind_a_pooler(connection: Connection, backend: int) -> bool:
    """Say whether the driver was told another process than the one that answers; where it does not say, it may be."""
    information = getattr(connection.connection.driver_connection, "info", None)
    return getattr(information, "backend_pid", None) != backend


@contextmanager
def settings(connection: Connection, wished: Mapping[str, str], *, local: bool = False) -> Iterator[None]:
    """Set settings of the session for a block, and restore what they were; those the server does not know are left out.

    Args:
        connection: whose settings they are.
        wished: name -> value; where there are none, nothing is asked.
        local: whether they hold for the open transaction only, and end with it.
    """
    if not wished:
        yield
        return
    rows = connection.execute(_CURRENT, {"names": list(wished)})
    before = {row.name: row.value for row in rows if row.value is not None}
    try:
        _set(connection, {name: wished[name] for name in before}, local=local)
        yield
    finally:
        if not connection.closed and not connection.invalidated:
            with suppress(DBAPIError):  # the session or the transaction is gone, and its settings with it
                _set(connection, before, local=local)


def _set(connection: Connection, wished: Mapping[str, str], *, local: bool) -> None:
    connection.execute(_SET, {"names": list(wished), "values": list(wished.values()), "local": local})


def _require_one_backend(connection: Connection, backend: int, asked: int) -> None:
    if any(connection.scalar(_BACKEND) != backend for _ in range(asked)):
        raise MigrationError(
            "The connection reaches another server process with each statement. "
            "A connection pooler in transaction mode stands before the server, so that no setting holds and nobody "
            "could tell which process builds the index. "
            "Let migrations connect to the server itself, or to a pool in session mode."
        )
