"""A server as advice has to know it: its versions, its replicas, and since when it counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

__all__ = ["ServerHealth", "server_health", "version_text"]

_SERVER: Final = text("""
SELECT CAST(pg_catalog.current_setting(CAST('server_version_num' AS pg_catalog.text)) AS pg_catalog.int4) AS server,
       a.default_version AS available, e.extversion AS installed,
       pg_catalog.host(pg_catalog.inet_server_addr()) AS host,
       pg_catalog.current_setting(CAST('port' AS pg_catalog.text)) AS port,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication) AS connected,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots r
         WHERE r.slot_type OPERATOR(pg_catalog.=) CAST('physical' AS pg_catalog.text) AND NOT r.active) AS away,
       COALESCE(d.stats_reset, pg_catalog.pg_postmaster_start_time()) AS since,
       pg_catalog.clock_timestamp() AS now
  FROM (SELECT CAST('vector' AS pg_catalog.name) AS name) w
  JOIN pg_catalog.pg_stat_database d ON d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
  LEFT JOIN pg_catalog.pg_available_extensions a ON a.name OPERATOR(pg_catalog.=) w.name
  LEFT JOIN pg_catalog.pg_extension e ON e.extname OPERATOR(pg_catalog.=) w.name
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerHealth:
    """A server; the versions of the extension are None where there is none.

    Attributes:
        server_version: ``server_version_num``, such as 180006.
        address: where it listens, such as "10.0.0.5:5432", or "the local socket of port 5432".
        in_recovery: whether it is a replica itself.
        replicas: how many servers are fed by it, with those whose replication slot waits for them.
        statistics_since: from when on its statistics certainly count: the last reset, else its start.
        now: its clock.
    """

    server_version: int
    pgvector: str | None
    pgvector_available: str | None
    address: str
    in_recovery: bool
    replicas: int
    statistics_since: datetime
    now: datetime

    @property
    def role(self) -> str:
        """Which server it is, in words."""
        return f"{self.address}, {'a replica' if self.in_recovery else 'the primary'}"


def server_health(connection: Connection) -> ServerHealth:
    """Return what there is to know of the server, at the cost of one query."""
    row = connection.execute(_SERVER).one()
    return ServerHealth(
        server_version=row.server,
        pgvector=row.installed,
        pgvector_available=row.available,
        address=f"the local socket of port {row.port}" if row.host is None else f"{row.host}:{row.port}",
        in_recovery=row.in_recovery,
        replicas=row.connected + row.away,
        statistics_since=row.since,
        now=row.now,
    )


def version_text(server_version: int) -> str:
    """Return a ``server_version_num`` as people write it.

    Example:
        >>> version_text(140002)
        '14.2'
    """
    return f"{server_version // 10_000}.{server_version % 10_000}"
