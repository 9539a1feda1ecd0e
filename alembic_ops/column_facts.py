"""What the catalog says about columns of a table and everything that is tied to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import String, bindparam, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

__all__ = [
    "COLUMNS",
    "DEPENDENTS",
    "INDEXES",
    "PRIVILEGES",
    "TABLE",
    "ColumnIndex",
    "Dependent",
    "FoundColumn",
    "find_columns",
    "find_dependents",
    "find_table",
    "has_constraint",
    "running_build",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Privilege:
    """A column privilege: ``grantee`` is quoted, or PUBLIC."""

    privilege: str
    grantee: str
    grantable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnIndex:
    """A valid or invalid index on a column; ``operator_class`` says for which metric it is."""

    name: str
    operator_class: str
    valid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundColumn:
    """A column with what PostgreSQL ties to its number, and not to its name.

    ``statistics`` is the target of ANALYZE, -1 for that of the server; ``options`` such as ``n_distinct=-0.5`` overrule
    what ANALYZE finds.
    """

    name: str
    number: int
    type: str
    required: bool
    default: str | None
    comment: str | None
    statistics: int = -1
    options: tuple[str, ...] = ()
    privileges: tuple[Privilege, ...] = ()
    indexes: tuple[ColumnIndex, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """An object that goes on using a column whatever its name, in PostgreSQL's own words."""

    column: str
    description: str


TABLE: Final = text("""
SELECT t.oid, t.relkind = 'p' OR t.relispartition OR EXISTS (
           SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = t.oid OR h.inhrelid = t.oid) AS has_relatives
  FROM pg_catalog.pg_class t WHERE t.oid = pg_catalog.to_regclass(:table)
""")

COLUMNS: Final = text("""
SELECT a.attname AS name, a.attnum AS number, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS required, pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default_,
       pg_catalog.col_description(a.attrelid, a.attnum) AS comment,
       coalesce(a.attstattarget, -1) AS statistics, coalesce(a.attoptions, CAST('{}' AS text[])) AS options
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = pg_catalog.to_regclass(:table) AND a.attname IN :names AND NOT a.attisdropped
""").bindparams(bindparam("names", expanding=True, type_=String()))

PRIVILEGES: Final = text("""
SELECT a.attname AS name, x.privilege_type AS privilege, x.is_grantable AS grantable,
       CASE WHEN x.grantee = 0 THEN 'PUBLIC'
            ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END AS grantee
  FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) x
 WHERE a.attrelid = pg_catalog.to_regclass(:table) AND a.attname IN :names AND NOT a.attisdropped
 ORDER BY 1, 2, 4
""").bindparams(bindparam("names", expanding=True, type_=String()))

# An index depends on its plain columns and on those of its expressions; a constraint's index belongs to the constraint.
INDEXES: Final = text("""
SELECT DISTINCT a.attname AS column_name, i.relname AS name, o.opcname AS operator_class,
       x.indisvalid AND x.indisready AND x.indislive AS valid
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_class'\\:\\:regclass AND d.refobjid = a.attrelid
                             AND d.refobjsubid = a.attnum AND d.classid = 'pg_class'\\:\\:regclass
  JOIN pg_catalog.pg_index x ON x.indexrelid = d.objid
  JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
  JOIN pg_catalog.pg_opclass o ON o.oid = x.indclass[0]
 WHERE a.attrelid = pg_catalog.to_regclass(:table) AND a.attname IN :names
 ORDER BY 1, 3, 2
""").bindparams(bindparam("names", expanding=True, type_=String()))

# The column's own default and NOT NULL are carried; indexes are looked at apart.
DEPENDENTS: Final = text("""
SELECT DISTINCT a.attname AS column_name, pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) AS description
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_class'\\:\\:regclass AND d.refobjid = a.attrelid
                             AND d.refobjsubid = a.attnum
 WHERE a.attrelid = pg_catalog.to_regclass(:table) AND a.attname IN :names
   AND NOT (d.classid = 'pg_class'\\:\\:regclass AND EXISTS (
           SELECT FROM pg_catalog.pg_index x WHERE x.indexrelid = d.objid))
   AND NOT (d.classid = 'pg_attrdef'\\:\\:regclass AND EXISTS (
           SELECT FROM pg_catalog.pg_attrdef f WHERE f.oid = d.objid AND f.adrelid = a.attrelid AND f.adnum = a.attnum))
   AND NOT (d.classid = 'pg_constraint'\\:\\:regclass AND EXISTS (
           SELECT FROM pg_catalog.pg_constraint c WHERE c.oid = d.objid AND (c.contype = 'n' OR c.conname = :ours)))
 ORDER BY 1, 2
""").bindparams(bindparam("names", expanding=True, type_=String()))

_CONSTRAINT: Final = text("""
SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conrelid = :oid AND c.conname = :name)
""")

_BUILD: Final = text("""
SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index p
 WHERE p.relid = :oid AND p.pid <> pg_catalog.pg_backend_pid() LIMIT 1
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
    """Return the columns of a table by name, with what is tied to them, at the cost of three queries."""
    given = {"table": table, "names": list(names)}
    privileges = connection.execute(PRIVILEGES, given).all()
    indexes = connection.execute(INDEXES, given).all()
    return {
        row.name: FoundColumn(
            name=row.name,
            number=row.number,
            type=row.type,
            required=row.required,
            default=row.default_,
            comment=row.comment,
            statistics=row.statistics,
            options=tuple(sorted(row.options)),
            privileges=tuple(
                Privilege(privilege=one.privilege, grantee=one.grantee, grantable=one.grantable)
                for one in privileges
                if one.name == row.name
            ),
            indexes=tuple(
                ColumnIndex(name=one.name, operator_class=one.operator_class, valid=one.valid)
                for one in indexes
                if one.column_name == row.name
            ),
        )
        for row in connection.execute(COLUMNS, given)
    }


def find_dependents(
    connection: Connection, table: str, names: Sequence[str], *, except_constraint: str
) -> list[Dependent]:
    """Return what goes on using columns whatever their names, at the cost of one query."""
    rows = connection.execute(DEPENDENTS, {"table": table, "names": list(names), "ours": except_constraint})
    return [Dependent(column=row.column_name, description=row.description) for row in rows]


def has_constraint(connection: Connection, oid: int, name: str) -> bool:
    """Say whether a table has a constraint of a name."""
    return bool(connection.scalar(_CONSTRAINT, {"oid": oid, "name": name}))


def running_build(connection: Connection, oid: int) -> int | None:
    """Return the process that builds an index on a table, None where there is none."""
    found = connection.scalar(_BUILD, {"oid": oid})
    return None if found is None else int(found)
