"""Sessions that wait for locks, with those that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

__all__ = ["Blocker", "WaitingSession", "blockers_of", "waiting_sessions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A session that another waits for; ``age`` is how long its transaction has been open, in seconds."""

    pid: int
    application: str
    state: str
    age: float | None
    query: str

    def describe(self) -> str:
        """Return who it is, in one line."""
        age = "" if self.age is None else f", open for {self.age:.0f} s"
        return f"process {self.pid} ({self.application or 'unnamed'}, {self.state or 'unknown'}{age}): {self.query}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSession:
    """A session that waits for a lock, and for whom."""

    session: Blocker
    blockers: tuple[Blocker, ...]


_SESSIONS: Final = text("""
SELECT a.pid, COALESCE(a.application_name, CAST('' AS pg_catalog.text)) AS application,
       COALESCE(a.state, CAST('' AS pg_catalog.text)) AS state,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.xact_start) AS age,
       pg_catalog.left(COALESCE(a.query, CAST('' AS pg_catalog.text)), 200) AS query
  FROM pg_catalog.pg_stat_activity a
 WHERE a.pid OPERATOR(pg_catalog.=) ANY (CAST(:pids AS pg_catalog.int4[]))
 ORDER BY a.xact_start
""")

_WAITING: Final = text("""
SELECT w.pid, w.blockers
  FROM (SELECT a.pid, a.query_start, pg_catalog.pg_blocking_pids(a.pid) AS blockers
          FROM pg_catalog.pg_stat_activity a
         WHERE a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
           AND a.wait_event_type OPERATOR(pg_catalog.=) CAST('Lock' AS pg_catalog.text)) w
 WHERE pg_catalog.cardinality(w.blockers) OPERATOR(pg_catalog.>) 0
 ORDER BY w.query_start
""")


def blockers_of(connection: Connection, pids: Sequence[int]) -> tuple[Blocker, ...]:
    """Return who the processes are that another one waits for, the longest transaction first."""
    if not pids:
        return ()
    return tuple(
        Blocker(
            pid=row.pid,
            application=row.application,
            state=row.state,
            age=None if row.age is None else float(row.age),
            query=" ".join(row.query.split()),
        )
        for row in connection.execute(_SESSIONS, {"pids": list(pids)})
    )


def waiting_sessions(connection: Connection) -> list[WaitingSession]:
    """Return who waits for a lock and for whom, those that wait longest first."""
    found = []
    for row in connection.execute(_WAITING).all():
        session = blockers_of(connection, [row.pid])
        if session:
            found.append(WaitingSession(session=session[0], blockers=blockers_of(connection, row.blockers)))
    return found
