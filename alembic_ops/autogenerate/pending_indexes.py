"""The indexes of rows that need embedding: built concurrently, and replaced when their condition is another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.autogenerate import renderers
from alembic.operations.ops import AddColumnOp, CreateIndexOp, CreateTableOp, DropIndexOp, ModifyTableOps
from sqlalchemy import Index, text

from alembic_ops.autogenerate.render import sql_text
from alembic_ops.catalog.probe import answers
from alembic_ops.catalog.reembedding import find_predicate
from sqlalchemy_vecsearch.embedding.declared import is_pending_index
from sqlalchemy_vecsearch.embedding.journal import JOURNAL_TABLE
from sqlalchemy_vecsearch.embedding.work_table import is_work_table
from sqlalchemy_vecsearch.quoting import DIALECT, PREPARER, qualified_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy import Connection

    from alembic_ops.autogenerate.run import ComparedTable

__all__ = ["BuildPendingIndexOp", "tables_of_jobs", "with_pending_indexes"]


class BuildPendingIndexOp(CreateIndexOp):
    """A pending index that is built beside readers and writers, after one of its name was dropped.

    ``former`` is the condition that the index has until then, None where there is none.
    """

    former: str | None = None

    def reverse(self) -> DropIndexOp | BuildPendingIndexOp:  # type: ignore[override]  # Alembic knows one way back
        """Return the operation that drops it, or builds the former one again."""
        if self.former is None:
            return super().reverse()
        return _build(self.to_index(), former=_condition(self.to_index()), where=self.former)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` shows."""
        return ("add_index" if self.former is None else "replace_index", self.to_index())


def with_pending_indexes(
    connection: Connection, operations: Sequence[MigrateOperation], tables: Iterable[ComparedTable]
) -> list[MigrateOperation]:
    """Return Alembic's operations with the pending indexes of tables that are there at the end, built concurrently.

    An index needs its columns, and its build commits them. So the columns and the work table are added only where they
    are not there, and the index replaces one of its name: then the revision can be run again when the build has failed.
    """
    compared = [one for one in tables if one.wished is not None]
    declared = {
        (one.schema, one.name, str(index.name)): index
        for one in compared
        if one.current is not None and one.wished is not None
        for index in one.wished.indexes
        if is_pending_index(index)
    }
    late: list[MigrateOperation] = []
    for operation in operations:
        if isinstance(operation, ModifyTableOps):
            late += _taken_out(operation, declared)
    if late:
        _make_repeatable(operations)
    kept = [one for one in operations if not (isinstance(one, ModifyTableOps) and one.is_empty())]
    return [*kept, *late, *_changed(connection, compared, declared)]


def tables_of_jobs(tables: Iterable[ComparedTable]) -> set[tuple[str | None, str]]:
    """Return the journals of re-embedding, and the work tables beside them, which no model has to declare.

    The former are the work of ``op.begin_reembedding``; a job needs the latter before a model declares a source.
    """
    tables = list(tables)
    schemas = {one.schema for one in tables if one.name == JOURNAL_TABLE and one.current is not None}
    return {
        one.key for one in tables if one.schema in schemas and (one.name == JOURNAL_TABLE or is_work_table(one.name))
    }


def _taken_out(table: ModifyTableOps, declared: dict[tuple[str | None, str, str], Index]) -> list[MigrateOperation]:
    """Take the creations of pending indexes out of the changes of a table, and return them in our form."""
    found: list[MigrateOperation] = []
    for operation in list(table.ops):
        key = (table.schema, table.table_name, str(getattr(operation, "index_name", "")))
        if isinstance(operation, CreateIndexOp) and key in declared:
            table.ops.remove(operation)
            found.append(_build(declared[key]))
    return found


def _make_repeatable(operations: Sequence[MigrateOperation]) -> None:
    for operation in operations:
        if isinstance(operation, CreateTableOp) and is_work_table(operation.table_name):
            operation.if_not_exists = True
        for one in operation.ops if isinstance(operation, ModifyTableOps) else ():
            if isinstance(one, AddColumnOp):
                one.if_not_exists = True


def _changed(
    connection: Connection,
    tables: Iterable[ComparedTable],
    declared: dict[tuple[str | None, str, str], Index],
) -> list[MigrateOperation]:
    """Return operations for the pending indexes that are there, and find other rows than declared."""
    there = {
        (table.schema, table.name, str(index.name))
        for table in tables
        if table.current is not None
        for index in table.current.indexes
    }
    keys = sorted(there & declared.keys(), key=str)
    if not keys:
        return []
    wished = answers(connection, [_question(_qualified(connection, *key[:2]), declared[key]) for key in keys], None)
    found: list[MigrateOperation] = []
    for key, answer in zip(keys, wished, strict=True):
        schema, name, index_name = key
        table, index = (_qualified(connection, schema, one) for one in (name, index_name))
        current = find_predicate(connection, table, index)
        former = current.condition if current is not None and current.usable else None
        if answer.get("predicate") not in {None, former}:
            found.append(_build(declared[key], former=former))
    return found


def _qualified(connection: Connection, schema: str | None, name: str) -> str:
    return qualified_name(schema or connection.dialect.default_schema_name, name)


def _question(table: str, index: Index) -> dict[str, object]:
    key = PREPARER.quote(next(iter(index.columns)).name)
    return {
        "table": table,
        "copy": f"{table} as it is",
        "names": [],
        "actions": [],
        "index": f"btree ({key}) WHERE {_condition(index)}",
        "actions_after": [],
    }


def _build(index: Index, *, former: str | None = None, where: str | None = None) -> BuildPendingIndexOp:
    assert index.table is not None, "a pending index belongs to a table"
    operation = BuildPendingIndexOp(
        index.name,
        index.table.name,
        [column.name for column in index.columns],
        schema=index.table.schema,
        postgresql_where=text((where or _condition(index)).replace(":", r"\:")),
    )
    operation.former = former
    return operation


def _condition(index: Index) -> str:
    where = index.dialect_options["postgresql"]["where"]
    return str(where.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True, "include_table": False}))


@renderers.dispatch_for(BuildPendingIndexOp)
def _render(context: AutogenContext, operation: BuildPendingIndexOp) -> list[str]:
    prefix = context.opts.get("alembic_module_prefix") or ""
    schema = "" if operation.schema is None else f", schema={operation.schema!r}"
    name, table = f"{prefix}f({str(operation.index_name)!r})", repr(operation.table_name)
    condition = sql_text(context, _condition(operation.to_index()))
    return [
        f"with {prefix}get_context().autocommit_block():",
        f"{prefix}drop_index({name}, table_name={table}{schema}, if_exists=True, postgresql_concurrently=True)",
        (
            f"{prefix}create_index({name}, {table}, {operation.columns!r}, unique=False{schema}, "
            f"postgresql_where={condition}, postgresql_concurrently=True)"
        ),
        "",
    ]
