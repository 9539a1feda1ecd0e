"""Takes the operations on columns of vectors: add one, swap two."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import MetaData, Table, exists, literal, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn

from alembic_ops.column_facts import (
    FoundColumn,
    find_columns,
    find_dependents,
    find_table,
    has_constraint,
    running_build,
)
from alembic_ops.column_swap import moved_defaults, not_null_check, refuse_dependents, swap_statements
from alembic_ops.errors import MigrationError
from alembic_ops.locking import policy_of, with_short_lock
from alembic_ops.problems import explained
from alembic_ops.quoting import DIALECT, PREPARER
from alembic_ops.sessions import PATIENT, outside_transaction, settings, vectors_found
from alembic_ops.statements import qualified_name, verbatim
from alembic_ops.swap_script import swap_script
from sqlalchemy_vecsearch.sqlstates import sqlstate_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic.operations import Operations
    from sqlalchemy import Connection

    from alembic_ops.operations import AddEmbeddingColumnOp, SwapEmbeddingColumnsOp

__all__ = ["perform_add_embedding_column", "perform_swap_embedding_columns"]


def perform_add_embedding_column(operations: Operations, operation: AddEmbeddingColumnOp) -> None:
    """Add a column, or make one that is there NOT NULL."""
    context = operations.migration_context
    table = qualified_name(PREPARER, operation.schema, operation.table_name)
    add = f"ALTER TABLE {table} ADD COLUMN {_column_sql(operation)}"
    if context.as_sql:
        operations.execute(verbatim(add))
        return
    with (
        outside_transaction(context, operation="add_embedding_column") as connection,
        settings(connection, PATIENT),
        vectors_found(connection),
    ):
        try:
            _add(connection, operation, table, add, context.opts)
        except DBAPIError as error:
            raise explained(error, wish=operation.describe(), name=operation.column.name) from error


def perform_swap_embedding_columns(operations: Operations, operation: SwapEmbeddingColumnsOp) -> None:
    """Let two columns exchange names, in the transaction that also changes the version of the database."""
    context = operations.migration_context
    if context.as_sql:
        for sql in swap_script(operation):
            operations.execute(verbatim(sql))
        return
    table = qualified_name(PREPARER, operation.schema, operation.table_name)
    try:
        columns = _columns_of(operations.get_bind(), operation, table)
        if _needs_proof(columns, operation):
            with (
                outside_transaction(context, operation="swap_embedding_columns") as connection,
                settings(connection, PATIENT),
            ):
                _prove_not_null(connection, operation.table_name, operation.schema, operation.replacement, context.opts)
        connection = operations.get_bind()
        with settings(connection, PATIENT, local=True), vectors_found(connection):
            with_short_lock(
                connection,
                lambda: _swap(connection, operation, table),
                table_name=operation.table_name,
                policy=policy_of(context.opts),
                in_transaction=True,
            )
    except DBAPIError as error:
        raise explained(error, wish=operation.describe(), name=operation.live) from error


def _add(
    connection: Connection, operation: AddEmbeddingColumnOp, table: str, add: str, options: Mapping[str, object]
) -> None:
    found = find_table(connection, table)
    if found is None:
        raise _no_table(operation.table_name)
    column = find_columns(connection, table, [operation.column.name]).get(operation.column.name)
    required = not operation.column.nullable
    if column is not None:
        _require_type(operation, column)
        if required and not column.required:
            _prove_not_null(connection, operation.table_name, operation.schema, column.name, options)
            _set_not_null(connection, operation, table, options)
        if required:
            _drop_proof(connection, operation, found[0], table, options)
        return
    must_have = required and operation.column.server_default is None
    if must_have and connection.scalar(select(exists(select(literal(1)).select_from(verbatim(table))))):
        raise MigrationError(
            f"The column {operation.column.name!r} cannot be added as NOT NULL: {operation.table_name!r} has rows. "
            "They have no vector yet, and PostgreSQL would refuse them. "
            "Add the column with nullable=True, fill it, and then use op.add_embedding_column() with nullable=False "
            "in a later revision, or give it a server_default."
        )
    with_short_lock(
        connection,
        lambda: _execute(connection, [add]),
        table_name=operation.table_name,
        policy=policy_of(options),
        in_transaction=False,
    )


def _prove_not_null(
    connection: Connection, table_name: str, schema: str | None, column: str, options: Mapping[str, object]
) -> None:
    """Let the server make sure, without blocking anybody, that a column has no NULL."""
    table = qualified_name(PREPARER, schema, table_name)
    check = PREPARER.quote(not_null_check(table_name, column))
    name = PREPARER.quote(column)
    add = (
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}, "
        f"ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID"
    )
    drop = f"ALTER TABLE {table} DROP CONSTRAINT {check}"
    policy = policy_of(options)

    def shortly(sql: str) -> None:
        with_short_lock(
            connection, lambda: _execute(connection, [sql]), table_name=table_name, policy=policy, in_transaction=False
        )

    shortly(add)
    try:
        _execute(connection, [f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}"])
    except DBAPIError as error:
        if sqlstate_of(error.orig) != "23514":
            raise
        shortly(drop)
        raise MigrationError(
            f"The column {column!r} of {table_name!r} has rows without a vector. "
            "It has to be NOT NULL, and every insert of the application would rely on that. "
            f"Fill the rows WHERE {column} IS NULL, and run the upgrade again."
        ) from error


def _set_not_null(
    connection: Connection, operation: AddEmbeddingColumnOp, table: str, options: Mapping[str, object]
) -> None:
    name = PREPARER.quote(operation.column.name)
    with_short_lock(
        connection,
        partial(_execute, connection, [f"ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL"]),
        table_name=operation.table_name,
        policy=policy_of(options),
        in_transaction=False,
    )


def _drop_proof(
    connection: Connection, operation: AddEmbeddingColumnOp, oid: int, table: str, options: Mapping[str, object]
) -> None:
    """Drop the constraint that proved the column, of this run or of an interrupted one."""
    check = not_null_check(operation.table_name, operation.column.name)
    if not has_constraint(connection, oid, check):
        return
    with_short_lock(
        connection,
        partial(_execute, connection, [f"ALTER TABLE {table} DROP CONSTRAINT {PREPARER.quote(check)}"]),
        table_name=operation.table_name,
        policy=policy_of(options),
        in_transaction=False,
    )


def _swap(connection: Connection, operation: SwapEmbeddingColumnsOp, table: str) -> None:
    """Lock first, with the strongest lock: a lock that is raised later makes a deadlock with the application."""
    found = find_table(connection, table)
    if found is None:
        raise _no_table(operation.table_name)
    if (builder := running_build(connection, found[0])) is not None:
        raise MigrationError(
            f"The columns of {operation.table_name!r} were not swapped: process {builder} builds an index on it. "
            "The swap would wait for it, and every reader and writer would wait for the swap. "
            "Wait until `vecsearch status` shows that it has ended, and run the upgrade again."
        )
    connection.execute(verbatim(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
    columns = _columns_of(connection, operation, table)
    check = not_null_check(operation.table_name, operation.replacement)
    names = [operation.live, operation.replacement]
    refuse_dependents(operation, find_dependents(connection, table, names, except_constraint=check))
    live, replacement = columns[operation.live], columns[operation.replacement]
    for default, type_ in moved_defaults(live, replacement):
        _require_fitting(connection, operation, default, type_)
    _execute(connection, swap_statements(operation, live, replacement))


def _require_fitting(connection: Connection, operation: SwapEmbeddingColumnsOp, default: str, type_: str) -> None:
    """Let the server say whether a default suits a type: ALTER ... SET DEFAULT does not look at the dimensions."""
    try:
        with connection.begin_nested():
            connection.execute(verbatim(f"SELECT CAST({default} AS {type_})"))
    except DBAPIError as error:
        raise MigrationError(
            f"The default {default} does not suit the type {type_}, so that the columns of {operation.table_name!r} "
            "were not swapped. "
            "A default stays with the name of its column, and every insert that relies on it would fail. "
            f"Drop the default of {operation.live!r} and {operation.replacement!r} in this revision before the swap, "
            "and set one that suits after it."
        ) from error


def _columns_of(connection: Connection, operation: SwapEmbeddingColumnsOp, table: str) -> dict[str, FoundColumn]:
    found = find_table(connection, table)
    if found is None:
        raise _no_table(operation.table_name)
    _, has_relatives = found
    if has_relatives:
        raise MigrationError(
            f"The columns of {operation.table_name!r} cannot be swapped, because it has partitions or child tables. "
            "A rename takes an exclusive lock on every one of them, and their indexes keep their names. "
            "Let the application read the new column by its own name instead."
        )
    columns = find_columns(connection, table, [operation.live, operation.replacement])
    for name in (operation.live, operation.replacement):
        if name not in columns:
            raise MigrationError(
                f"The table {operation.table_name!r} has no column {name!r}. "
                "A swap needs both columns, and exchanges their names. "
                "Correct the name, or add the column by op.add_embedding_column() in an earlier revision."
            )
    return columns


def _needs_proof(columns: Mapping[str, FoundColumn], operation: SwapEmbeddingColumnsOp) -> bool:
    return columns[operation.live].required and not columns[operation.replacement].required


def _require_type(operation: AddEmbeddingColumnOp, found: FoundColumn) -> None:
    wished = str(operation.column.type.compile(dialect=DIALECT)).lower()
    if found.type.rpartition(".")[2].lower() == wished.rpartition(".")[2]:
        return
    raise MigrationError(
        f"The table {operation.table_name!r} has a column {operation.column.name!r} already, of type {found.type}. "
        f"The revision asks for {wished}, and adding a column never changes one that is there. "
        "Use op.alter_embedding_type(), or choose another name."
    )


def _column_sql(operation: AddEmbeddingColumnOp) -> str:
    """Return the column as it stands in DDL, which SQLAlchemy writes for columns of a table only."""
    column = operation.column._copy()  # noqa: SLF001  # the public copy() is deprecated
    Table(operation.table_name, MetaData(), column, schema=operation.schema)
    return str(CreateColumn(column).compile(dialect=DIALECT))


def _execute(connection: Connection, statements: list[str]) -> None:
    for sql in statements:
        connection.execute(verbatim(sql))


def _no_table(table_name: str) -> MigrationError:
    return MigrationError(
        f"There is no table {table_name!r}. "
        "It has another name or another schema, or an earlier revision should have created it. "
        "Correct the name, or create the table first."
    )
