"""The columns of a table that hold vectors, compared, and taken over from Alembic where vectors would be lost."""

from __future__ import annotations

import logging
import re
import warnings
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from alembic.operations.ops import AddColumnOp, AlterColumnOp, DropColumnOp, ModifyTableOps
from alembic.util import PriorityDispatchResult
from pgvector.sqlalchemy import HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import Computed
from sqlalchemy.types import NullType

from alembic_ops.errors import VectorMigrationWarning
from alembic_ops.model.differences import changed_type, dotted, renamed_column
from alembic_ops.model.vector_types import is_embedding_type, vector_type_of
from alembic_ops.operations import AddEmbeddingColumnOp, AlterEmbeddingTypeOp
from sqlalchemy_vecsearch.quoting import PREPARER
from sqlalchemy_vecsearch.storages import ddl_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy import Column, Dialect, Table
    from sqlalchemy.types import TypeEngine

    from alembic_ops.autogenerate.proposals import TableKey
    from alembic_ops.model.index_state import IndexDefinition

__all__ = [
    "ColumnChanges",
    "RenameColumnOp",
    "compare_vector_type",
    "recognise_types_of_schema",
    "take_over_columns",
]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


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
    if (sql := ddl_of(column.type)) is not None:
        found.actions.append(f"ADD COLUMN {PREPARER.quote(column.name)} {sql}")
    if is_embedding_type(column.type) and not isinstance(column.server_default, Computed):
        found.embeddings.append(
            AddEmbeddingColumnOp(table_name=operation.table_name, column=column, schema=operation.schema)
        )
        return []
    found.added.add(column.name)
    return [operation]


def _taken_over_type(operation: AlterColumnOp, found: ColumnChanges) -> list[MigrateOperation]:
    types = (operation.existing_type, operation.modify_type)
    if not any(type_ is not None and is_embedding_type(type_) for type_ in types):
        return [operation]
    wished: Any = operation.modify_type  # a type of any library
    found.retyped.add(operation.column_name)
    found.actions.append(f"ALTER COLUMN {PREPARER.quote(operation.column_name)} TYPE {ddl_of(wished)} USING NULL")
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
        if isinstance(one, AddColumnOp) and is_embedding_type(one.column.type) and one.column.computed is None
    ]
    dropped = [
        one
        for one in operations
        if isinstance(one, DropColumnOp)
        and is_embedding_type(table.c[one.column_name].type)
        and table.c[one.column_name].computed is None
    ]
    if len(added) != 1 or len(dropped) != 1:
        _warn_of_drops(table, [table.c[one.column_name] for one in dropped], [one.column for one in added])
        return operations
    new, old = added[0].column, table.c[dropped[0].column_name]
    if vector_type_of(new.type) != vector_type_of(old.type):
        return operations
    _LOG.info("Detected %s", renamed_column(table.schema, table.name, old.name, new.name))
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
        if vector_type_of(old.type) == vector_type_of(new.type)
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


def compare_vector_type(
    _: AutogenContext,
    alter_column: AlterColumnOp,
    schema: str | None,
    table_name: str,
    column_name: str,
    current: Column[Any],
    wished: Column[Any],
) -> PriorityDispatchResult:
    """Compare storage and dimensions as values: Alembic's own comparison calls ``VECTOR`` and ``VECTOR(3)`` equal."""
    if isinstance(current.type, NullType):
        return PriorityDispatchResult.CONTINUE
    if not (is_embedding_type(current.type) or is_embedding_type(wished.type)):
        return PriorityDispatchResult.CONTINUE
    alter_column.existing_type = current.type
    if (why := _unreadable(wished.type)) is not None:
        _warn_of_unknown_type(schema, table_name, wished, why)
        return PriorityDispatchResult.STOP
    if vector_type_of(current.type) != vector_type_of(wished.type):
        alter_column.modify_type = wished.type
        _LOG.info("Detected %s", changed_type(schema, table_name, column_name, current.type, wished.type))
    return PriorityDispatchResult.STOP


_NAMES_VECTORS: Final = re.compile(r"\b(?:vector|halfvec|sparsevec)\b", re.IGNORECASE)


def _unreadable(type_: TypeEngine[Any]) -> str | None:
    """Return why a type of the application cannot be read, None for one that can."""
    sql = ddl_of(type_)
    if not sql:
        return "does not compile to SQL for PostgreSQL"
    if vector_type_of(type_) is None and _NAMES_VECTORS.search(sql):
        return f"compiles to {sql!r}, which is not the plain name of a vector type"
    return None


def _warn_of_unknown_type(schema: str | None, table_name: str, wished: Column[Any], why: str) -> None:
    warnings.warn(
        f"The type of the column {wished.name!r} of the table {dotted(schema, table_name)!r} could not be compared. "
        f"The database has vectors in it, and {type(wished.type).__name__!r} {why}. "
        "Let the type say what it is by get_col_spec(), or by a variant for 'postgresql'.",
        VectorMigrationWarning,
        stacklevel=2,
    )


def recognise_types_of_schema(dialect: Dialect, schema: str) -> None:
    """Let this dialect reflect the types of an extension whose schema is not on the search path: ``ext.vector``."""
    quoted = PREPARER.quote(schema)
    names: dict[str, type[TypeEngine[Any]]] = getattr(dialect, "ischema_names")  # noqa: B009  # only PostgreSQL's has it
    types = {f"{quoted}.{name}".lower(): type_ for name, type_ in _TYPES}
    dialect.ischema_names = {**names, **types}  # type: ignore[attr-defined]  # an attribute of PostgreSQL's dialect


_TYPES: Final = (("vector", VECTOR), ("halfvec", HALFVEC), ("sparsevec", SPARSEVEC))
