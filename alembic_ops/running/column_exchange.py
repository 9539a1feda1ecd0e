"""Runs the exchange of names between columns, with everything that belongs to the names.

All that can be done before the lock is: the catalog is read, the statements are written, and a query is prepared that
says under the lock whether they still fit.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alembic_ops.catalog.columns import running_build
from alembic_ops.catalog.dependents import has_dependents
from alembic_ops.catalog.exchange_fingerprint import fingerprint_of_exchange
from alembic_ops.errors import MigrationError
from alembic_ops.planning.column_swap import cannot_follow, exchange_statements, lock_statements, refuse_unproven
from alembic_ops.planning.publications import published_columns
from alembic_ops.running.exchange_look import QUALIFIED, look, proofs_of, refuse, table_of
from alembic_ops.running.own_transaction import own_transaction
from alembic_ops.running.session import settings
from alembic_ops.sql.statements import in_one, verbatim
from sqlalchemy_vecsearch.quoting import dollar_quoted, literal
from sqlalchemy_vecsearch.sqlstates import server_message, sqlstate_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Row

    from alembic_ops.catalog.dependents import Dependent
    from alembic_ops.model.column_exchange import ColumnExchange
    from alembic_ops.planning.column_swap import ExchangeFacts
    from alembic_ops.running.session import Session

__all__ = [
    "Bound",
    "ChangedMeanwhile",
    "PlannedExchange",
    "again_where_changed",
    "exchange_columns",
    "planned_exchange",
]

_CURRENT_ROLE: Final = text("SELECT pg_catalog.quote_ident(CURRENT_USER)")
_PREPARED: Final = text("""
SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_statements s
                WHERE s.name OPERATOR(pg_catalog.=) CAST(:name AS pg_catalog.text))
""")
_NOT_TAKEN: Final = frozenset({"0A", "22", "2B", "42"})
"""Classes of errors by which the server says that a definition does not suit, or that somebody may not write it."""
_ATTEMPTS: Final = 5
_CHANGED: Final = "VS001"
"""By which the block under the lock says that it has not done anything; no class of PostgreSQL begins with V."""

# Nobody reads a table under its lock, and a plan that is made anew there is made as the first one was.
_SETTINGS: Final = {**QUALIFIED, "enable_seqscan": "off"}


class ChangedMeanwhile(Exception):  # noqa: N818  # no error: whoever sees it looks again
    """Between the look and the lock something was changed, or more rows came to meet a condition than may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The most rows of the table that may meet a condition, whose names have their schemas, under the lock."""

    condition: str
    most: int


class PreparedStatement:
    """A statement that the server has planned, as long as no driver throws it away.

    psycopg does, with all of its own, after a ROLLBACK or an ALTER that leads a statement.
    """

    def __init__(self, query: str) -> None:
        self.name = f"alembic_ops_{token_hex(4)}"
        self.query = query

    def execute(self, running: Session) -> Row[tuple[str, int]]:
        """Run it, and plan it where it was not yet."""
        if not self._is_there(running):
            running.execute(f"PREPARE {self.name} AS {self.query}")
        return running.connection.execute(verbatim(f"EXECUTE {self.name}")).one()

    def keep(self, running: Session) -> None:
        """See that it is planned."""
        if not self._is_there(running):
            self.execute(running)

    def forget(self, running: Session) -> None:
        """Throw it away."""
        if self._is_there(running):
            running.execute(f"DEALLOCATE {self.name}")

    def _is_there(self, running: Session) -> bool:
        return bool(running.connection.scalar(_PREPARED, {"name": self.name}))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedExchange:
    """What an exchange will do as long as the catalog says what it said.

    ``prepared`` is the statement that tells it, by ``fingerprint``, and counts the rows of ``bound``.
    """

    exchange: ColumnExchange
    facts: ExchangeFacts
    statements: tuple[str, ...]
    prepared: PreparedStatement
    fingerprint: str
    bound: Bound | None


@contextmanager
def planned_exchange(
    running: Session, exchange: ColumnExchange, *, bound: Bound | None = None
) -> Iterator[PlannedExchange]:
    """Plan an exchange, while nobody has to wait for it, and leave the session as the exchange needs it for a block.

    Raises:
        PublishedTableError: subscribers would mix the vectors of both columns.
        DependentsError: something goes on using a column whatever its name, and cannot be carried.
        MigrationError: a column is missing, a default does not suit, or an index has no partner.
        ChangedMeanwhile: somebody was about to change what it depends on.
    """
    connection = running.connection
    table = table_of(connection, exchange)
    with settings(connection, _SETTINGS, local=running.in_transaction):
        with nullcontext() if running.in_transaction else own_transaction(connection):  # of the savepoints of refuse()
            planned = _plan(replace(running, in_transaction=True), exchange, table, bound)
        try:
            yield planned
        finally:
            if not connection.closed and not connection.invalidated:
                with suppress(DBAPIError):  # the transaction has failed, and whoever has begun it rolls it back
                    planned.prepared.forget(running)


def _plan(running: Session, exchange: ColumnExchange, table: str, bound: Bound | None) -> PlannedExchange:
    connection, ours = running.connection, proofs_of(exchange)
    tied = has_dependents(connection, table, exchange.columns, except_constraints=ours)
    fingerprint = fingerprint_of_exchange(
        table, exchange.columns, published_columns(exchange), except_constraints=ours, tied=tied
    )
    prepared = PreparedStatement(f"SELECT {fingerprint} AS fingerprint, {_counted(table, bound)} AS counted")
    said = prepared.execute(running)
    facts = look(connection, exchange, table)
    if tied != bool(facts.dependents):
        raise ChangedMeanwhile
    refuse(connection, exchange, facts)
    role = str(connection.scalar(_CURRENT_ROLE))
    return PlannedExchange(
        exchange=exchange,
        facts=facts,
        statements=tuple(exchange_statements(exchange, facts, current_role=role)),
        prepared=prepared,
        fingerprint=said.fingerprint,
        bound=bound,
    )


def _counted(table: str, bound: Bound | None) -> str:
    if bound is None:
        return "CAST(0 AS pg_catalog.int8)"
    rows = f"SELECT FROM {table} WHERE {bound.condition} LIMIT {bound.most + 1:d}"  # the server's own words
    return f"(SELECT pg_catalog.count(*) FROM ({rows}) AS counted)"  # noqa: S608  # as above


def again_where_changed(act: Callable[[], None], *, table_name: str) -> None:
    """Do something again, from its look on, where somebody has changed what it depends on.

    Args:
        act: plans an exchange, and makes it.
        table_name: the table, for the error.

    Raises:
        MigrationError: it was changed each time.
    """
    for _ in range(_ATTEMPTS):
        with suppress(ChangedMeanwhile):
            act()
            return
    raise MigrationError(
        f"The columns of {table_name!r} were not swapped: {_ATTEMPTS} times something had changed between the look and "
        "the lock. "
        "Somebody writes more rows meanwhile than may be pending, or changes what depends on the columns, and neither "
        "is mended under the lock, for which every reader and writer would wait. "
        "Run the upgrade again when nobody changes views, policies, indexes or grants of the table, or allow some "
        "pending rows by max_pending."
    )


def exchange_columns(running: Session, planned: PlannedExchange, *, after: Sequence[str] = ()) -> None:
    """Let columns exchange their names by what was planned: no row is read or written.

    In the caller's transaction, so that nothing is half done, and under a short ``lock_timeout``. The locks come first,
    the strongest first: raised later they make a deadlock with the application. A reader of a view locks the view
    before its tables, and so does this. All of it is one statement, for which nobody waits longer than it runs; what is
    tied to the columns is created again by one statement each.

    Args:
        running: the session of the operation, in a transaction.
        planned: what to do.
        after: further statements, in which names have their schemas.

    Raises:
        ChangedMeanwhile: what was planned does not fit any more.
        DependentsError: something cannot be created again over the column that has the name now.
        MigrationError: an index is being built on the table, or nothing proves that the rows keep a constraint.
    """
    exchange, facts = planned.exchange, planned.facts
    refuse_unproven(exchange, facts)
    builder = running_build(running.connection, [one.oid for one in facts.relations])
    if builder is not None:
        raise MigrationError(
            f"The columns of {exchange.table_name!r} were not swapped: process {builder} builds an index on it. "
            "The swap would wait for it, and every reader and writer would wait for the swap. "
            "Wait until `vecsearch status` shows that it has ended, and run the upgrade again."
        )
    planned.prepared.keep(running)
    try:
        running.execute(_block(planned, after))
    except DBAPIError as error:
        if sqlstate_of(error.orig) != _CHANGED:
            raise
        raise ChangedMeanwhile from error
    for dependent in facts.dependents:
        _create(running, exchange, dependent)


def _block(planned: PlannedExchange, after: Sequence[str]) -> str:
    """Return the one statement: the locks, the look whether all is as it was, the exchange."""
    most = 0 if planned.bound is None else planned.bound.most
    fits = (
        f"IF found.fingerprint OPERATOR(pg_catalog.<>) {literal(planned.fingerprint)}"
        f" OR found.counted OPERATOR(pg_catalog.>) CAST({most:d} AS pg_catalog.int8)"
        f" THEN RAISE EXCEPTION USING ERRCODE = '{_CHANGED}', MESSAGE = 'changed meanwhile'; END IF"
    )
    statements = [
        *lock_statements(planned.facts.relations[0].name, planned.facts.dependents),
        f"EXECUTE 'EXECUTE {planned.prepared.name}' INTO found",
        fits,
        *planned.statements,
        *after,
    ]
    body = f"DECLARE found record; BEGIN {'; '.join(statements)}; END"
    return f"DO {dollar_quoted(body, tag='exchange')}"


def _create(running: Session, exchange: ColumnExchange, dependent: Dependent) -> None:
    try:
        running.execute(in_one(dependent.creates))
    except DBAPIError as error:
        if (sqlstate_of(error.orig) or "")[:2] not in _NOT_TAKEN:
            raise
        raise cannot_follow(exchange, dependent, server_message(error.orig).message) from error
