"""Proofs that the rows of one column keep the constraints of another, made without blocking anybody."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from alembic_ops.catalog.columns import observe_column
from alembic_ops.catalog.dependents import find_checks, find_proofs
from alembic_ops.errors import MigrationError
from alembic_ops.planning.column_addition import proof_step
from alembic_ops.planning.column_settings import not_null_check
from alembic_ops.planning.index_pairs import with_names_exchanged
from alembic_ops.running.column_steps import act_on_column
from alembic_ops.running.exchange_look import found_for_exchange, proofs_of
from alembic_ops.running.loop import take_steps
from alembic_ops.sql.statements import verbatim
from alembic_ops.sql.steps import Finished, Step
from sqlalchemy_vecsearch.sqlstates import server_message, sqlstate_of

if TYPE_CHECKING:
    from alembic_ops.catalog.columns import ColumnFacts
    from alembic_ops.catalog.dependents import Check
    from alembic_ops.model.column_exchange import ColumnExchange
    from alembic_ops.operations import Operation
    from alembic_ops.running.session import Session

__all__ = ["prove_constraints", "prove_exchange"]


def prove_exchange(running: Session, operation: Operation, exchange: ColumnExchange) -> None:
    """Let the server make sure that what holds for the names will hold after an exchange.

    Args:
        running: the session of the operation, outside of any transaction.
        operation: what is run, for the log.
        exchange: which columns.

    Raises:
        MigrationError: rows would break NOT NULL or a CHECK constraint.
    """
    with found_for_exchange(running, exchange) as found:
        columns = found.relations[0].columns
    for pair in exchange.pairs:
        for before, after in ((pair.live, pair.replacement), (pair.replacement, pair.live)):
            if columns[before].required and not columns[after].required:
                _prove_not_null(running, operation, exchange, after)
    prove_constraints(running, exchange)


def prove_constraints(running: Session, exchange: ColumnExchange) -> None:
    """Let the server make sure that rows keep the CHECK constraints of the other column.

    Args:
        running: the session of the operation, outside of any transaction.
        exchange: which columns.

    Raises:
        MigrationError: rows would break one of them, or one does not suit the other column.
    """
    with found_for_exchange(running, exchange) as found:
        if any(one.unproven for one in found.dependents):
            _prove_checks(running, exchange, found.relations[0].name)


def _prove_not_null(running: Session, operation: Operation, exchange: ColumnExchange, column: str) -> None:
    check = not_null_check(exchange.table_name, column)

    def decide(facts: ColumnFacts, _: object) -> Step:
        step = proof_step(exchange.table_name, exchange.schema, column, facts)
        return step or Finished(remark=f"the column {column!r} has no NULL")

    look = partial(observe_column, running.connection, exchange.table, column, check=check)
    take_steps(operation, look=look, decide=decide, act=partial(act_on_column, running))


def _prove_checks(running: Session, exchange: ColumnExchange, table: str) -> None:
    """Give each CHECK constraint another one beside it, over the other column, and let the server validate it.

    The swap lets it take the name of the first. What an earlier attempt has left is used, or dropped where its
    constraint is gone.

    Args:
        running: the session, outside of any transaction.
        exchange: which columns.
        table: the table with its schema, quoted.

    Raises:
        MigrationError: rows break a constraint, or it does not suit the other column.
    """
    checks = find_checks(running.connection, table, exchange.columns, except_constraints=proofs_of(exchange))
    proofs = find_proofs(running.connection, table)
    wished = {(check.relation, check.proof) for check in checks}
    for relation, name in proofs.keys() - wished:
        _shortly(running, exchange, f"ALTER TABLE {relation} DROP CONSTRAINT {name}")
    for check in checks:
        proven = proofs.get((check.relation, check.proof))
        if proven is None:
            _add(running, exchange, check)
        if not proven:
            _validate(running, exchange, check)


def _add(running: Session, exchange: ColumnExchange, check: Check) -> None:
    definition = with_names_exchanged(check.definition, exchange.pairs)
    try:
        _shortly(running, exchange, f"ALTER TABLE {check.relation} ADD CONSTRAINT {check.proof} {definition} NOT VALID")
    except DBAPIError as error:
        if (sqlstate_of(error.orig) or "")[:2] not in ("22", "42"):
            raise
        raise MigrationError(
            f"The constraint {check.name!r} of {exchange.table_name!r} does not suit the column "
            f"{exchange.replacement!r} ({server_message(error.orig).message}). "
            "It has to hold for the column that has the name after the swap. "
            "Drop it before the swap in this revision, and add one that suits after it."
        ) from error


def _validate(running: Session, exchange: ColumnExchange, check: Check) -> None:
    try:
        running.execute(f"ALTER TABLE {check.relation} VALIDATE CONSTRAINT {check.proof}")
    except DBAPIError as error:
        if sqlstate_of(error.orig) != "23514":
            raise
        _shortly(running, exchange, f"ALTER TABLE {check.relation} DROP CONSTRAINT {check.proof}")
        condition = with_names_exchanged(check.condition, exchange.pairs)
        rows = running.connection.scalar(
            verbatim(f"SELECT pg_catalog.count(*) FROM {check.relation} WHERE ({condition}) IS FALSE")  # noqa: S608  # quoted by the server
        )
        raise MigrationError(
            f"The constraint {check.name!r} of {exchange.table_name!r} would not hold after the swap: {rows} rows of "
            f"the column {exchange.replacement!r} break it. "
            "It belongs to the name of the column, and every write of the application would rely on it. "
            f"Mend the rows WHERE NOT ({condition}), or drop the constraint in an earlier revision."
        ) from error


def _shortly(running: Session, exchange: ColumnExchange, sql: str) -> None:
    running.shortly(partial(running.execute, sql), table_name=exchange.table_name, schema=exchange.schema)
