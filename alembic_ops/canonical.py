"""Definitions in the one form that two sides can be compared in.

Defaults are filled in and operator classes lose their schema. What an expression or a predicate means is for the server
to say: the wished index is created on an empty temporary copy of its table, read back, and rolled back with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from alembic_ops.catalog import definition_of_row, search_path_with
from alembic_ops.quoting import PREPARER
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from alembic_ops.state import IndexDefinition, IndexState

__all__ = ["Refusal", "Wish", "canonical", "normalised"]

_DEFAULTS: Final = {HNSW.name: HNSW.defaults, IVFFlat.name: IVFFlat.defaults}


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


def canonical(definition: IndexDefinition) -> IndexDefinition:
    """Return a definition with the server's defaults filled in and the operator class without its schema. Pure."""
    filled = dict(_DEFAULTS.get(definition.method, {})) | dict(definition.parameters)
    return replace(
        definition,
        operator_class=definition.operator_class.rpartition(".")[2].strip('"'),
        parameters=tuple(sorted(filled.items())),
    )


def needs_server(definition: IndexDefinition) -> bool:
    """Say whether a declared definition holds SQL whose meaning only the server knows."""
    return definition.expression is not None or definition.predicate is not None


def normalised(
    connection: Connection, wishes: Sequence[Wish], *, extension_schema: str | None = None
) -> list[IndexDefinition | Refusal]:
    """Return the definitions that the server would have after creating the wished indexes, in their order.

    It costs three statements however many the wishes are, about 1 ms a wish, and leaves nothing behind: it works on
    empty temporary copies that are rolled back within the statement. Only wishes that hold an expression or a predicate
    are sent.

    Args:
        connection: a connection of the database that has the tables.
        wishes: the wished indexes; their tables must exist.
        extension_schema: a schema to look for types and operator classes in after the search path.
    """
    asked = [wish for wish in wishes if needs_server(wish.state.definition)]
    answers = iter(_ask(connection, asked, extension_schema)) if asked else iter(())
    found: list[IndexDefinition | Refusal] = []
    for wish in wishes:
        definition = wish.state.definition
        answer = next(answers) if needs_server(definition) else None
        if answer is not None and "sqlstate" in answer:
            found.append(Refusal(state=wish.state, sqlstate=answer["sqlstate"], message=answer["message"]))
        elif answer is not None:
            answered = replace(definition_of_row(answer), parameters=definition.parameters)
            found.append(canonical(answered))
        else:
            found.append(canonical(definition))
    return found


# A partitioned table without partitions has no storage, so that neither it nor its indexes cost more than catalog rows.
# Variables of PL/pgSQL outlive a subtransaction, tables do not: so everything is undone before the answers are kept.
_PROBE: Final = text(
    """
DO $probe$
DECLARE
  wishes jsonb := pg_catalog.current_setting('alembic_ops.wishes');
  answers jsonb := '[]';
  copies jsonb := '{}';
  answer jsonb;
  wish jsonb;
  action text;
  number integer := 0;
BEGIN
  BEGIN
    PERFORM pg_catalog.set_config('client_min_messages', 'warning', true);
    PERFORM pg_catalog.set_config('search_path', wishes->>'search_path', true)
      WHERE wishes->>'search_path' IS NOT NULL;
    FOR wish IN SELECT w.value FROM pg_catalog.jsonb_array_elements(wishes->'wishes') w LOOP
      number := number + 1;
      BEGIN
        IF NOT copies ? (wish->>'copy') THEN
          EXECUTE pg_catalog.format('CREATE TEMPORARY TABLE %I (LIKE %s, alembic_ops_key integer)'
                                    ' PARTITION BY LIST (alembic_ops_key)', wish->>'copy', wish->>'table');
          FOR action IN SELECT a.value FROM pg_catalog.jsonb_array_elements_text(wish->'actions') a LOOP
            EXECUTE pg_catalog.format('ALTER TABLE pg_temp.%I %s', wish->>'copy', action);
          END LOOP;
          copies := copies || pg_catalog.jsonb_build_object(wish->>'copy', true);
        END IF;
        BEGIN
          EXECUTE pg_catalog.format('CREATE INDEX %I ON pg_temp.%I USING %s', 'alembic_ops_probe_' || number,
                                    wish->>'copy', wish->>'index');
          FOR action IN SELECT a.value FROM pg_catalog.jsonb_array_elements_text(wish->'actions_after') a LOOP
            EXECUTE pg_catalog.format('ALTER TABLE pg_temp.%I %s', wish->>'copy', action);
          END LOOP;
          SELECT pg_catalog.jsonb_build_object(
                   'method', m.amname, 'operator_class', o.opcname, 'column_name', a.attname, 'parameters', NULL,
                   'expression', CASE WHEN x.indkey[0] = 0 THEN pg_catalog.pg_get_indexdef(i.oid, 1, true) END,
                   'predicate', pg_catalog.pg_get_expr(x.indpred, x.indrelid, true))
            INTO STRICT answer
            FROM pg_catalog.pg_class i
            JOIN pg_catalog.pg_index x ON x.indexrelid = i.oid
            JOIN pg_catalog.pg_am m ON m.oid = i.relam
            JOIN pg_catalog.pg_opclass o ON o.oid = x.indclass[0]
            LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
                                               AND x.indkey[0] <> 0
           WHERE i.relname = 'alembic_ops_probe_' || number AND i.relnamespace = pg_catalog.pg_my_temp_schema();
        EXCEPTION WHEN OTHERS THEN
          answer := pg_catalog.jsonb_build_object('sqlstate', SQLSTATE, 'message', SQLERRM);
        END;
      EXCEPTION WHEN OTHERS THEN
        answer := pg_catalog.jsonb_build_object('sqlstate', SQLSTATE, 'message', SQLERRM);
      END;
      answers := answers || pg_catalog.jsonb_build_array(answer);
    END LOOP;
    RAISE EXCEPTION USING ERRCODE = 'VSEND';
  EXCEPTION WHEN SQLSTATE 'VSEND' THEN
    NULL;
  END;
  PERFORM pg_catalog.set_config('alembic_ops.answers', answers::text, false);
END
$probe$
""".replace(":=", r"\:=").replace("::", r"\:\:")
)

_SEND: Final = text("SELECT set_config('alembic_ops.wishes', :wishes, false), current_setting('search_path')")
_FETCH: Final = text(
    "SELECT current_setting('alembic_ops.answers'), set_config('alembic_ops.answers', '', false),"
    " set_config('alembic_ops.wishes', '', false)"
)


def _ask(
    connection: Connection, wishes: Sequence[Wish], extension_schema: str | None
) -> list[dict[str, Any]]:  # Any: a JSON object
    search_path = None
    if extension_schema is not None:
        current = connection.scalar(text("SELECT current_setting('search_path')"))
        search_path = search_path_with(str(current), PREPARER.quote(extension_schema))
    default = connection.dialect.default_schema_name
    message = {"search_path": search_path, "wishes": _messages(wishes, default)}
    connection.execute(_SEND, {"wishes": json.dumps(message)})
    connection.execute(_PROBE)
    answers: list[dict[str, Any]] = json.loads(str(connection.scalar(_FETCH)))
    return answers


def _messages(wishes: Sequence[Wish], default_schema: str | None) -> list[dict[str, Any]]:
    copies: dict[tuple[object, ...], str] = {}
    messages = []
    for wish in wishes:
        table = _qualified(wish.state.schema or default_schema, wish.state.table_name)
        alone = wish.state if wish.actions_after else None  # a copy that changes afterwards serves one index only
        copy = copies.setdefault((table, wish.actions, alone), f"alembic_ops_copy_{len(copies)}")
        message = {"copy": copy, "table": table, "actions": wish.actions, "actions_after": wish.actions_after}
        messages.append(message | {"index": _index_sql(wish.state)})
    return messages


def _qualified(schema: str | None, name: str) -> str:
    quoted = PREPARER.quote(name)
    return f"{PREPARER.quote(schema)}.{quoted}" if schema else quoted


def _index_sql(state: IndexState) -> str:
    definition = state.definition
    element = definition.expression or PREPARER.quote(str(definition.column))
    where = f" WHERE {definition.predicate}" if definition.predicate else ""
    return f"{definition.method} ({element} {definition.operator_class}){where}"
