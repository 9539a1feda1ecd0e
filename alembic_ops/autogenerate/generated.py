"""Generated columns of vectors: dropped and added again where their expression, their type or its source changes."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from alembic.operations.ops import AddColumnOp, AlterColumnOp, DropColumnOp, ModifyTableOps
from alembic.util import PriorityDispatchResult

from alembic_ops.autogenerate.columns import ColumnChanges
from alembic_ops.autogenerate.run import run_of
from alembic_ops.catalog.probe import NO_TEMPORARY_TABLES, answers
from alembic_ops.errors import GeneratedColumnError, VectorMigrationWarning
from alembic_ops.model.differences import dotted
from alembic_ops.model.vector_types import is_embedding_type, vector_type_of
from alembic_ops.operations import AlterEmbeddingTypeOp
from sqlalchemy_vecsearch.quoting import DIALECT, PREPARER, qualified_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy import Column, Connection

    from alembic_ops.autogenerate.proposals import TableKey
    from alembic_ops.autogenerate.run import ComparedTable
    from alembic_ops.catalog.probe import Answer, Question

__all__ = ["generate_anew", "leave_generated_vectors_to_us"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Generated:
    """A column that is generated in the database and in the models."""

    table: ComparedTable
    current: Column[Any]  # Any: the type of the values does not matter here
    wished: Column[Any]

    @property
    def name(self) -> str:
        return str(self.wished.name)


def leave_generated_vectors_to_us(
    context: AutogenContext,
    alter_column: AlterColumnOp,  # noqa: ARG001  # fixed by Alembic, like the next three
    schema: str | None,  # noqa: ARG001
    table_name: str,  # noqa: ARG001
    column_name: str,  # noqa: ARG001
    current: Column[Any],
    wished: Column[Any],
) -> PriorityDispatchResult:
    """Keep Alembic from comparing the texts of two expressions, which takes too many of them for equal."""
    both = current.computed is not None and wished.computed is not None
    ours = both and run_of(context) is not None and is_embedding_type(wished.type)
    return PriorityDispatchResult.STOP if ours else PriorityDispatchResult.CONTINUE


def generate_anew(
    connection: Connection,
    operations: list[MigrateOperation],
    tables: Iterable[ComparedTable],
    columns: dict[TableKey, ColumnChanges],
    *,
    extension_schema: str | None,
) -> None:
    """Put a drop and an addition among the operations for each generated column that is not as wished.

    PostgreSQL computes the new values from the other columns, so that nothing is lost. The expressions are compared as
    the server prints them, at the cost of three statements if any model has such a column.

    Raises:
        GeneratedColumnError: the server refuses the wished expression.
    """
    found = list(_generated(tables))
    certain = {one: _changes_in_type(one, columns.get(one.table.key)) for one in found}
    asked = [one for one in found if not certain[one]]
    questions = [question for one in asked for question in _questions(connection, one, columns.get(one.table.key))]
    replies = answers(connection, questions, extension_schema) if questions else []
    pairs = zip(asked, replies[::2], replies[1::2], strict=True)
    differing = {one for one, current, wished in pairs if _differ(one, current, wished)}
    for one in found:
        if certain[one] or one in differing:
            where = f"{dotted(*one.table.key)}.{one.name}"
            _LOG.info("Detected changed generated column %r", where)
            _replace(one, operations, columns.setdefault(one.table.key, ColumnChanges()))


def _generated(tables: Iterable[ComparedTable]) -> Iterator[_Generated]:
    for table in tables:
        if table.current is None or table.wished is None:
            continue
        for wished in table.wished.columns:
            current = table.current.columns.get(wished.name)
            if current is None or not is_embedding_type(wished.type):
                continue
            if current.computed is not None and wished.computed is not None:
                yield _Generated(table=table, current=current, wished=wished)
            elif current.computed is not None or wished.computed is not None:
                _warn_of_half(table, current, wished)


def _changes_in_type(one: _Generated, changes: ColumnChanges | None) -> bool:
    """Say whether PostgreSQL would refuse to change the type of the column, or of one that it is generated from."""
    if vector_type_of(one.current.type) != vector_type_of(one.wished.type):
        return True
    return changes is not None and changes.retype_source_of(_expression(one.current))


def _expression(column: Column[Any]) -> str:
    assert column.computed is not None, "a generated column has an expression"
    compiler = DIALECT.statement_compiler(DIALECT, None)
    return str(compiler.process(column.computed.sqltext, include_table=False, literal_binds=True))


def _questions(connection: Connection, one: _Generated, changes: ColumnChanges | None) -> list[Question]:
    """Return what to ask for the current and for the wished expression, each on a copy of its own."""
    changes = ColumnChanges() if changes is None else changes
    schema = one.table.schema or connection.dialect.default_schema_name
    table = qualified_name(schema, one.table.name)
    common = {"table": table, "names": [], "column": one.name}
    return [
        common
        | {"copy": f"{table} {one.name} {side}", "actions": [*before, *_again(column)], "actions_after": list(after)}
        for side, column, before, after in (
            ("current", one.current, (), changes.renames),
            ("wished", one.wished, changes.actions, ()),
        )
    ]


def _again(column: Column[Any]) -> list[str]:
    name = PREPARER.quote(column.name)
    type_ = DIALECT.type_compiler_instance.process(column.type)
    return [f"DROP COLUMN {name}", f"ADD COLUMN {name} {type_} GENERATED ALWAYS AS ({_expression(column)}) STORED"]


def _differ(one: _Generated, current: Answer, wished: Answer) -> bool:
    refused = next((answer for answer in (wished, current) if "sqlstate" in answer), None)
    if refused is None:
        return bool(current["generated"] != wished["generated"])
    named = f"The column {one.name!r} of the table {one.table.name!r}"
    if refused["sqlstate"] not in NO_TEMPORARY_TABLES:
        raise GeneratedColumnError(
            f"{named} cannot be generated as {_expression(one.wished)}. "
            f"The server says: {refused['message']}. "
            "Correct the expression of its Computed().",
            table_name=one.table.name,
            column=one.name,
        )
    warnings.warn(
        f"{named} could not be compared. "
        f"Its expression is compared on an empty temporary table, and the server says: {refused['message']}. "
        "Run autogenerate with a role that may create temporary tables, on a server that takes writes.",
        VectorMigrationWarning,
        stacklevel=2,
    )
    return False


def _replace(one: _Generated, operations: list[MigrateOperation], changes: ColumnChanges) -> None:
    """Drop the column before all else that happens to its table, and add it after that."""
    schema, table_name = one.table.key
    modify = next(
        (
            each
            for each in operations
            if isinstance(each, ModifyTableOps) and (each.schema, each.table_name) == one.table.key
        ),
        None,
    )
    if modify is None:
        modify = ModifyTableOps(table_name, [], schema=schema)
        operations.append(modify)
    modify.ops[:] = [
        DropColumnOp.from_column_and_tablename(schema, table_name, one.current),
        *(each for each in modify.ops if not _alters(each, one.name)),
        AddColumnOp.from_column_and_tablename(schema, table_name, one.wished),
    ]
    changes.retyped.add(one.name)
    changes.generated_anew.add(one.name)


def _alters(operation: MigrateOperation, column: str) -> bool:
    if isinstance(operation, AlterEmbeddingTypeOp):
        return operation.column == column
    return isinstance(operation, AlterColumnOp) and operation.column_name == column


def _warn_of_half(table: ComparedTable, current: Column[Any], wished: Column[Any]) -> None:
    generated, where, other = (
        (current, "in the database", "in the models")
        if current.computed is not None
        else (wished, "in the models", "in the database")
    )
    keep = f"ALTER TABLE {PREPARER.quote(table.name)} ALTER COLUMN {PREPARER.quote(wished.name)} DROP EXPRESSION"
    way = (
        f"Write op.execute({keep!r}) in a revision to keep its vectors, or op.drop_column() and op.add_column()."
        if generated is current
        else "Write op.drop_column() and op.add_column() in a revision, which replaces its vectors."
    )
    warnings.warn(
        f"The column {wished.name!r} of the table {table.name!r} is generated as {_expression(generated)} {where},"
        f" and an ordinary column {other}. "
        "One cannot become the other without a decision about the vectors that it holds. "
        f"{way}",
        VectorMigrationWarning,
        stacklevel=2,
    )
