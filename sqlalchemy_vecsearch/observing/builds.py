"""Index builds that run now: how far they are, how long they still take, and who holds them up."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from sqlalchemy_vecsearch.observing.waits import blockers_of
from sqlalchemy_vecsearch.progress import RateWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from sqlalchemy import Connection, Row

    from sqlalchemy_vecsearch.observing.waits import Blocker

__all__ = ["BuildProgress", "RunningBuild", "build_progress", "follow", "progress_of", "running_builds"]

_POLL: Final = 0.5
"""Seconds between two looks at the build of another session."""


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
class BuildProgress:
    """How far a build is.

    ``done`` and ``total`` count ``unit``s of the phase, None where the phase has no end that is known. ``rate`` is
    units a second over the last half minute, ``seconds_left`` what follows from it. ``hint`` says what would help.
    """

    index: str
    phase: str
    done: int | None = None
    total: int | None = None
    unit: str = ""
    rate: float | None = None
    seconds_left: float | None = None
    elapsed: float = 0.0
    blockers: tuple[Blocker, ...] = ()
    hint: str | None = None

    @property
    def title(self) -> str:
        """The index and the phase."""
        return f"{self.index}: {self.phase}"

    @property
    def notes(self) -> Mapping[Hashable, str]:
        """Who holds it up, by process, and what would help."""
        found: dict[Hashable, str] = {one.pid: f"{self.index}: waiting for {one.describe()}" for one in self.blockers}
        if self.hint is not None:
            found["hint"] = f"{self.index}: {self.hint}"
        return found

    def describe(self) -> str:
        """Return it in one line, for people."""
        parts = [self.title]
        if self.done is not None and self.total:
            parts.append(f"{100 * self.done / self.total:.0f}% ({self.done:,} of {self.total:,} {self.unit})")
        if self.rate is not None:
            parts.append(f"{self.rate:,.0f} {self.unit}/s")
        if self.seconds_left is not None:
            parts.append(f"about {self.seconds_left:.0f} s left in this phase")
        parts.extend(f"waiting for {blocker.describe()}" for blocker in self.blockers)
        if self.hint is not None:
            parts.append(self.hint)
        return ", ".join(parts)


_RUNNING: Final = text("""
SELECT p.pid, CAST(CAST(p.relid AS pg_catalog.regclass) AS pg_catalog.text) AS table_name,
       CASE WHEN p.index_relid OPERATOR(pg_catalog.<>) CAST(0 AS pg_catalog.oid)
            THEN CAST(CAST(p.index_relid AS pg_catalog.regclass) AS pg_catalog.text) END AS index_name,
       p.phase,
       CASE WHEN p.tuples_total OPERATOR(pg_catalog.>) CAST(0 AS pg_catalog.int8)
            THEN p.tuples_total ELSE p.blocks_total END AS total,
       CASE WHEN p.tuples_total OPERATOR(pg_catalog.>) CAST(0 AS pg_catalog.int8)
            THEN p.tuples_done ELSE p.blocks_done END AS done,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.query_start) AS seconds,
       pg_catalog.pg_blocking_pids(p.pid) AS blockers
  FROM pg_catalog.pg_stat_progress_create_index p
  JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) p.pid
 WHERE p.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
 ORDER BY a.query_start
""")

_ONE: Final = text("""
SELECT p.index_relid AS building, COALESCE(p.phase, CAST('waiting to begin' AS pg_catalog.text)) AS phase,
       p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total,
       p.lockers_done, p.lockers_total, pg_catalog.pg_blocking_pids(a.pid) AS blockers,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.query_start) AS elapsed
  FROM pg_catalog.pg_stat_activity a
  LEFT JOIN pg_catalog.pg_stat_progress_create_index p ON p.pid OPERATOR(pg_catalog.=) a.pid
 WHERE a.pid OPERATOR(pg_catalog.=) CAST(:pid AS pg_catalog.int4)
""")


def running_builds(connection: Connection) -> list[RunningBuild]:
    """Return the builds that run now, the oldest first."""
    return [
        RunningBuild(
            pid=row.pid,
            table=row.table_name or "a table of a role that this one cannot look into",
            index=row.index_name,
            phase=row.phase or "an unknown phase",
            done=int(row.done or 0),
            total=int(row.total or 0),
            seconds=float(row.seconds or 0),
            blockers=blockers_of(connection, row.blockers),
        )
        for row in connection.execute(_RUNNING).all()
    ]


def build_progress(connection: Connection, *, pid: int, index: str, window: RateWindow) -> BuildProgress | None:
    """Return how far the build of a session is, None where the session has ended.

    Args:
        connection: another connection than the one that builds.
        pid: the process of the session.
        index: the name of the index.
        window: the rate of earlier looks, to which this one is added.
    """
    row = connection.execute(_ONE, {"pid": pid}).one_or_none()
    return None if row is None else _with_blockers(connection, index, row, window)


def follow(connection: Connection, *, pid: int, index: str, report: Callable[[BuildProgress], None]) -> None:
    """Report on a build of another session, twice a second, until it has ended."""
    window = RateWindow()
    building: int | None = None
    while (row := connection.execute(_ONE, {"pid": pid}).one_or_none()) is not None:
        if row.building is None or row.building != (building or row.building):
            return
        building = row.building
        report(_with_blockers(connection, index, row, window))
        time.sleep(_POLL)


def progress_of(index: str, row: Row[Any], window: RateWindow, now: float) -> BuildProgress:  # Any: the columns differ
    """Return how far a build is, from one row of the server's views.

    An HNSW build counts blocks and never knows its tuples; the last phase of IVFFlat knows both; waiting counts the
    sessions that it waits for.
    """
    done, total, unit = None, None, ""
    for count, whole, name in (
        (row.tuples_done, row.tuples_total, "rows"),
        (row.blocks_done, row.blocks_total, "blocks"),
        (row.lockers_done, row.lockers_total, "sessions"),
    ):
        if whole:
            done, total, unit = int(count), int(whole), name
            break
    rate = None if done is None else window.rate(row.phase, now, done)
    left = None if rate is None or done is None or total is None else (total - done) / rate
    return BuildProgress(
        index=index,
        phase=row.phase,
        done=done,
        total=total,
        unit=unit,
        rate=rate,
        seconds_left=left,
        elapsed=float(row.elapsed or 0),
    )


def _with_blockers(
    connection: Connection, index: str, row: Row[Any], window: RateWindow
) -> BuildProgress:  # Any: as above
    progress = progress_of(index, row, window, time.monotonic())
    return replace(progress, blockers=blockers_of(connection, row.blockers))
