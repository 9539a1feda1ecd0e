"""What the catalog says about columns of a table and what is tied to their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import ARRAY, Text, bindparam, text

from alembic_ops.catalog.publications import find_publications
from alembic_ops.sql.statements import verbatim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

__all__ = [
    "COLUMNS",
    "PRIVILEGES",
    "TABLE",
    "TREE",
    "ColumnFacts",
    "FoundColumn",
    "columns_of_tree",
    "find_columns",
    "find_table",
    "observe_column",
    "running_build",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Privilege:
    """A column privilege: ``grantee`` is quoted, or PUBLIC; ``grantor`` is None where the owner has granted it."""

    privilege: str
    grantee: str
    grantable: bool
    grantor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundColumn:
    """A column with what PostgreSQL ties to its number, and not to its name.

    ``statistics`` is the target of ANALYZE, -1 for that of the server; ``options`` such as ``n_distinct=-0.5`` overrule
    what ANALYZE finds. ``storage`` and ``compression`` are None where they are the default of the type and the server;
    ``usual_storage`` is the default of the type.
    """

    name: str
    number: int
    type: str
    required: bool
    default: str | None
    comment: str | None
    statistics: int = -1
    options: tuple[str, ...] = ()
    storage: str | None = None
    usual_storage: str = "EXTERNAL"
    compression: str | None = None
    privileges: tuple[Privilege, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """A column and its table.

    ``oid`` is None where there is no such table, ``column`` where it has no such column. ``proven`` says whether the
    constraint that proves the column to have no NULL is validated, None where there is none. ``has_rows`` is told where
    it was asked for. ``publications`` send whole rows of the table to subscribers.
    """

    oid: int | None
    column: FoundColumn | None = None
    proven: bool | None = None
    has_rows: bool = False
    publications: tuple[str, ...] = ()


_NAMES: Final = bindparam("names", type_=ARRAY(Text))

TABLE: Final = text("""
SELECT t.oid, t.relkind OPERATOR(pg_catalog.=) 'p' OR t.relispartition OR EXISTS (
           SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent OPERATOR(pg_catalog.=) t.oid
              OR h.inhrelid OPERATOR(pg_catalog.=) t.oid) AS has_relatives
  FROM pg_catalog.pg_class t WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table)
""")

TREE: Final = """
WITH RECURSIVE tree AS (
    SELECT CAST(t.oid AS pg_catalog.oid) AS oid FROM pg_catalog.pg_class t
     WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table)
     UNION
    SELECT h.inhrelid FROM tree JOIN pg_catalog.pg_inherits h ON h.inhparent OPERATOR(pg_catalog.=) tree.oid
)"""
"""The table, its partitions and children at any depth."""

COLUMNS: Final = text(f"""{TREE}
SELECT a.attrelid AS relation, a.attname AS name, a.attnum AS number,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS required, pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default_,
       pg_catalog.col_description(a.attrelid, a.attnum) AS comment,
       coalesce(a.attstattarget, -1) AS statistics,
       coalesce(a.attoptions, CAST('{{}}' AS pg_catalog.text[])) AS options,
       CASE WHEN a.attstorage OPERATOR(pg_catalog.<>) t.typstorage
            THEN CAST(a.attstorage AS pg_catalog.text) END AS storage,
       CAST(t.typstorage AS pg_catalog.text) AS usual_storage,
       CASE WHEN a.attcompression OPERATOR(pg_catalog.<>) CAST('' AS pg_catalog."char")
            THEN CAST(a.attcompression AS pg_catalog.text) END AS compression
  FROM tree JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) tree.oid
  JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid OPERATOR(pg_catalog.=) a.attrelid
     AND d.adnum OPERATOR(pg_catalog.=) a.attnum
 WHERE a.attname OPERATOR(pg_catalog.=) ANY (:names) AND NOT a.attisdropped
""").bindparams(_NAMES)  # noqa: S608  # the parts are constants

# Who grants what another has granted him can do so only after him: by the length of that chain.
PRIVILEGES: Final = text(f"""{TREE}, granted AS (
    SELECT a.attrelid AS relation, a.attname AS name, x.*, t.relowner
      FROM tree JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) tree.oid
      JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) tree.oid, pg_catalog.aclexplode(a.attacl) x
     WHERE a.attname OPERATOR(pg_catalog.=) ANY (:names) AND NOT a.attisdropped
), chain AS (
    SELECT g.relation, g.name, g.privilege_type, g.relowner AS role, 0 AS length FROM granted g
     UNION
    SELECT g.relation, g.name, g.privilege_type, g.grantee, chain.length OPERATOR(pg_catalog.+) 1
      FROM chain JOIN granted g ON g.relation OPERATOR(pg_catalog.=) chain.relation
       AND g.name OPERATOR(pg_catalog.=) chain.name AND g.privilege_type OPERATOR(pg_catalog.=) chain.privilege_type
       AND g.grantor OPERATOR(pg_catalog.=) chain.role AND g.is_grantable
       AND g.grantee OPERATOR(pg_catalog.<>) chain.role
)
SELECT g.relation, g.name, g.privilege_type AS privilege, g.is_grantable AS grantable,
       CASE WHEN g.grantee OPERATOR(pg_catalog.=) CAST(0 AS pg_catalog.oid) THEN 'PUBLIC'
            ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END AS grantee,
       CASE WHEN g.grantor OPERATOR(pg_catalog.<>) g.relowner
            THEN pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantor)) END AS grantor
  FROM granted g
 ORDER BY 1, 2,
       (SELECT pg_catalog.min(c.length) FROM chain c
         WHERE c.relation OPERATOR(pg_catalog.=) g.relation AND c.name OPERATOR(pg_catalog.=) g.name
           AND c.privilege_type OPERATOR(pg_catalog.=) g.privilege_type
           AND c.role OPERATOR(pg_catalog.=) g.grantor) NULLS FIRST, 3, 5
""").bindparams(_NAMES)  # noqa: S608  # the parts are constants

_STORAGES: Final[Mapping[str, str]] = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSIONS: Final[Mapping[str, str]] = {"p": "pglz", "l": "lz4"}

_PROOF: Final = text("""
SELECT c.convalidated FROM pg_catalog.pg_constraint c
 WHERE c.conrelid OPERATOR(pg_catalog.=) :oid AND c.conname OPERATOR(pg_catalog.=) :name
""")

_BUILD: Final = text("""
SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index p
 WHERE p.relid OPERATOR(pg_catalog.=) ANY (CAST(:oids AS pg_catalog.oid[]))
   AND p.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() LIMIT 1
""")


def find_table(connection: Connection, table: str) -> tuple[int, bool] | None:
    """Return the oid of a table and whether it has partitions or children, None where there is no such table.

    Args:
        connection: a connection.
        table: the name of the table with its schema, quoted.
    """
    row = connection.execute(TABLE, {"table": table}).one_or_none()
    return None if row is None else (row.oid, row.has_relatives)


def find_columns(connection: Connection, table: str, names: Sequence[str]) -> dict[str, FoundColumn]:
    """Return the columns of a table by name, with what is tied to them, at the cost of two queries."""
    found = find_table(connection, table)
    return (
        {} if found is None else columns_of_tree(connection, {"table": table, "names": list(names)}).get(found[0], {})
    )


def columns_of_tree(connection: Connection, given: Mapping[str, object]) -> dict[int, dict[str, FoundColumn]]:
    """Return the columns of a table and of what is below it: oid -> name -> column."""
    privileges: dict[tuple[int, str], list[Privilege]] = {}
    for row in connection.execute(PRIVILEGES, given):
        held = Privilege(privilege=row.privilege, grantee=row.grantee, grantable=row.grantable, grantor=row.grantor)
        privileges.setdefault((row.relation, row.name), []).append(held)
    found: dict[int, dict[str, FoundColumn]] = {}
    for row in connection.execute(COLUMNS, given):
        found.setdefault(row.relation, {})[row.name] = FoundColumn(
            name=row.name,
            number=row.number,
            type=row.type,
            required=row.required,
            default=row.default_,
            comment=row.comment,
            statistics=row.statistics,
            options=tuple(sorted(row.options)),
            storage=None if row.storage is None else _STORAGES[row.storage],
            usual_storage=_STORAGES[row.usual_storage],
            compression=None if row.compression is None else _COMPRESSIONS[row.compression],
            privileges=tuple(privileges.get((row.relation, row.name), ())),
        )
    return found


def observe_column(
    connection: Connection, table: str, name: str, *, check: str, look_for_rows: bool = False
) -> ColumnFacts:
    """Return what the next step towards a column depends on.

    Args:
        connection: a connection.
        table: the name of the table with its schema, quoted.
        name: the column.
        check: the name of the constraint that proves it to have no NULL.
        look_for_rows: whether it matters, where the column is not there, that the table has rows.
    """
    found = find_table(connection, table)
    if found is None:
        return ColumnFacts(oid=None)
    column = find_columns(connection, table, [name]).get(name)
    any_row = verbatim(f"SELECT EXISTS (SELECT FROM {table})")  # noqa: S608  # the name is quoted
    rows = column is None and look_for_rows and connection.scalar(any_row)
    return ColumnFacts(
        oid=found[0],
        column=column,
        proven=connection.scalar(_PROOF, {"oid": found[0], "name": check}),
        has_rows=bool(rows),
        publications=() if column is not None else find_publications(connection, table, []),
    )


def running_build(connection: Connection, oids: Sequence[int]) -> int | None:
    """Return the process that builds an index on one of some tables, None where there is none."""
    found = connection.scalar(_BUILD, {"oids": list(oids)})
    return None if found is None else int(found)
