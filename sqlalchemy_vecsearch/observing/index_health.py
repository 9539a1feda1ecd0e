"""The vector indexes of a database with their state and their use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

__all__ = ["IndexHealth", "index_health"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHealth:
    """A vector index with its use.

    Attributes:
        name: with its schema, quoted.
        element: what it indexes, with its operator class and its condition.
        building: whether a build or a rebuild is at work on its table; so it may be one of those that it makes.
        scans: how often queries have used it since statistics are kept.
        size: in bytes.
        rows: about how many it covers, as of the last ANALYZE or VACUUM.
        parent: whether it is the index of a partitioned table.
        child: whether it belongs to one, and comes and goes with it.
        built: when, None where the server does not record it (``track_commit_timestamp``).
        transactions: how many transactions have written since it was built.
        built_with: the parameters that stand in the index itself, None where the extension pageinspect or the right to
            use it is missing.
    """

    name: str
    table: str
    method: str
    element: str
    parameters: tuple[tuple[str, int], ...]
    usable: bool
    building: bool
    scans: int
    size: int
    rows: int
    parent: bool = False
    child: bool = False
    built: datetime | None = None
    transactions: int = 0
    built_with: tuple[tuple[str, int], ...] | None = None


# Whoever builds is known by the lock on the table: of the builds of others a role without more rights sees the process
# alone, and REINDEX TABLE CONCURRENTLY makes several indexes before it reports on each.
_INDEXES: Final = text("""
SELECT pg_catalog.format(CAST('%I.%I' AS pg_catalog.text), n.nspname, i.relname) AS name,
       pg_catalog.format(CAST('%I.%I' AS pg_catalog.text), tn.nspname, t.relname) AS table_name,
       m.amname AS method, i.reloptions AS parameters,
       i.relkind OPERATOR(pg_catalog.=) CAST('I' AS pg_catalog."char") AS parent,
       pg_catalog.concat_ws(CAST(' ' AS pg_catalog.text), pg_catalog.pg_get_indexdef(i.oid, 1, true), o.opcname,
           CAST('where ' AS pg_catalog.text) OPERATOR(pg_catalog.||) pg_catalog.pg_get_expr(x.indpred, x.indrelid)
       ) AS element,
       x.indisvalid AND x.indisready AND x.indislive AS usable,
       i.relispartition AS child,
       CASE WHEN pg_catalog.current_setting(CAST('track_commit_timestamp' AS pg_catalog.text))
                 OPERATOR(pg_catalog.=) CAST('on' AS pg_catalog.text)
            THEN pg_catalog.pg_xact_commit_timestamp(x.xmin) END AS built,
       pg_catalog.age(x.xmin) AS transactions,
       EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
                 JOIN pg_catalog.pg_locks l ON l.pid OPERATOR(pg_catalog.=) p.pid
                WHERE l.relation OPERATOR(pg_catalog.=) x.indrelid
                  AND l.mode OPERATOR(pg_catalog.=) CAST('ShareUpdateExclusiveLock' AS pg_catalog.text)
                  AND p.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) AS building,
       COALESCE(s.idx_scan, CAST(0 AS pg_catalog.int8)) AS scans, pg_catalog.pg_relation_size(i.oid) AS size,
       CAST(GREATEST(CASE WHEN x.indpred IS NULL THEN t.reltuples ELSE i.reltuples END,
                     CAST(0 AS pg_catalog.float4)) AS pg_catalog.int8) AS rows
  FROM pg_catalog.pg_index x
  JOIN pg_catalog.pg_class i ON i.oid OPERATOR(pg_catalog.=) x.indexrelid
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) i.relnamespace
  JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) x.indrelid
  JOIN pg_catalog.pg_namespace tn ON tn.oid OPERATOR(pg_catalog.=) t.relnamespace
  JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) i.relam
  JOIN pg_catalog.pg_opclass o ON o.oid OPERATOR(pg_catalog.=) x.indclass[0]
  LEFT JOIN pg_catalog.pg_stat_user_indexes s ON s.indexrelid OPERATOR(pg_catalog.=) i.oid
 WHERE m.amname OPERATOR(pg_catalog.=) ANY (CAST('{hnsw,ivfflat}' AS pg_catalog.name[]))
 ORDER BY 2, 1
""")

# The extension pageinspect is in a schema of the administrator's choice: its function is called by its whole name.
_READER: Final = text("""
SELECT pg_catalog.format(CAST('%I.get_raw_page' AS pg_catalog.text), n.nspname)
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
 WHERE e.extname OPERATOR(pg_catalog.=) CAST('pageinspect' AS pg_catalog.name)
   AND CAST(pg_catalog.current_setting(CAST('is_superuser' AS pg_catalog.text)) AS pg_catalog.bool)
""")


def index_health(connection: Connection) -> list[IndexHealth]:
    """Return every vector index of the database, at the cost of two queries and of one page an index."""
    reader = connection.scalar(_READER)
    found = []
    for row in connection.execute(_INDEXES).all():
        parameters = (option.partition("=")[::2] for option in row.parameters or ())
        built_with = None
        if reader is not None and row.usable and not row.parent:
            built_with = _built_with(row.method, _first_page(connection, reader, row.name))
        found.append(
            IndexHealth(
                name=row.name,
                table=row.table_name,
                method=row.method,
                element=row.element,
                parameters=tuple(sorted((name, int(value)) for name, value in parameters)),
                usable=row.usable,
                building=row.building,
                scans=row.scans,
                size=row.size,
                rows=row.rows,
                parent=row.parent,
                child=row.child,
                built=row.built,
                transactions=row.transactions,
                built_with=built_with,
            )
        )
    return found


def _first_page(connection: Connection, reader: str, name: str) -> bytes:
    """Read the first page: after a header of 24 bytes magic number, version, dimensions, then the parameters."""
    statement = text(f"SELECT {reader}(CAST(:name AS pg_catalog.text), 0)")  # quoted by the server
    return bytes(connection.scalar(statement, {"name": name}) or b"")


def _built_with(method: str, page: bytes) -> tuple[tuple[str, int], ...] | None:
    """Read the parameters from the first page of an index: HnswMetaPageData and IvfflatMetaPageData of pgvector."""
    header = 24
    if len(page) < header + 16:
        return None
    if method == "hnsw":
        m, ef_construction = (int.from_bytes(page[header + at : header + at + 2], "little") for at in (12, 14))
        return (("ef_construction", ef_construction), ("m", m))
    return (("lists", int.from_bytes(page[header + 10 : header + 12], "little")),)
