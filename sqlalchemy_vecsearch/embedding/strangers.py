"""Tables of our names that a stranger has made before us, in a schema where everybody may create."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ARRAY, Text, bindparam, text

from sqlalchemy_vecsearch.embedding.errors import WorkTableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Row

__all__ = ["TABLE_KINDS", "find_kind", "find_stranger", "refuse_tables_of_strangers"]

TABLE_KINDS: Final = frozenset({"r", "p"})
"""What ``pg_class.relkind`` says of a table, and of a partitioned one."""

# Who owns the embedded table, the schema or the database, or may write to the embedded table, is no stranger. A read
# runs policies, and works out the constant parts of the expressions of indexes, of constraints and of statistics.
_TABLES: Final = text("""
SELECT found.name, found.kind, found.owner, found.right_owner, found.is_stranger, found.knows_beside,
       CASE WHEN found.is_stranger THEN found.kind OPERATOR(pg_catalog.=) 'p'::pg_catalog.text
            OR found.has_children OR pg_catalog.row_security_active(found.oid)
            OR EXISTS (SELECT FROM pg_catalog.pg_depend AS held JOIN pg_catalog.pg_depend AS used
                              ON used.classid OPERATOR(pg_catalog.=) held.classid
                              AND used.objid OPERATOR(pg_catalog.=) held.objid
                        WHERE held.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class'::pg_catalog.regclass
                                                                          AS pg_catalog.oid)
                          AND held.refobjid OPERATOR(pg_catalog.=) found.oid
                          AND held.classid OPERATOR(pg_catalog.=) ANY (CAST(
                                CAST('{pg_catalog.pg_class,pg_catalog.pg_constraint,pg_catalog.pg_attrdef,'
                                     'pg_catalog.pg_statistic_ext}' AS pg_catalog.regclass[]) AS pg_catalog.oid[]))
                          AND used.refclassid OPERATOR(pg_catalog.=) ANY (CAST(
                                CAST('{pg_catalog.pg_proc,pg_catalog.pg_operator}' AS pg_catalog.regclass[])
                                AS pg_catalog.oid[])))
       ELSE false END AS runs_when_read
  FROM (SELECT named.name, c.oid, CAST(c.relkind AS pg_catalog.text) AS kind, c.relhassubclass AS has_children,
               r.rolname AS owner, pg_catalog.pg_get_userbyid(COALESCE(b.relowner, d.datdba)) AS right_owner,
               b.oid IS NOT NULL AS knows_beside,
               NOT (r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) CURRENT_USER
                    OR r.oid OPERATOR(pg_catalog.=) n.nspowner OR r.oid OPERATOR(pg_catalog.=) d.datdba
                    OR COALESCE(pg_catalog.pg_has_role(r.oid, b.relowner, 'MEMBER'), false)
                    OR COALESCE(pg_catalog.has_any_column_privilege(r.oid, b.oid, 'UPDATE'), false)) AS is_stranger
          FROM pg_catalog.unnest(:names) AS named (name)
          JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(named.name)
          JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
          JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) c.relowner
          JOIN pg_catalog.pg_database AS d ON d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
          LEFT JOIN pg_catalog.pg_class AS b ON b.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:beside)
       ) AS found
""").bindparams(bindparam("names", type_=ARRAY(Text)), bindparam("beside", type_=Text))


def find_kind(connection: Connection, name: str, *, beside: str | None = None) -> str | None:
    """Return what has the name of one of our tables, as ``pg_class.relkind`` says it, None for nothing.

    Args:
        connection: a connection.
        name: of the table, with its schema, quoted.
        beside: the embedded table, in the same way; None where it is not known yet. Then, as where it is gone, a table
            of a stranger passes if nothing but rows is read from it.

    Raises:
        WorkTableError: it belongs to a stranger.
    """
    for row in connection.execute(_TABLES, {"names": [name], "beside": beside}):
        kind: str = row.kind
        if kind in TABLE_KINDS:
            _refuse(row, beside)
        return kind
    return None


def find_stranger(connection: Connection, name: str) -> str | None:
    """Return the owner of a table who owns neither its schema nor the database; None for this role and superusers."""
    row = connection.execute(_TABLES, {"names": [name], "beside": None}).one_or_none()
    return row.owner if row is not None and row.is_stranger else None


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
    for row in connection.execute(_TABLES, {"names": list(names), "beside": beside}):
        _refuse(row, beside)


def _refuse(row: Row[Any], beside: str | None) -> None:  # Any: a row of _TABLES
    if not row.is_stranger or not (row.knows_beside or row.runs_when_read):
        return
    whose = f"{beside} nor may write to it" if row.knows_beside else "the schema nor the database"
    raise WorkTableError(
        f"The table {row.name} belongs to the role {row.owner!r}, which neither owns {whose}. "
        "What a role has put into its own tables, such as a trigger or a policy, runs with the rights of whoever uses "
        "them. "
        f"Look at what it is. Then let its owner drop it, or run: ALTER TABLE {row.name} OWNER TO {row.right_owner}"
    )
