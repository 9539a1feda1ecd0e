"""An autovacuum that holds a table, sent away before a strong lock is asked for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alembic_ops.running.own_transaction import own_transaction
from alembic_ops.sql.statements import verbatim
from sqlalchemy_vecsearch.sqlstates import sqlstate_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["send_autovacuum_away"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")

_VACUUMED: Final = text("""
WITH RECURSIVE tree AS (
    SELECT CAST(t.oid AS pg_catalog.oid) AS oid FROM pg_catalog.pg_class t
     WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table)
     UNION
    SELECT h.inhrelid FROM tree JOIN pg_catalog.pg_inherits h ON h.inhparent OPERATOR(pg_catalog.=) tree.oid
)
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_locks l
      JOIN pg_catalog.pg_stat_activity s ON s.pid OPERATOR(pg_catalog.=) l.pid
       AND s.backend_type OPERATOR(pg_catalog.=) 'autovacuum worker'
      JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) l.database
       AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
     WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted
       AND l.relation OPERATOR(pg_catalog.=) ANY (SELECT tree.oid FROM tree))
""")
_LOOK_AGAIN: Final = text("SELECT pg_catalog.pg_stat_clear_snapshot()")
"""Within a transaction the server shows who is at work as it was when it was first asked."""
_LONG_ENOUGH: Final = text("""
SELECT pg_catalog.set_config('lock_timeout', pg_catalog.concat(
           CAST(s.setting AS pg_catalog.int4) OPERATOR(pg_catalog.+) CAST(1000 AS pg_catalog.int4), 'ms'), true)
  FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) 'deadlock_timeout'
""")


def send_autovacuum_away(connection: Connection, table: str, *, in_transaction: bool) -> None:
    """Let the server cancel an autovacuum of a table, or of its partitions, by a lock that no application notices.

    A strong lock with a short time limit never gets past an autovacuum, which may take hours on an index of vectors:
    the server cancels it for whoever has waited for it as long as ``deadlock_timeout``, a second. So SHARE UPDATE
    EXCLUSIVE, for which no reader and no writer has to wait, waits for that long, and is given back at once. An
    autovacuum that prevents the wraparound of transaction numbers is not cancelled, nor is a VACUUM of somebody's.

    Args:
        connection: in autocommit mode, or in a transaction.
        table: the name of the table with its schema, quoted.
        in_transaction: whether it is in a transaction, in which a savepoint gives the lock back.
    """
    if in_transaction:
        connection.execute(_LOOK_AGAIN)
    if not connection.scalar(_VACUUMED, {"table": table}):
        return
    _LOG.info("an autovacuum is at work on %s; asking the server to put it off", table)
    try:
        if in_transaction:
            with connection.begin_nested() as savepoint:
                _wait_for_it(connection, table)
                savepoint.rollback()
        else:
            with own_transaction(connection):
                _wait_for_it(connection, table)
    except DBAPIError as error:
        if sqlstate_of(error.orig) not in {"55P03", "40P01"}:
            raise


def _wait_for_it(connection: Connection, table: str) -> None:
    connection.execute(_LONG_ENOUGH)
    connection.execute(verbatim(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE"))
