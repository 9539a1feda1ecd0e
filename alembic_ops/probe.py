"""What the server makes of SQL: wished indexes and generated columns are created on empty copies, read, and undone.

A refusal is a value here, so that one statement answers for all tables; an operation, which asks about one index and
has to end with the error of the server, asks in ``facts``.
"""

from __future__ import annotations

import json
import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import text

from alembic_ops.catalog import search_path_with
from alembic_ops.quoting import PREPARER
from sqlalchemy_vecsearch.names import IDENTIFIER_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

__all__ = ["NO_TEMPORARY_TABLES", "Answer", "Question", "answers", "names_in"]

Question: TypeAlias = dict[str, object]
"""``table``, its quoted name, and ``copy``, a key that questions share whose copies may be one.

``actions`` and ``actions_after`` are actions of ALTER TABLE, for before and after the index. ``index`` is SQL from the
method on, and ``names`` are the words of that SQL, the columns among them; or ``column`` names a generated column.
"""

Answer: TypeAlias = dict[str, Any]  # Any: a JSON object
"""The row of the catalog, or ``sqlstate`` and ``message``."""

NO_TEMPORARY_TABLES: Final = frozenset({"25006", "42501"})
"""The SQLSTATE of an answer in a read-only transaction, and where a privilege is missing."""

_WORDS: Final = re.compile(r"""'(?:[^']|'')*'|"(?P<quoted>(?:[^"]|"")+)"|(?P<bare>[^\W\d][\w$]*)""")
_HARD_TO_READ: Final = re.compile(r"u&|\\|--|/\*|\$\w*\$", re.IGNORECASE)
"""Names with escapes, strings with escapes, comments, strings in dollars."""
_CAPITALS: Final = re.compile("[A-Z]+")

# An index over the same SQL and columns of the same names and types is the same in every table, so that it is created
# only once: on a copy of those columns alone, or where that does not do, of the whole table. A copy serves 20 sets of
# columns where each word of their SQL is the same column, of one type, in every question that has it: so no column of
# one set can mean something in the SQL of another. Questions are asked in an order in which those that share a copy or
# an answer follow each other, so that only the last of each is kept.
# A partitioned table without partitions has no storage, so that neither it nor its indexes cost more than catalog rows.
# Variables of PL/pgSQL outlive a subtransaction, tables do not: so everything is undone before the answers are kept.
_PROBE: Final = text(
    """
DO $probe$
DECLARE
  wishes jsonb := pg_catalog.current_setting('alembic_ops.wishes');
  answers text[] := '{}';
  answer jsonb;
  wish jsonb;
  place integer;
  shared text;
  shape text;
  last_shape text;
  columns text;
  copy text;
  last_copy text;
  copied_to text;
  action text;
  number integer := 0;
BEGIN
  BEGIN
    PERFORM pg_catalog.set_config('client_min_messages', 'warning', true);
    PERFORM pg_catalog.set_config('search_path', wishes->>'search_path', true)
      WHERE wishes->>'search_path' IS NOT NULL;
    FOR wish, place, shape, shared IN
      WITH asked AS MATERIALIZED (
        SELECT w.value AS wish, w.position AS place, pg_catalog.to_regclass(w.value->>'table') AS relation
          FROM pg_catalog.jsonb_array_elements(wishes->'wishes') WITH ORDINALITY w(value, position)
      ), words AS MATERIALIZED (
        SELECT asked.place, n.word, a.attname IS NOT NULL AS is_column,
               pg_catalog.quote_ident(a.attname) || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
               || CASE WHEN a.attcollation <> (SELECT t.typcollation FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid)
                       THEN ' COLLATE ' || a.attcollation::pg_catalog.regcollation ELSE '' END AS definition
          FROM asked CROSS JOIN pg_catalog.jsonb_array_elements_text(asked.wish->'names') n(word)
          LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = asked.relation AND a.attname = n.word
                                             AND a.attnum > 0 AND NOT a.attisdropped
      ), meanings AS MATERIALIZED (
        SELECT words.word, count(DISTINCT words.definition) = 1 AND bool_and(words.is_column) AS one
          FROM words GROUP BY words.word HAVING bool_or(words.is_column)
      ), needs AS (
        SELECT words.place, bool_and(meanings.one) AS unambiguous,
               pg_catalog.string_agg(words.definition, ', ' ORDER BY words.word) AS columns
          FROM words JOIN meanings USING (word) GROUP BY words.place
      ), groups AS MATERIALIZED (
        SELECT needs.*, CASE WHEN needs.unambiguous THEN (dense_rank() OVER alike - 1) / 20 END AS number
          FROM needs WINDOW alike AS (PARTITION BY needs.unambiguous ORDER BY needs.columns COLLATE "C")
      ), copies AS (
        SELECT groups.number, pg_catalog.string_agg(DISTINCT words.definition, ', ') AS columns
          FROM groups JOIN words USING (place) WHERE groups.number IS NOT NULL GROUP BY groups.number
      )
      SELECT asked.wish, asked.place, groups.columns || ' ' || (asked.wish->>'index'),
             coalesce(copies.columns, groups.columns)
        FROM asked LEFT JOIN groups USING (place) LEFT JOIN copies USING (number)
       ORDER BY coalesce(copies.columns, groups.columns, asked.wish->>'copy') COLLATE "C",
                groups.columns COLLATE "C", asked.wish->>'index' COLLATE "C", asked.place
    LOOP
      IF shape IS NULL OR shape IS DISTINCT FROM last_shape THEN
        answer := NULL;
      END IF;
      last_shape := shape;
      FOREACH columns IN ARRAY ARRAY[shared, pg_catalog.format('LIKE %s', wish->>'table')] LOOP
        CONTINUE WHEN columns IS NULL;
        EXIT WHEN NOT answer ? 'sqlstate';
        number := number + 1;
        copy := CASE WHEN columns = shared THEN columns ELSE wish->>'copy' END;
        BEGIN
          IF copy IS DISTINCT FROM last_copy THEN
            EXECUTE pg_catalog.format('CREATE TEMPORARY TABLE %I (%s, alembic_ops_key integer)'
                                      ' PARTITION BY LIST (alembic_ops_key)', 'alembic_ops_copy_' || number, columns);
            FOR action IN SELECT a.value FROM pg_catalog.jsonb_array_elements_text(wish->'actions') a LOOP
              EXECUTE pg_catalog.format('ALTER TABLE pg_temp.%I %s', 'alembic_ops_copy_' || number, action);
            END LOOP;
            last_copy := copy;
            copied_to := 'alembic_ops_copy_' || number;
          END IF;
          BEGIN
            answer := NULL;
            IF wish ? 'index' THEN
              EXECUTE pg_catalog.format('CREATE INDEX %I ON pg_temp.%I USING %s', 'alembic_ops_probe_' || number,
                                        copied_to, wish->>'index');
            END IF;
            FOR action IN SELECT a.value FROM pg_catalog.jsonb_array_elements_text(wish->'actions_after') a LOOP
              EXECUTE pg_catalog.format('ALTER TABLE pg_temp.%I %s', copied_to, action);
            END LOOP;
            IF wish ? 'index' THEN
              SELECT pg_catalog.jsonb_build_object(
                       'method', m.amname, 'operator_class', o.opcname, 'column_name', a.attname, 'parameters', NULL,
                       'dimensions', (SELECT t.atttypmod FROM pg_catalog.pg_attribute t
                                       WHERE t.attrelid = i.oid AND t.attnum = 1),
                       'expression', CASE WHEN x.indkey[0] = 0 THEN pg_catalog.pg_get_indexdef(i.oid, 1, true) END,
                       'predicate', pg_catalog.pg_get_expr(x.indpred, x.indrelid, true))
                INTO STRICT answer
                FROM pg_catalog.pg_class i
                JOIN pg_catalog.pg_index x ON x.indexrelid = i.oid
                JOIN pg_catalog.pg_am m ON m.oid = i.relam
                JOIN pg_catalog.pg_opclass o ON o.oid = x.indclass[0]
                LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
                                                   AND x.indkey[0] <> 0
               WHERE i.relname = 'alembic_ops_probe_' || number
                 AND i.relnamespace = pg_catalog.pg_my_temp_schema();
            ELSE
              SELECT pg_catalog.jsonb_build_object('generated', pg_catalog.pg_get_expr(d.adbin, d.adrelid, true))
                INTO STRICT answer
                FROM pg_catalog.pg_class t
                JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attname = wish->>'column'
                JOIN pg_catalog.pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
               WHERE t.relname = copied_to AND t.relnamespace = pg_catalog.pg_my_temp_schema();
            END IF;
          EXCEPTION WHEN OTHERS THEN
            answer := pg_catalog.jsonb_build_object('sqlstate', SQLSTATE, 'message', SQLERRM);
          END;
        EXCEPTION WHEN OTHERS THEN
          answer := pg_catalog.jsonb_build_object('sqlstate', SQLSTATE, 'message', SQLERRM);
        END;
      END LOOP;
      answers := answers || pg_catalog.format('[%s,%s]', place, answer::text);
    END LOOP;
    RAISE EXCEPTION USING ERRCODE = 'VSEND';
  EXCEPTION WHEN SQLSTATE 'VSEND' THEN
    NULL;
  END;
  PERFORM pg_catalog.set_config('alembic_ops.answers', '[' || pg_catalog.array_to_string(answers, ',') || ']', false);
END
$probe$
""".replace(":=", r"\:=").replace("::", r"\:\:")
)

_SEND: Final = text("SELECT set_config('alembic_ops.wishes', :wishes, false), current_setting('search_path')")
_FETCH: Final = text(
    "SELECT current_setting('alembic_ops.answers'), set_config('alembic_ops.answers', '', false),"
    " set_config('alembic_ops.wishes', '', false)"
)


def answers(connection: Connection, questions: Sequence[Question], extension_schema: str | None) -> list[Answer]:
    """Return what the catalog says of each wished index or column, in the order of the questions.

    Three statements, however many the questions are, which leave nothing behind; less than 1 ms for each different one.

    Args:
        connection: a connection of the database that has the tables.
        questions: what to create and to read.
        extension_schema: a schema to look for types and operator classes in after the search path.
    """
    search_path = None
    if extension_schema is not None:
        current = connection.scalar(text("SELECT current_setting('search_path')"))
        search_path = search_path_with(str(current), PREPARER.quote(extension_schema))
    connection.execute(_SEND, {"wishes": json.dumps({"search_path": search_path, "wishes": questions})})
    connection.execute(_PROBE)
    found: list[tuple[int, Answer]] = json.loads(str(connection.scalar(_FETCH)))
    return [answer for _, answer in sorted(found, key=itemgetter(0))]


def names_in(sql: str) -> list[str]:
    """Return every word of SQL that may be the name of a column, as the catalog would spell it.

    Nothing is returned where only the server can tell the words: in the presence of escapes, comments, strings in
    dollars, and words that are too long for a name.
    """
    if _HARD_TO_READ.search(sql):
        return []
    names: set[str] = set()
    for word in _WORDS.finditer(sql):
        if word["quoted"]:
            names.add(word["quoted"].replace('""', '"'))
        elif word["bare"]:  # whether letters beyond ASCII become small depends on the encoding of the database
            names |= {word["bare"].lower(), _CAPITALS.sub(lambda found: found[0].lower(), word["bare"])}
    return [] if any(len(name.encode()) > IDENTIFIER_BYTES for name in names) else sorted(names)
