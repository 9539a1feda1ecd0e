"""The comparison of the vector indexes of all tables of one run of autogenerate."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Index, text

from alembic_ops.autogenerate.changes import (
    CreateIndex,
    IndexBeingBuilt,
    IndexLeftOver,
    RebuildIndex,
    differing_in_print,
    in_words,
    index_changes,
)
from alembic_ops.autogenerate.columns import ColumnChanges
from alembic_ops.autogenerate.declared import IndexRuleError, declared_indexes, refuse_shared_names
from alembic_ops.autogenerate.warnings import (
    definition_without_answer,
    warn_of_other_type,
    warn_of_tablespace,
    warn_of_untouched,
)
from alembic_ops.catalog.indexes import operator_classes
from alembic_ops.catalog.normalize import Refusal, Wish, normalised
from alembic_ops.model.index_state import canonical
from alembic_ops.model.vector_types import vector_type_of
from alembic_ops.operations import DropVectorIndexOp
from sqlalchemy_vecsearch.metrics import metric_of_operator_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alembic.autogenerate.api import AutogenContext

    from alembic_ops.autogenerate.changes import Change
    from alembic_ops.autogenerate.declared import DeclaredIndex
    from alembic_ops.autogenerate.proposals import TableKey
    from alembic_ops.autogenerate.run import ComparedTable
    from alembic_ops.catalog.indexes import InstalledExtension
    from alembic_ops.model.index_state import IndexDefinition, IndexState
    from alembic_ops.planning.next_step import IndexOperation

__all__ = ["IndexComparison"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")

_NO_CHANGES: Final = ColumnChanges()


class IndexComparison:
    """What is declared and what is there, for the tables and indexes that the user's filters let through."""

    def __init__(
        self,
        context: AutogenContext,
        tables: Iterable[ComparedTable],
        columns: Mapping[TableKey, ColumnChanges],
        extension: InstalledExtension,
    ) -> None:
        self.context = context
        self.tables = {table.key: table for table in tables}
        self.columns = columns
        self.extension = extension
        self.originals: dict[IndexState, IndexDefinition] = {}
        self.declared: dict[tuple[TableKey, str], DeclaredIndex] = {}
        for table in self.tables.values():
            if table.wished is not None:
                for one in declared_indexes(table.wished, schema=table.schema):
                    self.declared[table.key, one.state.name] = one
        refuse_shared_names(self.declared.values(), default_schema=context.dialect.default_schema_name)

    def _refuse_missing_operator_classes(self, wished: Iterable[DeclaredIndex]) -> None:
        """Ask the catalog for operator classes that are not pgvector's, at the cost of a query where there are any."""
        foreign = [
            (one, canonical(one.state.definition))
            for one in wished
            if metric_of_operator_class(one.state.definition.operator_class) is None
        ]
        if not foreign:
            return
        assert self.context.connection is not None, "autogenerate needs a database"
        there = operator_classes(self.context.connection, {definition.operator_class for _, definition in foreign})
        for one, definition in foreign:
            if (definition.method, definition.operator_class) not in there:
                raise IndexRuleError(
                    one.index,
                    f"has the operator class {definition.operator_class!r}",
                    f"Neither pgvector nor this database has one of that name for {definition.method}.",
                    "Correct it, such as 'vector_cosine_ops'.",
                )

    def changes(self, found: Iterable[IndexState]) -> list[Change]:
        """Return the difference between what the catalog has and what is declared, and warn of what is left alone."""
        current, wished = self._filtered([state for state in found if self._is_compared(state)])
        self._refuse_missing_operator_classes(wished)
        here = self._canonical_current(current)
        there = self._canonical_wished(wished, current)
        here, there = self._as_printed_again(here, there)
        changes = index_changes(here, there)
        changes.extend(self._with_generated_columns(here, there, changes))
        for change in changes:
            if isinstance(change, IndexLeftOver | IndexBeingBuilt):
                warn_of_untouched(change)
                continue
            if (words := in_words(change)) is not None:
                _LOG.info("Detected %s", words)
            if isinstance(change, CreateIndex | RebuildIndex):
                warn_of_tablespace(self.declared[(change.wished.schema, change.wished.table_name), change.wished.name])
                self._warn_of_other_type(change.wished)
        return changes

    def _warn_of_other_type(self, wished: IndexState) -> None:
        table = self.tables[wished.schema, wished.table_name].current
        column = wished.definition.column
        if table is None or column is None or column not in table.c or column in self._columns(wished).retyped:
            return
        known = metric_of_operator_class(wished.definition.operator_class)
        there = vector_type_of(table.c[column].type)
        if known is not None and there is not None and known[0] is not there.storage:
            warn_of_other_type(wished, column_type=there.storage.name)

    def _with_generated_columns(
        self, here: list[IndexState], there: list[IndexState], changes: list[Change]
    ) -> list[Change]:
        """Return the indexes that stay as they are, and yet are dropped with a column that is generated anew."""
        changed = {change.current for change in changes if not isinstance(change, CreateIndex)}
        wished = {(state.schema, state.table_name, state.name): state for state in there}
        return [
            RebuildIndex(current=state, wished=wished[state.schema, state.table_name, state.name])
            for state in here
            if state not in changed and self._columns(state).generate_anew_for(self.originals[state])
        ]

    def with_the_table(self, state: IndexState) -> bool:
        """Say whether the index changes in one transaction with its table, which nobody can use meanwhile."""
        table = self.tables[state.schema, state.table_name]
        return table.current is None or table.wished is None or bool(self._columns(state).retyped)

    def of_a_new_table(self, state: IndexState) -> bool:
        """Say whether the revision creates the table, which has no rows yet."""
        return self.tables[state.schema, state.table_name].current is None

    def goes_with_a_column(self, state: IndexState) -> bool:
        """Say whether the revision drops a column that the index needs."""
        return self._columns(state).take_away(self.originals[state])

    def after_the_table(self, state: IndexState) -> bool:
        """Say whether the index needs what the revision does to its table first."""
        return self._columns(state).needed_by(self.originals[state])

    def needs_the_downgrade(self, operation: IndexOperation) -> bool:
        """Say whether an operation of the downgrade needs what it does to the table of the index first."""
        definition = getattr(operation, "definition", None)
        if definition is None or isinstance(operation, DropVectorIndexOp):
            return False
        columns = self.columns.get((operation.schema, operation.table_name), _NO_CHANGES)
        return columns.bring_back(definition)

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
        shown = {key for key in here.keys() | self.declared.keys() if self._is_shown(key, here.get(key))}
        return (
            [state for key, state in here.items() if key in shown],
            [one for key, one in self.declared.items() if key in shown],
        )

    def _is_shown(self, key: tuple[TableKey, str], current: IndexState | None) -> bool:
        declared = self.declared.get(key)
        reflected = None if current is None else self._reflected(current)
        if declared is not None:
            return self.context.run_object_filters(declared.index, key[1], "index", False, reflected)  # noqa: FBT003  # Alembic's
        assert reflected is not None, "an index is declared or there"
        return self.context.run_object_filters(reflected, key[1], "index", True, None)  # noqa: FBT003  # Alembic's

    def _reflected(self, state: IndexState) -> Index:
        """Return an index of the catalog in the form that ``include_object`` knows, on a copy of its table."""
        current = self.tables[state.schema, state.table_name].current
        assert current is not None, "an index of the catalog has a table there"
        table = current.to_metadata(type(current.metadata)())
        definition = state.definition
        element: Any = text(definition.expression or "") if definition.column is None else table.c[definition.column]
        return Index(
            state.name,
            element,
            _table=table,
            postgresql_using=definition.method,
            postgresql_with=dict(definition.parameters),
            postgresql_where=None if definition.predicate is None else text(definition.predicate),
        )

    def _canonical_current(self, current: list[IndexState]) -> list[IndexState]:
        """Return the indexes as they will be when the columns that they follow have their new names."""
        followers = [state for state in current if self._columns(state).renamed]
        assert self.context.connection is not None, "autogenerate needs a database"
        answers = normalised(
            self.context.connection,
            [Wish(state=state, actions_after=self._columns(state).renames) for state in followers],
            extension_schema=None if self.extension.visible else self.extension.schema,
        )
        later = dict(zip(followers, answers, strict=True))
        return [self._remembered(self._as_later(state, later.get(state)), state.definition) for state in current]

    def _as_later(self, state: IndexState, answer: IndexDefinition | Refusal | None) -> IndexState:
        if answer is None or isinstance(answer, Refusal):
            return state
        column = self._columns(state).renamed.get(str(state.definition.column), answer.column)
        return replace(state, definition=replace(answer, column=column))

    def _canonical_wished(self, wished: Iterable[DeclaredIndex], current: Iterable[IndexState]) -> list[IndexState]:
        present = {(state.schema, state.table_name, state.name): state for state in current}
        new = [one for one in wished if not self._can_be_asked(one.state)]
        old = [one for one in wished if self._can_be_asked(one.state)]
        states = [self._remembered(one.state, one.state.definition) for one in new]
        assert self.context.connection is not None, "autogenerate needs a database"
        answers = normalised(
            self.context.connection,
            [Wish(state=one.state, actions=self._actions(one.state)) for one in old],
            extension_schema=None if self.extension.visible else self.extension.schema,
        )
        for one, answer in zip(old, answers, strict=True):
            state = one.state
            if isinstance(answer, Refusal):
                there = present.get((state.schema, state.table_name, state.name))
                answer = definition_without_answer(one, answer, there)  # noqa: PLW2901  # the answer in the refusal's place
            written = replace(
                state.definition, column=answer.column, expression=answer.expression, predicate=answer.predicate
            )
            states.append(self._remembered(replace(state, definition=answer), written))
        return states

    def _as_printed_again(
        self, here: list[IndexState], there: list[IndexState]
    ) -> tuple[list[IndexState], list[IndexState]]:
        """Let the server read once more what it has printed of two indexes that differ in this print alone.

        What a revision has created holds the second print of what is wished, so that one side is mostly enough.
        """
        there = self._printed_again(there, {state: self._actions(state) for state in differing_in_print(there, here)})
        here = self._printed_again(
            here, {state: self._columns(state).renames for state in differing_in_print(here, there)}
        )
        return here, there

    def _printed_again(self, states: list[IndexState], asked: Mapping[IndexState, tuple[str, ...]]) -> list[IndexState]:
        assert self.context.connection is not None, "autogenerate needs a database"
        answers = normalised(
            self.context.connection,
            [Wish(state=state, actions=actions) for state, actions in asked.items()],
            extension_schema=None if self.extension.visible else self.extension.schema,
        )
        again = {
            state: self._remembered(replace(state, definition=answer), self.originals[state])
            for state, answer in zip(asked, answers, strict=True)
            if not isinstance(answer, Refusal)
        }
        return [again.get(state, state) for state in states]

    def _can_be_asked(self, state: IndexState) -> bool:
        current = self.tables[state.schema, state.table_name].current
        return current is not None and self.extension.version is not None

    def _actions(self, state: IndexState) -> tuple[str, ...]:
        return tuple(self._columns(state).actions)

    def _columns(self, state: IndexState) -> ColumnChanges:
        return self.columns.get((state.schema, state.table_name), _NO_CHANGES)

    def _remembered(self, state: IndexState, written: IndexDefinition) -> IndexState:
        comparable = replace(state, definition=canonical(state.definition))
        self.originals[comparable] = written
        return comparable
