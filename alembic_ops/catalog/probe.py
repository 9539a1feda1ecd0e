"""What the server makes of SQL: wished indexes and generated columns are created on empty copies, read, and undone.

A refusal is a value, so that one statement answers for all tables.
"""

from __future__ import annotations

import json
import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import text

from alembic_ops.catalog.indexes import search_path_with
from sqlalchemy_vecsearch.names import IDENTIFIER_BYTES
from sqlalchemy_vecsearch.quoting import PREPARER

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
  wishes pg_catalog.jsonb := pg_catalog.current_setting('alembic_ops.wishes');
  answers pg_catalog.text[] := '{}';
  answer pg_catalog.jsonb;
  wish pg_catalog.jsonb;
  place pg_catalog.int4;
  shared pg_catalog.text;
  shape pg_catalog.text;
  last_shape pg_catalog.text;
  columns pg_catalog.text;
  copy pg_catalog.text;
  last_copy pg_catalog.text;
  copied_to pg_catalog.text;
  action pg_catalog.text;
  number pg_catalog.int4 := 0;
BEGIN
  BEGIN
    PERFORM pg_catalog.set_config('client_min_messages', 'warning', true);
    PERFORM pg_catalog.set_config('search_path', wishes OPERATOR(pg_catalog.->>) 'search_path', true)
      WHERE wishes OPERATOR(pg_catalog.->>) 'search_path' IS NOT NULL;
    FOR wish, place, shape, shared IN
      WITH asked AS MATERIALIZED (
        SELECT w.value AS wish, w.position AS place,
               pg_catalog.to_regclass(w.value OPERATOR(pg_catalog.->>) 'table') AS relation
          FROM pg_catalog.jsonb_array_elements(wishes OPERATOR(pg_catalog.->) 'wishes')
               WITH ORDINALITY w(value, position)
      ), words AS MATERIALIZED (
        SELECT asked.place, n.word, a.attname IS NOT NULL AS is_column,
               CASE WHEN a.attname IS NOT NULL THEN pg_catalog.concat(
                   pg_catalog.quote_ident(a.attname), ' ', pg_catalog.format_type(a.atttypid, a.atttypmod),
                   (SELECT pg_catalog.concat(' COLLATE ', CAST(a.attcollation AS pg_catalog.regcollation))
                      FROM pg_catalog.pg_type t
                     WHERE t.oid OPERATOR(pg_catalog.=) a.atttypid
                       AND t.typcollation OPERATOR(pg_catalog.<>) a.attcollation)) END AS definition
          FROM asked CROSS JOIN pg_catalog.jsonb_array_elements_text(asked.wish OPERATOR(pg_catalog.->) 'names') n(word)
          LEFT JOIN pg_catalog.pg_attribute a
            ON a.attrelid OPERATOR(pg_catalog.=) asked.relation AND a.attname OPERATOR(pg_catalog.=) n.word
               AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
      ), meanings AS MATERIALIZED (
        SELECT words.word, pg_catalog.count(DISTINCT words.definition) OPERATOR(pg_catalog.=) 1
                           AND pg_catalog.bool_and(words.is_column) AS one
          FROM words GROUP BY words.word HAVING pg_catalog.bool_or(words.is_column)
      ), needs AS (
        SELECT words.place, pg_catalog.bool_and(meanings.one) AS unambiguous,
               pg_catalog.string_agg(words.definition, ', ' ORDER BY words.word) AS columns
          FROM words JOIN meanings ON meanings.word OPERATOR(pg_catalog.=) words.word GROUP BY words.place
      ), groups AS MATERIALIZED (
        SELECT needs.*, CASE WHEN needs.unambiguous THEN
                   (pg_catalog.dense_rank() OVER alike OPERATOR(pg_catalog.-) 1) OPERATOR(pg_catalog./) 20 END AS number
          FROM needs WINDOW alike AS (PARTITION BY needs.unambiguous ORDER BY needs.columns COLLATE pg_catalog."C")
      ), copies AS (
        SELECT groups.number, pg_catalog.string_agg(DISTINCT words.definition, ', ') AS columns
          FROM groups JOIN words ON words.place OPERATOR(pg_catalog.=) groups.place
         WHERE groups.number IS NOT NULL GROUP BY groups.number
      )
      SELECT asked.wish, asked.place,
             groups.columns OPERATOR(pg_catalog.||) ' '
                 OPERATOR(pg_catalog.||) (asked.wish OPERATOR(pg_catalog.->>) 'index'),
             coalesce(copies.columns, groups.columns)
        FROM asked LEFT JOIN groups ON groups.place OPERATOR(pg_catalog.=) asked.place
        LEFT JOIN copies ON copies.number OPERATOR(pg_catalog.=) groups.number
       ORDER BY coalesce(copies.columns, groups.columns, asked.wish OPERATOR(pg_catalog.->>) 'copy')
                    COLLATE pg_catalog."C", groups.columns COLLATE pg_catalog."C",
                (asked.wish OPERATOR(pg_catalog.->>) 'index') COLLATE pg_catalog."C", asked.place
    LOOP
      IF shape IS NULL OR last_shape IS NULL OR shape OPERATOR(pg_catalog.<>) last_shape THEN
        answer := NULL;
      END IF;
      last_shape := shape;
      FOREACH columns IN ARRAY ARRAY[shared, pg_catalog.format('LIKE %s', wish OPERATOR(pg_catalog.->>) 'table')] LOOP
        CONTINUE WHEN columns IS NULL;
        EXIT WHEN NOT (answer OPERATOR(pg_catalog.?) 'sqlstate');
        number := number OPERATOR(pg_catalog.+) 1;
        copy := CASE WHEN columns OPERATOR(pg_catalog.=) shared THEN columns
                     ELSE wish OPERATOR(pg_catalog.->>) 'copy' END;
        BEGIN
          IF last_copy IS NULL OR copy OPERATOR(pg_catalog.<>) last_copy THEN
            EXECUTE pg_catalog.format('CREATE TEMPORARY TABLE alembic_ops_copy_%s (%s, alembic_ops_key integer)'
                                      ' PARTITION BY LIST (alembic_ops_key)', number, columns);
            FOR action IN SELECT a.value
                FROM pg_catalog.jsonb_array_elements_text(wish OPERATOR(pg_catalog.->) 'actions') a LOOP
              EXECUTE pg_catalog.format('ALTER TABLE pg_temp.alembic_ops_copy_%s %s', number, action);
            END LOOP;
            last_copy := copy;
            copied_to := pg_catalog.concat('alembic_ops_copy_', number);
          END IF;
          BEGIN
            answer := NULL;
            IF wish OPERATOR(pg_catalog.?) 'index' THEN
              EXECUTE pg_catalog.format('CREATE INDEX alembic_ops_probe_%s ON pg_temp.%I USING %s',
                                        number, copied_to, wish OPERATOR(pg_catalog.->>) 'index');
            END IF;
            FOR action IN SELECT a.value
                FROM pg_catalog.jsonb_array_elements_text(wish OPERATOR(pg_catalog.->) 'actions_after') a LOOP
              EXECUTE pg_catalog.format('ALTER TABLE pg_temp.%I %s', copied_to, action);
            END LOOP;
            IF wish OPERATOR(pg_catalog.?) 'index' THEN
              SELECT pg_catalog.jsonb_build_object(
                       'method', m.amname, 'operator_class', o.opcname, 'column_name', a.attname, 'parameters', NULL,
                       'dimensions', (SELECT t.atttypmod FROM pg_catalog.pg_attribute t
                                       WHERE t.attrelid OPERATOR(pg_catalog.=) i.oid
                                         AND t.attnum OPERATOR(pg_catalog.=) 1),
                       'expression', CASE WHEN x.indkey[0] OPERATOR(pg_catalog.=) 0
                                      THEN pg_catalog.pg_get_indexdef(i.oid, 1, true) END,
                       'predicate', pg_catalog.pg_get_expr(x.indpred, x.indrelid, true))
                INTO STRICT answer
                FROM pg_catalog.pg_class i
                JOIN pg_catalog.pg_index x ON x.indexrelid OPERATOR(pg_catalog.=) i.oid
                JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) i.relam
                JOIN pg_catalog.pg_opclass o ON o.oid OPERATOR(pg_catalog.=) x.indclass[0]
                LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) x.indrelid
                                                   AND a.attnum OPERATOR(pg_catalog.=) x.indkey[0]
                                                   AND x.indkey[0] OPERATOR(pg_catalog.<>) 0
               WHERE i.relname OPERATOR(pg_catalog.=) pg_catalog.concat('alembic_ops_probe_', number)
                 AND i.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema();
            ELSE
              SELECT pg_catalog.jsonb_build_object('generated', pg_catalog.pg_get_expr(d.adbin, d.adrelid, true))
                INTO STRICT answer
                FROM pg_catalog.pg_class t
                JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) t.oid
                     AND a.attname OPERATOR(pg_catalog.=) (wish OPERATOR(pg_catalog.->>) 'column')
                JOIN pg_catalog.pg_attrdef d ON d.adrelid OPERATOR(pg_catalog.=) t.oid
                     AND d.adnum OPERATOR(pg_catalog.=) a.attnum
               WHERE t.relname OPERATOR(pg_catalog.=) copied_to
                 AND t.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema();
            END IF;
          EXCEPTION WHEN OTHERS THEN
            answer := pg_catalog.jsonb_build_object('sqlstate', SQLSTATE, 'message', SQLERRM);
          END;
        EXCEPTION WHEN OTHERS THEN
          answer := pg_catalog.jsonb_build_object('sqlstate', SQLSTATE, 'message', SQLERRM);
        END;
      END LOOP;
      answers := pg_catalog.array_append(answers, pg_catalog.format('[%s,%s]', place, answer));
    END LOOP;
    RAISE EXCEPTION USING ERRCODE = 'VSEND';
  EXCEPTION WHEN SQLSTATE 'VSEND' THEN
    NULL;
  END;
  PERFORM pg_catalog.set_config('alembic_ops.answers',
                                pg_catalog.concat('[', pg_catalog.array_to_string(answers, ','), ']'), false);
END
$probe$
""".replace(":=", r"\:=").replace("::", r"\:\:")
)

_SEND: Final = text("SELECT pg_catalog.set_config('alembic_ops.wishes', :wishes, false)")
_FETCH: Final = text(
    "SELECT pg_catalog.current_setting('alembic_ops.answers'),"
    " pg_catalog.set_config('alembic_ops.answers', '', false), pg_catalog.set_config('alembic_ops.wishes', '', false)"
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
        current = connection.scalar(text("SELECT pg_catalog.current_setting('search_path')"))
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
