"""The look at everything that an exchange of names between columns depends on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alembic_ops.catalog.dependents import find_dependents
from alembic_ops.catalog.publications import find_publications
from alembic_ops.catalog.relations import find_relations
from alembic_ops.errors import MigrationError
from alembic_ops.planning.column_addition import no_table
from alembic_ops.planning.column_settings import moved_defaults, not_null_check
from alembic_ops.planning.column_swap import (
    ExchangeFacts,
    refuse_dependents,
    refuse_storage,
    require_columns,
)
from alembic_ops.planning.index_pairs import index_renames
from alembic_ops.planning.publications import published_columns, refuse_published
from alembic_ops.running.session import settings
from alembic_ops.sql.statements import verbatim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from alembic_ops.model.column_exchange import ColumnExchange
    from alembic_ops.running.session import Session

__all__ = ["QUALIFIED", "found_for_exchange", "look_before_exchange", "proofs_of", "table_of"]

QUALIFIED: Final = {"search_path": "pg_catalog, pg_temp", "jit": "off", "join_collapse_limit": "1"}
"""With this search path the server writes every name that is not its own with its schema, and finds it again.

It also keeps PostgreSQL from operators that somebody has planted: ``pg_get_viewdef`` asks with a bare one. The rest is
for the queries of the catalog, which are planned for longer than they run.
"""

_TABLE_NAME: Final = text("""
SELECT pg_catalog.format('%I.%I', n.nspname, t.relname)
  FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
 WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table)
""")


@contextmanager
def found_for_exchange(running: Session, exchange: ColumnExchange) -> Iterator[ExchangeFacts]:
    """Look at the catalog, and leave the session as the look needs it for a block.

    Raises:
        MigrationError: there is no such table, or it has not the columns.
    """
    connection = running.connection
    table = table_of(connection, exchange)
    with settings(connection, QUALIFIED, local=running.in_transaction):
        yield look(connection, exchange, table)


def look_before_exchange(running: Session, exchange: ColumnExchange) -> ExchangeFacts:
    """Refuse what cannot be exchanged, while nobody has to wait for it; return what was found.

    In a transaction, which needs savepoints for it.

    Raises:
        PublishedTableError: subscribers would mix the vectors of both columns.
        DependentsError: something goes on using a column whatever its name, and cannot be carried.
        MigrationError: a column is missing, a default does not suit, or an index has no partner.
    """
    with found_for_exchange(running, exchange) as found:
        refuse(running.connection, exchange, found)
        return found


def table_of(connection: Connection, exchange: ColumnExchange) -> str:
    """Return the name of the table with its schema, quoted.

    Raises:
        MigrationError: there is no such table.
    """
    table = connection.scalar(_TABLE_NAME, {"table": exchange.table})
    if table is None:
        raise no_table(exchange.table_name)
    return str(table)


def proofs_of(exchange: ColumnExchange) -> list[str]:
    """Return the names of the constraints by which columns are proven to have no NULL."""
    return [not_null_check(exchange.table_name, name) for name in exchange.columns]


def look(connection: Connection, exchange: ColumnExchange, table: str) -> ExchangeFacts:
    """Return what the catalog says, in a session with the settings ``QUALIFIED``, at the cost of seven queries."""
    relations = find_relations(connection, table, exchange.columns)
    require_columns(exchange, relations)
    ours = proofs_of(exchange)
    return ExchangeFacts(
        relations=tuple(relations),
        dependents=tuple(find_dependents(connection, table, exchange.columns, except_constraints=ours)),
        publications=find_publications(connection, table, published_columns(exchange)),
    )


def refuse(connection: Connection, exchange: ColumnExchange, found: ExchangeFacts) -> None:
    """Refuse what cannot be exchanged; see ``look_before_exchange``."""
    refuse_published(exchange, found.publications)
    refuse_dependents(exchange, found.dependents)
    refuse_storage(exchange, found)
    index_renames(exchange, found.relations)  # for what it refuses
    columns = found.relations[0].columns
    for pair in exchange.pairs:
        for default, type_ in moved_defaults(columns[pair.live], columns[pair.replacement]):
            _require_fitting(connection, exchange, default, type_)


def _require_fitting(connection: Connection, exchange: ColumnExchange, default: str, type_: str) -> None:
    """Let the server say whether a default suits a type: ALTER ... SET DEFAULT does not look at the dimensions."""
    try:
        with connection.begin_nested():
            connection.execute(verbatim(f"SELECT CAST({default} AS {type_})"))
    except DBAPIError as error:
        raise MigrationError(
            f"The default {default} does not suit the type {type_}, so that the columns of {exchange.table_name!r} "
            "were not swapped. "
            "A default stays with the name of its column, and every insert that relies on it would fail. "
            f"Drop the default of {exchange.live!r} and {exchange.replacement!r} in this revision before the swap, "
            "and set one that suits after it."
        ) from error
