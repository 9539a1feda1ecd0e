"""What Alembic found to change in the columns of a table, taken over where vectors would be lost or not fit."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from alembic.operations.ops import AddColumnOp, AlterColumnOp, DropColumnOp, ModifyTableOps
from sqlalchemy import Computed

from alembic_ops.errors import VectorMigrationWarning
from alembic_ops.operations import AddEmbeddingColumnOp, AlterEmbeddingTypeOp
from alembic_ops.quoting import DIALECT, PREPARER
from alembic_ops.type_changes import is_embedding_type
from alembic_ops.vector_types import vector_type_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from alembic.operations.ops import MigrateOperation
    from sqlalchemy import Column, Table

    from alembic_ops.proposals import TableKey
    from alembic_ops.state import IndexDefinition

__all__ = ["ColumnChanges", "RenameColumnOp", "take_over_columns"]


@dataclass(slots=True, kw_only=True)
class ColumnChanges:
    """What happens to the columns of one table before its indexes are as wished.

    ``embeddings`` are the new columns of vectors, which are added by themselves and before all else. ``actions`` are
    all changes as actions of ALTER TABLE, for an empty copy of the table.
    """

    retyped: set[str] = field(default_factory=set)
    added: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    generated_anew: set[str] = field(default_factory=set)
    embeddings: list[MigrateOperation] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)

    @property
    def renames(self) -> tuple[str, ...]:
        """The renames alone, as actions of ALTER TABLE."""
        return tuple(_rename_sql(old, new) for old, new in self.renamed.items())

    def retype_source_of(self, expression: str) -> bool:
        """Say whether an expression names a column that gets another type."""
        return _named_in(expression, self.retyped)

    def generate_anew_for(self, definition: IndexDefinition) -> bool:
        """Say whether an index goes with a generated column, which comes back."""
        return _mentions(definition, self.generated_anew)

    def needed_by(self, definition: IndexDefinition) -> bool:
        """Say whether an index needs a column that is new or has a new name."""
        return _mentions(definition, self.added | set(self.renamed.values()))

    def take_away(self, definition: IndexDefinition) -> bool:
        """Say whether an index goes with a column that is dropped."""
        return _mentions(definition, self.dropped)

    def bring_back(self, definition: IndexDefinition) -> bool:
        """Say whether an index needs a column that a downgrade adds again or gives its former name."""
        return _mentions(definition, self.dropped | set(self.renamed))


def _mentions(definition: IndexDefinition, columns: Collection[str]) -> bool:
    if definition.column in columns:
        return True
    return _named_in(f"{definition.expression or ''} {definition.predicate or ''}", columns)


def _named_in(sql: str, columns: Iterable[str]) -> bool:
    return any(re.search(rf"\b{re.escape(name)}\b", sql) for name in columns)


def _rename_sql(old: str, new: str) -> str:
    return f"RENAME COLUMN {PREPARER.quote(old)} TO {PREPARER.quote(new)}"


class RenameColumnOp(AlterColumnOp):
    """An ALTER COLUMN with a new name, which Alembic renders but would not reverse."""

    modify_name: str

    def reverse(self) -> RenameColumnOp:
        """Return the operation that gives the column its former name."""
        changed = self.modify_nullable is not None
        return RenameColumnOp(
            self.table_name,
            self.modify_name,
            schema=self.schema,
            modify_name=self.column_name,
            existing_type=self.existing_type,
            existing_nullable=self.modify_nullable if changed else self.existing_nullable,
            modify_nullable=self.existing_nullable if changed else None,
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, str]:
        """Return what ``alembic check`` shows: the former name, then the new one."""
        return ("rename_column", self.schema, self.table_name, self.column_name, self.modify_name)


def take_over_columns(
    operations: Iterable[MigrateOperation], current: Mapping[TableKey, Table]
) -> dict[TableKey, ColumnChanges]:
    """Replace Alembic's operations on vector columns in place, and return what happens to the columns of each table.

    A changed type becomes ``op.alter_embedding_type``; a dropped and an added column of one type become a rename.

    Args:
        operations: the operations of the whole revision.
        current: the tables as they are.
    """
    changes: dict[TableKey, ColumnChanges] = {}
    for operation in operations:
        if isinstance(operation, ModifyTableOps):
            key = (operation.schema, operation.table_name)
            if key in current:
                found = changes.setdefault(key, ColumnChanges())
                operation.ops[:] = _with_renames(operation.ops, current[key], found)
                operation.ops[:] = [new for old in operation.ops for new in _taken_over(old, found)]
    return changes


def _taken_over(operation: MigrateOperation, found: ColumnChanges) -> list[MigrateOperation]:
    if isinstance(operation, AddColumnOp):
        return _taken_over_new(operation, found)
    if isinstance(operation, DropColumnOp):
        found.dropped.add(operation.column_name)
    elif isinstance(operation, AlterColumnOp) and operation.modify_type is not None:
        return _taken_over_type(operation, found)
    return [operation]


def _taken_over_new(operation: AddColumnOp, found: ColumnChanges) -> list[MigrateOperation]:
    column = operation.column
    found.actions.append(f"ADD COLUMN {PREPARER.quote(column.name)} {_sql_type(column.type)}")
    if is_embedding_type(column.type, DIALECT) and not isinstance(column.server_default, Computed):
        found.embeddings.append(
            AddEmbeddingColumnOp(table_name=operation.table_name, column=column, schema=operation.schema)
        )
        return []
    found.added.add(column.name)
    return [operation]


def _sql_type(type_: Any) -> str:  # Any: a type of any library
    return str(DIALECT.type_compiler_instance.process(type_))


def _taken_over_type(operation: AlterColumnOp, found: ColumnChanges) -> list[MigrateOperation]:
    types = (operation.existing_type, operation.modify_type)
    if not any(type_ is not None and is_embedding_type(type_, DIALECT) for type_ in types):
        return [operation]
    wished: Any = operation.modify_type  # a type of any library
    found.retyped.add(operation.column_name)
    found.actions.append(f"ALTER COLUMN {PREPARER.quote(operation.column_name)} TYPE {_sql_type(wished)} USING NULL")
    if operation.kw.get("alembic_ops_generated"):
        return [operation]
    existing: Any = operation.existing_type  # likewise
    altered = AlterEmbeddingTypeOp(
        table_name=operation.table_name,
        column=operation.column_name,
        existing_type=existing,
        type_=wished,
        schema=operation.schema,
    )
    operation.existing_type, operation.modify_type = wished, None
    return [altered, operation] if operation.has_changes() else [altered]


def _with_renames(operations: list[MigrateOperation], table: Table, found: ColumnChanges) -> list[MigrateOperation]:
    """Return the operations with a rename in place of a vector column that goes and one of its type that comes."""
    added = [
        one
        for one in operations
        if isinstance(one, AddColumnOp) and is_embedding_type(one.column.type, DIALECT) and one.column.computed is None
    ]
    dropped = [
        one
        for one in operations
        if isinstance(one, DropColumnOp)
        and is_embedding_type(table.c[one.column_name].type, DIALECT)
        and table.c[one.column_name].computed is None
    ]
    if len(added) != 1 or len(dropped) != 1:
        _warn_of_drops(table, [table.c[one.column_name] for one in dropped], [one.column for one in added])
        return operations
    new, old = added[0].column, table.c[dropped[0].column_name]
    if vector_type_of(new.type, DIALECT) != vector_type_of(old.type, DIALECT):
        return operations
    _warn_of_rename(table, old, new)
    found.renamed[old.name] = new.name
    found.actions.append(_rename_sql(old.name, new.name))
    rename = RenameColumnOp(
        table.name,
        old.name,
        schema=added[0].schema,
        modify_name=new.name,
        existing_type=old.type,
        existing_nullable=old.nullable,
        modify_nullable=new.nullable if new.nullable is not old.nullable else None,
    )
    return [rename if one is added[0] else one for one in operations if one is not dropped[0]]


def _warn_of_drops(table: Table, dropped: Iterable[Column[Any]], added: Iterable[Column[Any]]) -> None:
    """Say that columns of vectors are dropped that may be meant to have another name."""
    pairs = sorted(
        (old.name, new.name)
        for old, new in product(dropped, added)
        if vector_type_of(old.type, DIALECT) == vector_type_of(new.type, DIALECT)
    )
    if not pairs:
        return
    written = ", ".join(f"{old!r} to {new!r}" for old, new in pairs)
    old, new = pairs[0]
    warnings.warn(
        f"Columns of the table {table.fullname!r} are dropped and added that may only be renamed: {written}. "
        "Several go or come, so that only you can tell which is which, and dropping one throws its vectors away. "
        "Replace the operations on two columns that are one by "
        f"op.alter_column({table.name!r}, {old!r}, new_column_name={new!r}).",
        VectorMigrationWarning,
        stacklevel=2,
    )


def _warn_of_rename(table: Table, old: Column[Any], new: Column[Any]) -> None:
    warnings.warn(
        f"The column {old.name!r} of the table {table.fullname!r} is taken to be renamed to {new.name!r}. "
        "Both have one type, and dropping the one would throw its vectors away. "
        f"If {new.name!r} is for other vectors, replace the op.alter_column() by op.add_column() and op.drop_column().",
        VectorMigrationWarning,
        stacklevel=2,
    )
