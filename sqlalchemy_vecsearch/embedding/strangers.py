"""Tables of our names that a stranger has made before us, in a schema where everybody may create."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import ARRAY, Text, bindparam, text

from sqlalchemy_vecsearch.embedding.errors import WorkTableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

__all__ = ["refuse_tables_of_strangers"]

# Who owns the embedded table, the schema or the database, or may write to the embedded table, is no stranger.
_OF_STRANGERS: Final = text("""
SELECT named.name, r.rolname AS owner, b.relowner_name AS right_owner
  FROM pg_catalog.unnest(:names) AS named (name)
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(named.name)
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) c.relowner
  JOIN pg_catalog.pg_database AS d ON d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
  JOIN (SELECT t.oid, t.relowner, pg_catalog.pg_get_userbyid(t.relowner) AS relowner_name FROM pg_catalog.pg_class AS t
         WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:beside)) AS b ON true
 WHERE NOT (r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) CURRENT_USER
            OR r.oid OPERATOR(pg_catalog.=) ANY (ARRAY[b.relowner, n.nspowner, d.datdba])
            OR pg_catalog.pg_has_role(r.oid, b.relowner, 'MEMBER')
            OR pg_catalog.has_any_column_privilege(r.oid, b.oid, 'UPDATE'))
""").bindparams(bindparam("names", type_=ARRAY(Text)))


def refuse_tables_of_strangers(connection: Connection, names: Iterable[str], *, beside: str) -> None:
    """Refuse tables that belong to a role which has nothing to do with the embedded table, at the cost of one query.

    Up to PostgreSQL 14 every role may create in the schema ``public``. Whoever makes one of these tables before the
    application does has its triggers, its constraints and its policies run with the rights of the worker, and writes
    into the journal which SQL a worker embeds.

    Args:
        connection: a connection.
        names: of the tables, with their schemas, quoted; those that are not there are passed over.
        beside: the embedded table, in the same way.

    Raises:
        WorkTableError: one belongs to a stranger.
    """
    for row in connection.execute(_OF_STRANGERS, {"names": list(names), "beside": beside}):
        raise WorkTableError(
            f"The table {row.name} belongs to the role {row.owner!r}, which neither owns {beside} nor may write to it. "
            "What a role has put into its own tables, such as a trigger, runs with the rights of whoever uses them. "
            f"Look at what it is. Then let its owner drop it, or run: ALTER TABLE {row.name} OWNER TO {row.right_owner}"
        )
