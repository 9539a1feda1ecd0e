"""What the catalog and the statistics say about the vector indexes of a database and the work on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from alembic_ops.catalog import installed_extension
from alembic_ops.watching import Blocker, blockers_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = [
    "IndexHealth",
    "RunningBuild",
    "ServerHealth",
    "WaitingSession",
    "find_server",
    "index_health",
    "running_builds",
    "waiting_sessions",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHealth:
    """A vector index with its use.

    ``name`` is with its schema and quoted; ``built_with`` holds the parameters that the index itself was built with,
    None where the extension pageinspect or the right to use it is missing.
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
    built_with: tuple[tuple[str, int], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerHealth:
    """The versions of a server; the extension's are None where there is none."""

    server_version: int
    pgvector: str | None
    pgvector_available: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningBuild:
    """A build that runs now, and whom it waits for."""

    pid: int
    table: str
    index: str | None
    phase: str
    done: int
    total: int
    seconds: float
    blockers: tuple[Blocker, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSession:
    """A session that waits for a lock, and for whom."""

    session: Blocker
    blockers: tuple[Blocker, ...]


_INDEXES: Final = text("""
SELECT pg_catalog.format('%I.%I', n.nspname, i.relname) AS name, format('%I.%I', tn.nspname, t.relname) AS table_name,
       m.amname AS method, i.reloptions AS parameters, i.relkind = 'I' AS parent,
       concat_ws(' ', pg_catalog.pg_get_indexdef(i.oid, 1, true), o.opcname,
                 'where ' || pg_catalog.pg_get_expr(x.indpred, x.indrelid)) AS element,
       x.indisvalid AND x.indisready AND x.indislive AS usable,
       EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = i.oid) AS building,
       COALESCE(s.idx_scan, 0) AS scans, pg_catalog.pg_relation_size(i.oid) AS size,
       GREATEST(t.reltuples, 0)\\:\\:bigint AS rows
  FROM pg_catalog.pg_index x
  JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace
  JOIN pg_catalog.pg_class t ON t.oid = x.indrelid
  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_catalog.pg_am m ON m.oid = i.relam
  JOIN pg_catalog.pg_opclass o ON o.oid = x.indclass[0]
  LEFT JOIN pg_catalog.pg_stat_user_indexes s ON s.indexrelid = i.oid
 WHERE m.amname IN ('hnsw', 'ivfflat')
 ORDER BY 2, 1
""")

# The first page of an index holds, after a header of 24 bytes: magic number, version, dimensions, then its parameters.
_PAGE: Final = text("SELECT get_raw_page(:name, 0)")

_HAS_PAGEINSPECT: Final = text("""
SELECT e.extname IS NOT NULL AND current_setting('is_superuser')\\:\\:bool
  FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_extension e ON e.extname = 'pageinspect'
""")

_BUILDS: Final = text("""
SELECT p.pid, p.relid\\:\\:regclass\\:\\:text AS table_name,
       NULLIF(p.index_relid, 0)\\:\\:regclass\\:\\:text AS index_name,
       p.phase,
       COALESCE(NULLIF(p.tuples_total, 0), p.blocks_total) AS total,
       CASE WHEN p.tuples_total > 0 THEN p.tuples_done ELSE p.blocks_done END AS done,
       extract(epoch FROM clock_timestamp() - a.query_start) AS seconds, pg_catalog.pg_blocking_pids(p.pid) AS blockers
  FROM pg_catalog.pg_stat_progress_create_index p
  JOIN pg_catalog.pg_stat_activity a ON a.pid = p.pid
 WHERE p.datname = current_database()
 ORDER BY a.query_start
""")

_WAITING: Final = text("""
SELECT a.pid, pg_catalog.pg_blocking_pids(a.pid) AS blockers
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = current_database() AND a.wait_event_type = 'Lock'
   AND cardinality(pg_catalog.pg_blocking_pids(a.pid)) > 0
 ORDER BY a.query_start
""")


def find_server(connection: Connection) -> ServerHealth:
    """Return the versions of the server and of its vector extension."""
    version = int(connection.scalar(text("SELECT current_setting('server_version_num')")) or 0)
    extension = installed_extension(connection)
    return ServerHealth(server_version=version, pgvector=extension.version, pgvector_available=extension.available)


def index_health(connection: Connection) -> list[IndexHealth]:
    """Return every vector index of the database, at the cost of one query and of one page an index."""
    readable = bool(connection.scalar(_HAS_PAGEINSPECT))
    found = []
    for row in connection.execute(_INDEXES).all():
        parameters = (option.partition("=")[::2] for option in row.parameters or ())
        built_with = None
        if readable and row.usable and not row.parent:
            built_with = _built_with(row.method, bytes(connection.scalar(_PAGE, {"name": row.name}) or b""))
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
                built_with=built_with,
            )
        )
    return found


def running_builds(connection: Connection) -> list[RunningBuild]:
    """Return the builds that run now, the oldest first."""
    return [
        RunningBuild(
            pid=row.pid,
            table=row.table_name,
            index=row.index_name,
            phase=row.phase,
            done=int(row.done or 0),
            total=int(row.total or 0),
            seconds=float(row.seconds or 0),
            blockers=blockers_of(connection, list(row.blockers)),
        )
        for row in connection.execute(_BUILDS).all()
    ]


def waiting_sessions(connection: Connection) -> list[WaitingSession]:
    """Return who waits for a lock and for whom, those that wait longest first."""
    found = []
    for row in connection.execute(_WAITING).all():
        session = blockers_of(connection, [row.pid])
        if session:
            found.append(WaitingSession(session=session[0], blockers=blockers_of(connection, list(row.blockers))))
    return found


def _built_with(method: str, page: bytes) -> tuple[tuple[str, int], ...] | None:
    """Read the parameters from the first page of an index: HnswMetaPageData and IvfflatMetaPageData of pgvector."""
    header = 24
    if len(page) < header + 16:
        return None
    if method == "hnsw":
        m, ef_construction = (int.from_bytes(page[header + at : header + at + 2], "little") for at in (12, 14))
        return (("ef_construction", ef_construction), ("m", m))
    return (("lists", int.from_bytes(page[header + 10 : header + 12], "little")),)
