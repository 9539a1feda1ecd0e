"""The part of Alembic's autogenerate that sees vector columns and their indexes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from alembic.autogenerate import comparators
from alembic.operations.ops import DropTableOp, ModifyTableOps
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Index, text

from alembic_ops.canonical import Refusal, Wish, canonical, normalised
from alembic_ops.catalog import current_indexes, extension_in_search_path, installed_extension, partitions
from alembic_ops.declared import declared_indexes, is_vector_index
from alembic_ops.diff import index_changes
from alembic_ops.operations import CreateVectorExtensionOp
from alembic_ops.proposals import arranged, propose
from alembic_ops.type_changes import compare_vector_type, is_embedding_type, recognise_types_of_schema
from alembic_ops.type_rendering import render_types_with_imports

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation, UpgradeOps
    from sqlalchemy import Table

    from alembic_ops.catalog import InstalledExtension
    from alembic_ops.declared import DeclaredIndex
    from alembic_ops.proposals import TableKey
    from alembic_ops.state import IndexDefinition, IndexState

__all__ = ["register_comparators"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedTable:
    """One table that Alembic compares: ``current`` is None where it is new, ``wished`` where it goes away."""

    schema: str | None
    name: str
    current: Table | None
    wished: Table | None

    @property
    def key(self) -> TableKey:
        """How proposals and states name the table."""
        return self.schema, self.name


@dataclass(slots=True, kw_only=True)
class Comparison:
    """What one run of autogenerate has seen until now."""

    extension: InstalledExtension
    tables: list[ComparedTable] = field(default_factory=list)


_COMPARISONS: Final[WeakKeyDictionary[AutogenContext, Comparison]] = WeakKeyDictionary()


@cache
def register_comparators() -> None:
    """Add what compares vector columns and indexes to Alembic's comparators, for PostgreSQL only, and once."""
    for target, comparator, priority, subgroup in (
        ("autogenerate", begin, DispatchPriority.FIRST, "alembic_ops.begin"),
        ("table", remember_table, DispatchPriority.FIRST, "alembic_ops.tables"),
        ("column", compare_vector_type, DispatchPriority.MEDIUM, "types"),
        ("schema", compare_schemas, DispatchPriority.LAST, "alembic_ops.schemas"),
    ):
        comparators.dispatch_for(target, priority=priority, qualifier="postgresql", subgroup=subgroup)(comparator)


def begin(context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:  # noqa: ARG001  # fixed by Alembic
    """Prepare a run: what the database has of pgvector, how types are rendered, and what Alembic need not compare."""
    assert context.connection is not None
    extension = installed_extension(context.connection)
    _COMPARISONS[context] = Comparison(extension=extension)
    if extension.schema is not None and not extension.visible:
        recognise_types_of_schema(context.connection.dialect, extension.schema)
    render_types_with_imports(context)
    _hide_vector_indexes(context)
    return PriorityDispatchResult.CONTINUE


def _hide_vector_indexes(context: AutogenContext) -> None:
    """Keep vector indexes from Alembic's own comparison, which takes too many of them for equal."""
    impl: Any = context.migration_context.impl  # the attribute of one instance is replaced
    stock: Callable[..., None] = impl.correct_for_autogen_constraints
    if isinstance(stock, _WithoutVectorIndexes):
        return
    impl.correct_for_autogen_constraints = _WithoutVectorIndexes(stock)


class _WithoutVectorIndexes:
    def __init__(self, stock: Callable[..., None]) -> None:
        self.stock = stock

    def __call__(self, uniques: set[Any], indexes: set[Index], wished_uniques: set[Any], wished: set[Index]) -> None:
        self.stock(uniques, indexes, wished_uniques, wished)
        for side in (indexes, wished):
            for index in [one for one in side if is_vector_index(one)]:
                side.discard(index)


def remember_table(
    context: AutogenContext,
    modify_ops: ModifyTableOps,  # noqa: ARG001  # fixed by Alembic
    schema: str | None,
    name: str,
    current: Table | None,
    wished: Table | None,
) -> PriorityDispatchResult:
    """Note a table that the user's filters let through."""
    _COMPARISONS[context].tables.append(ComparedTable(schema=schema, name=name, current=current, wished=wished))
    return PriorityDispatchResult.CONTINUE


def compare_schemas(
    context: AutogenContext, upgrade_ops: UpgradeOps, schemas: Collection[str | None]
) -> PriorityDispatchResult:
    """Compare the vector indexes of all tables at once, and put the operations among Alembic's."""
    assert context.connection is not None
    comparison = _COMPARISONS[context]
    children = partitions(context.connection, schemas)
    _leave_partitions_alone(comparison, upgrade_ops, children)
    with extension_in_search_path(context.connection, comparison.extension):
        found = current_indexes(context.connection, schemas)
        IndexComparison(context, comparison).run(found, upgrade_ops)
    upgrade_ops.ops[:0] = _extension_operations(context, comparison)
    return PriorityDispatchResult.CONTINUE


def _leave_partitions_alone(comparison: Comparison, upgrade_ops: UpgradeOps, children: set[TableKey]) -> None:
    undeclared = {table.key for table in comparison.tables if table.wished is None and table.key in children}
    comparison.tables[:] = [table for table in comparison.tables if table.key not in undeclared]
    upgrade_ops.ops[:] = [
        operation
        for operation in upgrade_ops.ops
        if not (
            isinstance(operation, DropTableOp | ModifyTableOps)
            and (operation.schema, operation.table_name) in undeclared
        )
    ]


def _extension_operations(context: AutogenContext, comparison: Comparison) -> list[MigrateOperation]:
    if comparison.extension.version is not None:
        return []
    for table in comparison.tables:
        if table.wished is not None and any(is_embedding_type(one.type, context.dialect) for one in table.wished.c):
            return [CreateVectorExtensionOp()]
    return []


class IndexComparison:
    """The comparison of the indexes of all tables of one run."""

    def __init__(self, context: AutogenContext, comparison: Comparison) -> None:
        self.context = context
        self.comparison = comparison
        self.tables = {table.key: table for table in comparison.tables}
        self.declared: dict[tuple[TableKey, str], DeclaredIndex] = {}
        self.originals: dict[IndexState, IndexDefinition] = {}

    def run(self, found: Iterable[IndexState], upgrade_ops: UpgradeOps) -> None:
        """Compare, and put the operations among those of Alembic."""
        for table in self.comparison.tables:
            if table.wished is not None:
                for one in declared_indexes(table.wished, schema=table.schema):
                    self.declared[table.key, one.state.name] = one
        current = [state for state in found if self._is_compared(state)]
        current, wished = self._filtered(current)
        changes = index_changes(self._canonical_current(current), self._canonical_wished(wished))
        rewritten = {table.key for table in self.comparison.tables if table.current is None or table.wished is None}
        proposals = propose(changes, rewritten=rewritten, originals=self.originals)
        upgrade_ops.ops[:] = arranged(upgrade_ops.ops, proposals, dependent=set())

    def _is_compared(self, state: IndexState) -> bool:
        table = self.tables.get((state.schema, state.table_name))
        if table is None or table.current is None:
            return False
        names: Any = {"table_name": state.table_name, "schema_name": state.schema}  # a TypedDict of Alembic
        return self.context.run_name_filters(state.name, "index", names)

    def _filtered(self, current: list[IndexState]) -> tuple[list[IndexState], list[DeclaredIndex]]:
        """Take out what the user's ``include_object`` hides."""
        if not self.context.opts.get("include_object"):
            return current, list(self.declared.values())
        here = {((state.schema, state.table_name), state.name): state for state in current}
        hidden = set()
        for key in here.keys() | self.declared.keys():
            reflected = self._reflected(here[key]) if key in here else None
            one = self.declared.get(key)
            shown = reflected if one is None else one.index
            compared_with = None if one is None else reflected
            assert shown is not None
            if not self.context.run_object_filters(shown, key[1], "index", one is None, compared_with):
                hidden.add(key)
        return (
            [state for key, state in here.items() if key not in hidden],
            [one for key, one in self.declared.items() if key not in hidden],
        )

    def _reflected(self, state: IndexState) -> Index:
        table = self.tables[state.schema, state.table_name].current
        assert table is not None
        definition = state.definition
        element: Any = text(definition.expression or "") if definition.column is None else table.c[definition.column]
        return Index(
            state.name,
            element,
            _table=table.to_metadata(type(table.metadata)()),
            postgresql_using=definition.method,
            postgresql_with=dict(definition.parameters),
            postgresql_where=None if definition.predicate is None else text(definition.predicate),
        )

    def _canonical_current(self, current: Iterable[IndexState]) -> list[IndexState]:
        states = []
        for state in current:
            comparable = replace(state, definition=canonical(state.definition))
            self.originals[comparable] = state.definition
            states.append(comparable)
        return states

    def _canonical_wished(self, wished: Iterable[DeclaredIndex]) -> list[IndexState]:
        assert self.context.connection is not None
        extension = self.comparison.extension
        existing = [one for one in wished if self._table_exists(one.state)]
        states = [
            self._remember(one.state, one.state.definition) for one in wished if not self._table_exists(one.state)
        ]
        answers = normalised(
            self.context.connection,
            [Wish(state=one.state) for one in existing],
            extension_schema=None if extension.visible else extension.schema,
        )
        for one, answer in zip(existing, answers, strict=True):
            assert not isinstance(answer, Refusal)
            states.append(self._remember(one.state, answer))
        return states

    def _remember(self, state: IndexState, definition: IndexDefinition) -> IndexState:
        comparable = replace(state, definition=canonical(definition))
        self.originals[comparable] = replace(
            state.definition, column=definition.column, expression=definition.expression, predicate=definition.predicate
        )
        return comparable

    def _table_exists(self, state: IndexState) -> bool:
        return self.tables[state.schema, state.table_name].current is not None
