"""What autogenerate says of indexes that it cannot compare, does not touch, or cannot propose as they are declared."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

from alembic_ops.autogenerate.changes import IndexBeingBuilt
from alembic_ops.autogenerate.declared import IndexRuleError
from alembic_ops.catalog.probe import NO_TEMPORARY_TABLES
from alembic_ops.errors import VectorMigrationWarning
from sqlalchemy_vecsearch.quoting import PREPARER

if TYPE_CHECKING:
    from alembic_ops.autogenerate.changes import IndexLeftOver
    from alembic_ops.autogenerate.declared import DeclaredIndex
    from alembic_ops.catalog.normalize import Refusal
    from alembic_ops.model.index_state import IndexDefinition, IndexState

__all__ = ["definition_without_answer", "warn_of_other_type", "warn_of_tablespace", "warn_of_untouched"]

_NOT_THERE_YET: Final = frozenset({"22P02", "42704", "42883"})
"""The SQLSTATE of a value that its enum lacks, of a missing type, and of a missing function."""


def definition_without_answer(declared: DeclaredIndex, refusal: Refusal, current: IndexState | None) -> IndexDefinition:
    """Return what to compare with where the server did not create a wished index, and warn of it.

    Raises:
        IndexRuleError: the server could never create it.
    """
    if refusal.sqlstate in _NOT_THERE_YET:
        warnings.warn(
            f"The server cannot build the index {refusal.state.name!r} of the table {refusal.state.table_name!r} yet. "
            f"It says: {refusal.message}. "
            "Let the revision create that before its operation on the index, or correct the SQL of the index.",
            VectorMigrationWarning,
            stacklevel=2,
        )
        return declared.state.definition
    if refusal.sqlstate not in NO_TEMPORARY_TABLES:
        raise IndexRuleError(
            declared.index,
            "cannot be built",
            f"The server says: {refusal.message}.",
            "Correct its expression or its predicate.",
        )
    warnings.warn(
        f"The index {refusal.state.name!r} of the table {refusal.state.table_name!r} could not be compared. "
        f"Its SQL is compared by creating it on an empty temporary table, and the server says: {refusal.message}. "
        "Run autogenerate with a role that may create temporary tables, on a server that takes writes.",
        VectorMigrationWarning,
        stacklevel=2,
    )
    return declared.state.definition if current is None else current.definition


def warn_of_untouched(change: IndexLeftOver | IndexBeingBuilt) -> None:
    """Name an index that autogenerate leaves alone, and what to do with it."""
    state = change.current
    name = f"{state.schema}.{state.name}" if state.schema else state.name
    if isinstance(change, IndexBeingBuilt):
        message = (
            f"The index {name!r} of the table {state.table_name!r} is being built by another session. "
            "What it will be is not known before it is finished, so it is left out of the comparison. "
            "Wait until the build has ended, and compare again."
        )
    else:
        quoted = PREPARER.quote(state.name)
        quoted = f"{PREPARER.quote(state.schema)}.{quoted}" if state.schema else quoted
        message = (
            f"The index {name!r} of the table {state.table_name!r} is INVALID, and no model declares it. "
            "A concurrent build, rebuild or drop was cancelled and left it: writes pay for it, and no query uses it. "
            f"Remove it with: DROP INDEX CONCURRENTLY {quoted};"
        )
    warnings.warn(message, VectorMigrationWarning, stacklevel=2)


def warn_of_tablespace(declared: DeclaredIndex) -> None:
    """Say where a declared tablespace has to be written: the operations build where the session builds."""
    tablespace = declared.index.dialect_options["postgresql"]["tablespace"]
    if tablespace in {None, "pg_default"}:
        return
    statement = f"SET default_tablespace = {PREPARER.quote(tablespace)}"
    warnings.warn(
        f"The index {declared.state.name!r} of the table {declared.state.table_name!r} declares the tablespace"
        f" {tablespace!r}. Operations on vector indexes build in the default tablespace of the session. "
        f"Put op.execute({statement!r}) before the operation in the revision, and"
        " op.execute('RESET default_tablespace') after it.",
        VectorMigrationWarning,
        stacklevel=2,
    )


def warn_of_other_type(wished: IndexState, *, column_type: str) -> None:
    """Say that an index would be built on a column whose type stays what it is, because it was not compared."""
    definition = wished.definition
    warnings.warn(
        f"The index {wished.name!r} of the table {wished.table_name!r} has the operator class"
        f" {definition.operator_class!r}, and its column {definition.column!r} is a {column_type} in the database. "
        "The models say another type, which autogenerate was not to compare, by compare_type or a filter of env.py. "
        "Put op.alter_embedding_type() in the operation's place: it takes the indexes of the column along.",
        VectorMigrationWarning,
        stacklevel=2,
    )
