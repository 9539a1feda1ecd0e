"""What the server says about one table, its partitions and their indexes: the values that plans are made from.

The wished definition is asked for by plain statements and not by ``probe``, which returns refusals as values: here the
error of the server itself has to end the operation, with its class and its SQLSTATE.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alembic_ops.canonical import with_defaults
from alembic_ops.catalog import DEFINITION_COLUMNS, INDEX_TABLES, definition_of_row
from alembic_ops.quoting import PREPARER
from alembic_ops.statements import create_index, verbatim
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection, RowMapping

    from alembic_ops.state import IndexDefinition

__all__ = ["Facts", "FoundIndex", "FoundTable", "canonical_definition", "observe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTable:
    """A table, or one of its partitions.

    ``parent`` is the oid of the table it is a partition of; ``occupant`` the client's process that holds the lock which
    builds, VACUUM and concurrent drops of indexes take, None where nobody does.
    """

    oid: int
    name: str
    schema: str
    partitioned: bool = False
    parent: int | None = None
    occupant: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundIndex:
    """An index as it stands in the catalog.

    ``definition`` is None for an index of another method; ``builder`` is the process that is at work on it, ``parent``
    the oid of the partitioned index it belongs to.
    """

    oid: int
    name: str
    schema: str
    table_oid: int
    table_name: str
    definition: IndexDefinition | None
    sql: str
    valid: bool = True
    ready: bool = True
    live: bool = True
    partitioned: bool = False
    builder: int | None = None
    parent: int | None = None

    @property
    def usable(self) -> bool:
        """Whether queries use it and writes maintain it."""
        return self.valid and self.ready and self.live


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A table with its partitions, and every index on them or of one of the names that matter.

    ``wished`` is the definition that the operation asks for, in the server's own words; None where it asks for none.
    """

    table: FoundTable | None
    partitions: tuple[FoundTable, ...] = ()
    indexes: tuple[FoundIndex, ...] = ()
    wished: IndexDefinition | None = None

    def named(self, name: str) -> FoundIndex | None:
        """Return the index of a name, in the schema of the table."""
        schema = None if self.table is None else self.table.schema
        return next((index for index in self.indexes if index.name == name and schema in (None, index.schema)), None)


_TABLES: Final = text("""
WITH RECURSIVE tree AS (
    SELECT t.oid, t.relname, t.relnamespace, t.relkind, CAST(NULL AS oid) AS parent, 0 AS level
      FROM pg_catalog.pg_class t
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
     WHERE t.relname = :table AND t.relkind IN ('r', 'p', 'm')
       AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_catalog.pg_table_is_visible(t.oid)
                ELSE n.nspname = :schema END
    UNION ALL
    SELECT c.oid, c.relname, c.relnamespace, c.relkind, h.inhparent, tree.level + 1
      FROM tree
      JOIN pg_catalog.pg_inherits h ON h.inhparent = tree.oid
      JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid AND c.relispartition
)
SELECT tree.oid, tree.relname AS name, n.nspname AS schema, tree.relkind = 'p' AS partitioned, tree.parent,
       (SELECT l.pid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity s ON s.pid = l.pid
         WHERE l.locktype = 'relation' AND l.relation = tree.oid AND l.granted
           AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
           AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
           AND COALESCE(s.backend_type, 'client backend') = 'client backend' LIMIT 1) AS occupant
  FROM tree JOIN pg_catalog.pg_namespace n ON n.oid = tree.relnamespace
 ORDER BY tree.level, tree.relname
""")

# Progress shows the columns of other people's builds to members of pg_read_all_stats only; the lock that every
# concurrent build holds on its table is seen by all.
_INDEXES: Final = text(f"""
SELECT i.oid, i.relname AS name, n.nspname AS schema, i.relkind = 'I' AS partitioned,
       t.oid AS table_oid, t.relname AS table_name, {DEFINITION_COLUMNS},
       x.indisvalid AS valid, x.indisready AS ready, x.indislive AS live,
       pg_catalog.pg_get_indexdef(i.oid) AS sql, h.inhparent AS parent,
       COALESCE(
           (SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index p
             WHERE p.index_relid = i.oid AND p.pid <> pg_catalog.pg_backend_pid() LIMIT 1),
           (SELECT l.pid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity s ON s.pid = l.pid
             WHERE NOT x.indisvalid AND l.locktype = 'relation' AND l.relation = x.indrelid AND l.granted
               AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
               AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
               AND COALESCE(s.backend_type, 'client backend') = 'client backend' LIMIT 1)
       ) AS builder
  FROM {INDEX_TABLES}
  LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = i.oid
 WHERE t.oid = ANY (CAST(:tables AS oid[])) OR (i.relname = ANY (CAST(:names AS text[])) AND n.nspname = :schema)
 ORDER BY n.nspname, i.relname
""")  # noqa: S608  # the parts are constants


def observe(
    connection: Connection,
    table_name: str,
    schema: str | None,
    *,
    names: Collection[str] = (),
    wished: IndexDefinition | None = None,
) -> Facts:
    """Read what the catalog says about a table and its indexes, at the cost of two or three queries.

    Args:
        connection: a connection that may be in a transaction or not.
        table_name: the table.
        schema: its schema, None for the first of the search path that has it.
        names: names of indexes that matter wherever in the schema they are.
        wished: the definition that the operation asks for.
    """
    tables = [
        FoundTable(
            oid=row.oid,
            name=row.name,
            schema=row.schema,
            partitioned=row.partitioned,
            parent=row.parent,
            occupant=row.occupant,
        )
        for row in connection.execute(_TABLES, {"table": table_name, "schema": schema})
    ]
    if not tables:
        return Facts(table=None)
    rows = connection.execute(
        _INDEXES, {"tables": [one.oid for one in tables], "names": list(names), "schema": tables[0].schema}
    )
    indexes = tuple(_index(row) for row in rows.mappings())
    if wished is not None and any(index.definition is not None for index in indexes):
        wished = canonical_definition(connection, tables[0], wished)
    return Facts(table=tables[0], partitions=tuple(tables[1:]), indexes=indexes, wished=wished)


def canonical_definition(connection: Connection, table: FoundTable, definition: IndexDefinition) -> IndexDefinition:
    """Return a definition in the server's own words, which alone can be compared with the catalog.

    A plain column needs no server. Expressions and predicates are read back from an index on an empty temporary table
    of the same columns, at the cost of four statements.
    """
    visible = definition.operator_class.rpartition(".")[0] == ""
    if definition.expression is None and definition.predicate is None and visible:
        return with_defaults(definition)
    original = f"{PREPARER.quote(table.schema)}.{PREPARER.quote(table.name)}"
    probe = "alembic_ops_probe"
    connection.execute(verbatim(f"DROP TABLE IF EXISTS pg_temp.{probe}"))
    connection.execute(verbatim(f"CREATE TEMPORARY TABLE {probe} (LIKE {original})"))
    drop = verbatim(f"DROP TABLE pg_temp.{probe}")
    try:
        bare = replace(definition, parameters=())
        connection.execute(create_index(PREPARER, f"{probe}_ix", probe, "pg_temp", bare))
        found = connection.execute(
            _INDEXES, {"tables": [connection.scalar(_PROBE, {"name": probe})], "names": [], "schema": None}
        ).mappings()
        answer = definition_of_row(found.one())
    except DBAPIError:
        with suppress(SQLAlchemyError):  # the session or its transaction may be over, and the table with it
            connection.execute(drop)
        raise
    connection.execute(drop)
    return with_defaults(replace(answer, parameters=definition.parameters))


_PROBE: Final = text("SELECT CAST(pg_catalog.to_regclass('pg_temp.' || CAST(:name AS text)) AS oid)")


def _index(row: RowMapping) -> FoundIndex:
    is_vector_index = row["method"] in (HNSW.name, IVFFlat.name)
    return FoundIndex(
        oid=row["oid"],
        name=row["name"],
        schema=row["schema"],
        table_oid=row["table_oid"],
        table_name=row["table_name"],
        definition=with_defaults(definition_of_row(row)) if is_vector_index else None,
        sql=row["sql"],
        valid=row["valid"],
        ready=row["ready"],
        live=row["live"],
        partitioned=row["partitioned"],
        builder=row["builder"],
        parent=row["parent"],
    )
