"""Which publications send a table to the subscribers of logical replication."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import ARRAY, Text, bindparam, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

__all__ = ["PUBLICATIONS", "find_publications"]

# The view knows publications of all tables and of schemas; what is published through its root is listed there as the
# root, and otherwise as its leaves. Lists of columns came with PostgreSQL 15: read as jsonb, a column that the catalog
# of 14 has not is one that says nothing.
PUBLICATIONS: Final = text("""
WITH RECURSIVE given AS (
    SELECT CAST(t.oid AS pg_catalog.oid) AS oid FROM pg_catalog.pg_class t
     WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table)
), below AS (
    SELECT given.oid FROM given
    UNION ALL
    SELECT h.inhrelid FROM below JOIN pg_catalog.pg_inherits h ON h.inhparent OPERATOR(pg_catalog.=) below.oid
), above AS (
    SELECT given.oid FROM given
    UNION ALL
    SELECT h.inhparent FROM above
      JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) above.oid AND c.relispartition
      JOIN pg_catalog.pg_inherits h ON h.inhrelid OPERATOR(pg_catalog.=) above.oid
), related AS (
    SELECT below.oid FROM below UNION ALL SELECT above.oid FROM above
)
SELECT DISTINCT p.pubname AS name
  FROM pg_catalog.pg_publication_tables p
  JOIN pg_catalog.pg_publication b ON b.pubname OPERATOR(pg_catalog.=) p.pubname
  JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) p.schemaname
  JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) n.oid
   AND c.relname OPERATOR(pg_catalog.=) p.tablename
  JOIN related ON related.oid OPERATOR(pg_catalog.=) c.oid
 WHERE NOT EXISTS (
           SELECT FROM pg_catalog.pg_publication_rel r JOIN related listed
                    ON listed.oid OPERATOR(pg_catalog.=) r.prrelid
            WHERE r.prpubid OPERATOR(pg_catalog.=) b.oid
              AND pg_catalog.jsonb_typeof(
                      pg_catalog.to_jsonb(r) OPERATOR(pg_catalog.->) CAST('prattrs' AS pg_catalog.text))
                  OPERATOR(pg_catalog.<>) CAST('null' AS pg_catalog.text))
    OR EXISTS (
           SELECT FROM pg_catalog.jsonb_array_elements_text(
                           pg_catalog.to_jsonb(p) OPERATOR(pg_catalog.->) CAST('attnames' AS pg_catalog.text)) published
            WHERE published OPERATOR(pg_catalog.=) ANY (CAST(:columns AS pg_catalog.text[])))
 ORDER BY 1
""").bindparams(bindparam("columns", type_=ARRAY(Text)))


def find_publications(connection: Connection, table: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the publications that a table is in, itself, by a partition or by a partitioned table, with columns of it.

    Those that list their columns and have none of these are left out. Costs one query.

    Args:
        connection: a connection.
        table: the name of the table with its schema, quoted.
        columns: columns of the table; with none of them only publications of whole rows are returned.
    """
    rows = connection.execute(PUBLICATIONS, {"table": table, "columns": list(columns)})
    return tuple(str(row.name) for row in rows)
