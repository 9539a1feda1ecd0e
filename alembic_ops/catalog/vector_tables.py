"""What the server says of a table that stores vectors, before a stock operation changes it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from alembic_ops.sql.statements import verbatim
from sqlalchemy_vecsearch.quoting import qualified_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

__all__ = ["COPY", "COPY_SCHEMA", "VectorTable", "find_vector_table", "is_rewritten"]

COPY: Final = "alembic_ops_copy"
"""The name of the empty copy that :func:`is_rewritten` lets a change be made to."""

COPY_SCHEMA: Final = "pg_temp"


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorTable:
    """A table with columns of vectors, or with a vector index.

    ``vectors`` names those columns. ``has_rows`` is False for a table that this transaction has created: nobody else
    knows it yet. ``sql_name`` is its qualified name.
    """

    sql_name: str
    vectors: frozenset[str]
    has_rows: bool


# A table keeps the row of the catalog that its row type got when it was created; later changes write its own anew.
_TABLE: Final = text("""
SELECT n.nspname AS schema, t.relname AS name, x.vectors,
       COALESCE(y.xmin OPERATOR(pg_catalog.=)
                CAST(pg_catalog.pg_current_xact_id_if_assigned() AS pg_catalog.xid), false) AS is_new,
       pg_catalog.row_security_active(t.oid) OR NOT pg_catalog.has_table_privilege(
           t.oid, CAST('SELECT' AS pg_catalog.text)) AS hides_rows,
       pg_catalog.pg_relation_size(t.oid) OPERATOR(pg_catalog.>) 0 OR EXISTS (
           SELECT FROM pg_catalog.pg_partition_tree(t.oid) p
            WHERE pg_catalog.pg_relation_size(p.relid) OPERATOR(pg_catalog.>) 0) AS has_pages
  FROM pg_catalog.pg_class t
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
  JOIN pg_catalog.pg_type y ON y.oid OPERATOR(pg_catalog.=) t.reltype
 CROSS JOIN LATERAL (
       SELECT pg_catalog.array_agg(CAST(a.attname AS pg_catalog.text)) AS vectors
         FROM pg_catalog.pg_attribute a
         JOIN pg_catalog.pg_type v ON v.oid OPERATOR(pg_catalog.=) a.atttypid
         JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) ANY (ARRAY[v.oid, v.typelem, v.typbasetype])
              AND d.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_type' AS pg_catalog.regclass)
              AND d.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_extension' AS pg_catalog.regclass)
              AND d.deptype OPERATOR(pg_catalog.=) CAST('e' AS pg_catalog."char")
         JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
        WHERE a.attrelid OPERATOR(pg_catalog.=) t.oid AND a.attnum OPERATOR(pg_catalog.>) 0
          AND NOT a.attisdropped AND e.extname OPERATOR(pg_catalog.=) 'vector') x
 WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table)
   AND t.relkind OPERATOR(pg_catalog.=) ANY (CAST('{r,p,m}' AS pg_catalog."char"[]))
   AND (x.vectors IS NOT NULL OR EXISTS (
       SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
         JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) c.relam
        WHERE i.indrelid OPERATOR(pg_catalog.=) t.oid
          AND m.amname OPERATOR(pg_catalog.=) ANY (CAST('{hnsw,ivfflat}' AS pg_catalog.name[]))))
""")

_FILE: Final = text(f"""
SELECT t.relfilenode FROM pg_catalog.pg_class t
 WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('{COPY_SCHEMA}.{COPY}')
""")  # noqa: S608  # the names are constants


def find_vector_table(connection: Connection, table_name: str, schema: str | None) -> VectorTable | None:
    """Return a table that stores vectors, None where there is none of that name, at the cost of two queries."""
    schemas = connection.get_execution_options().get("schema_translate_map") or {}
    name = qualified_name(schemas.get(schema, schema), table_name)
    row = connection.execute(_TABLE, {"table": name}).one_or_none()
    if row is None:
        return None
    sql_name = qualified_name(row.schema, row.name)
    has_rows = not row.is_new and row.has_pages
    if has_rows and not row.hides_rows:
        some = verbatim(f"SELECT EXISTS (SELECT FROM {sql_name})")  # noqa: S608  # the name is quoted
        has_rows = bool(connection.scalar(some))
    return VectorTable(sql_name=sql_name, vectors=frozenset(row.vectors or ()), has_rows=has_rows)


def is_rewritten(connection: Connection, table: VectorTable, change: Callable[[], None]) -> bool:
    """Say whether the server writes a table anew for a change, by making it to an empty copy, which is undone.

    False where the server refuses the change or the copy: it says so by itself.

    Args:
        connection: the one that ``change`` uses.
        table: what is copied, the names and types of its columns alone.
        change: makes the change to the table ``COPY`` of the schema ``COPY_SCHEMA``.
    """
    try:
        with _undone(connection):
            connection.execute(verbatim(f"CREATE TEMPORARY TABLE {COPY} (LIKE {table.sql_name})"))
            before = connection.scalar(_FILE)
            change()
            return bool(connection.scalar(_FILE) != before)
    except DBAPIError:
        return False


@contextmanager
def _undone(connection: Connection) -> Iterator[None]:
    """Undo what a block does: by a savepoint, or in an ``autocommit_block()`` by a transaction of its own."""
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN")
        try:
            yield
        finally:
            connection.exec_driver_sql("ROLLBACK")
        return
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()
