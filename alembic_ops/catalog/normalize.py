"""Definitions in the one form that two sides can be compared in.

Defaults are filled in and operator classes lose their schema. What an expression or a predicate means is for the server
to say: the wished index is created on an empty temporary copy of its table, read back, and rolled back with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from alembic_ops.catalog.indexes import definition_of_row
from alembic_ops.catalog.probe import answers, names_in
from alembic_ops.model.index_state import canonical
from sqlalchemy_vecsearch.metrics import index_limit, metric_of_operator_class
from sqlalchemy_vecsearch.quoting import PREPARER, qualified_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from alembic_ops.catalog.probe import Answer, Question
    from alembic_ops.model.index_state import IndexDefinition, IndexState

__all__ = ["Refusal", "Wish", "normal_form", "normalised"]

_NO_DIMENSIONS: Final = -1
"""The type modifier of a type that declares none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A wished index, and what happens to its table before and after it is there: actions of ALTER TABLE as SQL."""

    state: IndexState
    actions: tuple[str, ...] = ()
    actions_after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The server could not create a wished index: its SQLSTATE and its message."""

    state: IndexState
    sqlstate: str
    message: str


def needs_server(definition: IndexDefinition) -> bool:
    """Say whether a declared definition holds SQL whose meaning only the server knows."""
    return definition.expression is not None or definition.predicate is not None


def normalised(
    connection: Connection, wishes: Sequence[Wish], *, extension_schema: str | None = None
) -> list[IndexDefinition | Refusal]:
    """Return the definitions that the server would have after creating the wished indexes, in their order.

    It costs three statements however many the wishes are, less than 1 ms for each that differs from the others in its
    SQL or its columns, and leaves nothing behind: it works on empty temporary copies that are rolled back within the
    statement. Only wishes that hold an expression or a predicate are sent.

    Args:
        connection: a connection of the database that has the tables.
        wishes: the wished indexes; their tables must exist.
        extension_schema: a schema to look for types and operator classes in after the search path.
    """
    asked = [wish for wish in wishes if needs_server(wish.state.definition)]
    questions = _questions(asked, connection.dialect.default_schema_name)
    answers_in_order = iter(answers(connection, questions, extension_schema) if asked else ())
    found: list[IndexDefinition | Refusal] = []
    for wish in wishes:
        definition = wish.state.definition
        answer = _as_if_built(next(answers_in_order)) if needs_server(definition) else None
        if answer is not None and "sqlstate" in answer:
            found.append(Refusal(state=wish.state, sqlstate=answer["sqlstate"], message=answer["message"]))
        elif answer is not None:
            answered = replace(definition_of_row(answer), parameters=definition.parameters)
            found.append(canonical(answered))
        else:
            found.append(canonical(definition))
    return found


_TYPE: Final = text("""
SELECT t.typname AS type, a.atttypmod AS dimensions
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
 WHERE a.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table)
   AND a.attname OPERATOR(pg_catalog.=) CAST(:column AS pg_catalog.text) AND NOT a.attisdropped
""")


def normal_form(connection: Connection, state: IndexState) -> IndexDefinition | Refusal:
    """Return the definition that the server would have after building an index, or what the build would end with.

    One statement for a plain column, whose dimensions are all that may be wrong with it, and three otherwise.

    Args:
        connection: a connection whose search path leads to the vector extension.
        state: the wished index; where its table has no such column, the server has the better words.
    """
    definition = state.definition
    if needs_server(definition):
        return normalised(connection, [Wish(state=state)])[0]
    table = qualified_name(state.schema, state.table_name)
    found = connection.execute(_TYPE, {"table": table, "column": definition.column}).mappings().one_or_none()
    known = metric_of_operator_class(definition.operator_class)
    if found is None or known is None or found["type"] != known[0].value:
        return canonical(definition)
    answer = _as_if_built({"operator_class": definition.operator_class, "method": definition.method, **found})
    if "sqlstate" in answer:
        return Refusal(state=state, sqlstate=answer["sqlstate"], message=answer["message"])
    return canonical(definition)


def _as_if_built(answer: Answer) -> Answer:
    """Return an answer of the server with the errors that only the build would have: the copies hold no rows."""
    known = None if "sqlstate" in answer else metric_of_operator_class(answer["operator_class"])
    if known is None:
        return answer
    limit = index_limit(known[0])
    if answer["dimensions"] == _NO_DIMENSIONS:
        return {"sqlstate": "22023", "message": "column does not have dimensions"}
    if limit is not None and answer["dimensions"] > limit:
        message = f"column cannot have more than {limit} dimensions for {answer['method']} index"
        return {"sqlstate": "54000", "message": message}
    return answer


def _questions(wishes: Sequence[Wish], default_schema: str | None) -> list[Question]:
    copies: dict[tuple[object, ...], str] = {}
    questions: list[Question] = []
    for wish in wishes:
        table = qualified_name(wish.state.schema or default_schema, wish.state.table_name)
        alone = wish.state if wish.actions_after else None  # a copy that changes afterwards serves one index only
        copy = copies.setdefault((table, wish.actions, alone), f"copy {len(copies)}")
        index = _index_sql(wish.state)
        names = [] if wish.actions or wish.actions_after else names_in(index)
        questions.append(
            {
                "table": table,
                "copy": copy,
                "names": names,
                "actions": wish.actions,
                "index": index,
                "actions_after": wish.actions_after,
            }
        )
    return questions


def _index_sql(state: IndexState) -> str:
    definition = state.definition
    element = definition.expression or PREPARER.quote(str(definition.column))
    where = f" WHERE {definition.predicate}" if definition.predicate else ""
    return f"{definition.method} ({element} {definition.operator_class}){where}"
