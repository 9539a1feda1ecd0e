"""What the server says about one table, its partitions and their indexes: the values that plans are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from alembic_ops.catalog.indexes import DEFINITION_COLUMNS, INDEX_TABLES, definition_of_row
from alembic_ops.model.index_state import canonical
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection, RowMapping

    from alembic_ops.model.index_state import IndexDefinition

__all__ = ["Facts", "FoundIndex", "FoundTable", "observe"]


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

    ``definition`` is None for an index of another method; ``file`` is the number of the file that it was built into, 0
    for a partitioned one; ``builder`` is the process that is at work on it, ``parent`` the oid of the partitioned index
    it belongs to.
    """

    oid: int
    name: str
    schema: str
    table_oid: int
    table_name: str
    definition: IndexDefinition | None
    sql: str
    file: int = 0
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

    ``wished`` is the normal form of the definition that the operation asks for, None where it asks for none. ``before``
    is what was found when the run began, before it waited for others, None where this is that look.
    """

    table: FoundTable | None
    partitions: tuple[FoundTable, ...] = ()
    indexes: tuple[FoundIndex, ...] = ()
    wished: IndexDefinition | None = None
    before: Facts | None = None

    def named(self, name: str) -> FoundIndex | None:
        """Return the index of a name, in the schema of the table."""
        schema = None if self.table is None else self.table.schema
        return next((index for index in self.indexes if index.name == name and schema in (None, index.schema)), None)

    def was_built_meanwhile(self, found: FoundIndex) -> bool:
        """Say whether an index was built, or got its name, since the run began; a rename keeps the oid and the file."""
        if self.before is None:
            return False
        same_place = (one for one in self.before.indexes if (one.schema, one.name) == (found.schema, found.name))
        return all((one.oid, one.file) != (found.oid, found.file) for one in same_place)


_DATABASE: Final = """
    SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
""".strip()

_TABLES: Final = text(f"""
WITH RECURSIVE tree AS (
    SELECT t.oid, t.relname, t.relnamespace, t.relkind, CAST(NULL AS pg_catalog.oid) AS parent, 0 AS level
      FROM pg_catalog.pg_class t
      JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
     WHERE t.relname OPERATOR(pg_catalog.=) CAST(:table AS pg_catalog.text)
       AND t.relkind OPERATOR(pg_catalog.=) ANY (CAST('{{r,p,m}}' AS pg_catalog."char"[]))
       AND CASE WHEN CAST(:schema AS pg_catalog.text) IS NULL THEN pg_catalog.pg_table_is_visible(t.oid)
                ELSE n.nspname OPERATOR(pg_catalog.=) CAST(:schema AS pg_catalog.text) END
    UNION ALL
    SELECT c.oid, c.relname, c.relnamespace, c.relkind, h.inhparent, tree.level OPERATOR(pg_catalog.+) 1
      FROM tree
      JOIN pg_catalog.pg_inherits h ON h.inhparent OPERATOR(pg_catalog.=) tree.oid
      JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) h.inhrelid AND c.relispartition
)
SELECT tree.oid, tree.relname AS name, n.nspname AS schema,
       tree.relkind OPERATOR(pg_catalog.=) 'p' AS partitioned, tree.parent,
       (SELECT l.pid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity s ON s.pid OPERATOR(pg_catalog.=) l.pid
         WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.relation OPERATOR(pg_catalog.=) tree.oid AND l.granted
           AND l.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock'
           AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
           AND l.database OPERATOR(pg_catalog.=) ({_DATABASE})
           AND COALESCE(s.backend_type, 'client backend') OPERATOR(pg_catalog.=) 'client backend' LIMIT 1) AS occupant
  FROM tree JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) tree.relnamespace
 ORDER BY tree.level, tree.relname
""")  # noqa: S608  # the parts are constants

# Progress shows the columns of other people's builds to members of pg_read_all_stats only; the lock that every
# concurrent build holds on its table is seen by all.
_INDEXES: Final = text(f"""
SELECT i.oid, i.relname AS name, n.nspname AS schema, i.relkind OPERATOR(pg_catalog.=) 'I' AS partitioned,
       i.relfilenode AS file, t.oid AS table_oid, t.relname AS table_name, {DEFINITION_COLUMNS},
       x.indisvalid AS valid, x.indisready AS ready, x.indislive AS live,
       pg_catalog.pg_get_indexdef(i.oid) AS sql,
       (SELECT h.inhparent FROM pg_catalog.pg_inherits h WHERE h.inhrelid OPERATOR(pg_catalog.=) i.oid) AS parent,
       COALESCE(
           (SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index p
             WHERE p.index_relid OPERATOR(pg_catalog.=) i.oid
                AND p.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() LIMIT 1),
           (SELECT l.pid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity s
              ON s.pid OPERATOR(pg_catalog.=) l.pid
             WHERE NOT x.indisvalid AND l.locktype OPERATOR(pg_catalog.=) 'relation'
                AND l.relation OPERATOR(pg_catalog.=) x.indrelid AND l.granted
               AND l.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock'
               AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
               AND l.database OPERATOR(pg_catalog.=) ({_DATABASE})
               AND COALESCE(s.backend_type, 'client backend') OPERATOR(pg_catalog.=) 'client backend' LIMIT 1)
       ) AS builder
  FROM {INDEX_TABLES}
 WHERE i.oid OPERATOR(pg_catalog.=) ANY (ARRAY(
           SELECT o.indexrelid FROM pg_catalog.pg_index o
            WHERE o.indrelid OPERATOR(pg_catalog.=) ANY (CAST(:tables AS pg_catalog.oid[]))
            UNION ALL
           SELECT c.oid FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace
            WHERE c.relname OPERATOR(pg_catalog.=) ANY (CAST(:names AS pg_catalog.text[]))
              AND s.nspname OPERATOR(pg_catalog.=) CAST(:schema AS pg_catalog.text)
       ))
 ORDER BY n.nspname, i.relname
""")  # noqa: S608  # the parts are constants


def observe(
    connection: Connection,
    table_name: str,
    schema: str | None,
    *,
    names: Collection[str] = (),
) -> Facts:
    """Read what the catalog says about a table and its indexes, at the cost of two queries.

    Args:
        connection: a connection that may be in a transaction or not.
        table_name: the table.
        schema: its schema, None for the first of the search path that has it.
        names: names of indexes that matter wherever in the schema they are.
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
    return Facts(table=tables[0], partitions=tuple(tables[1:]), indexes=indexes)


def _index(row: RowMapping) -> FoundIndex:
    is_vector_index = row["method"] in (HNSW.name, IVFFlat.name)
    return FoundIndex(
        oid=row["oid"],
        name=row["name"],
        schema=row["schema"],
        table_oid=row["table_oid"],
        table_name=row["table_name"],
        definition=canonical(definition_of_row(row)) if is_vector_index else None,
        sql=row["sql"],
        file=row["file"],
        valid=row["valid"],
        ready=row["ready"],
        live=row["live"],
        partitioned=row["partitioned"],
        builder=row["builder"],
        parent=row["parent"],
    )
