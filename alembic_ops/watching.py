"""A build seen from a second connection: how far it is, how long it still takes, and who holds it up."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import NullPool, QueuePool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine, Row

__all__ = ["Blocker", "Progress", "RateWindow", "blockers_of", "follow", "progress_of", "watched"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")

_POLL: Final = 1.0
"""Seconds between two looks."""

_SPILL: Final = re.compile(r"no longer fits into maintenance_work_mem after (\d+) tuples")


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
class Progress:
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

    def describe(self) -> str:
        """Return it in one line, for people."""
        parts = [f"{self.index}: {self.phase}"]
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


@dataclass
class RateWindow:
    """The rate over the last seconds only: a graph that grows slower and slower has no use for an average."""

    seconds: float = 30.0
    phase: str = ""
    points: deque[tuple[float, int]] = field(default_factory=deque)

    def rate(self, phase: str, now: float, done: int) -> float | None:
        """Add a point and return units a second, None until there are two points of the phase."""
        if phase != self.phase:
            self.phase = phase
            self.points.clear()
        self.points.append((now, done))
        while now - self.points[0][0] > self.seconds:
            self.points.popleft()
        began, first = self.points[0]
        return (done - first) / (now - began) if now > began and done > first else None


_SEEN: Final = text("""
SELECT p.index_relid AS building, COALESCE(p.phase, 'waiting to begin') AS phase,
       p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total,
       p.lockers_done, p.lockers_total, pg_catalog.pg_blocking_pids(a.pid) AS blockers,
       extract(epoch FROM clock_timestamp() - a.query_start) AS elapsed
  FROM pg_catalog.pg_stat_activity a
  LEFT JOIN pg_catalog.pg_stat_progress_create_index p ON p.pid = a.pid
 WHERE a.pid = :pid
""")

_WHO: Final = text("""
SELECT a.pid, COALESCE(a.application_name, '') AS application, COALESCE(a.state, '') AS state,
       extract(epoch FROM clock_timestamp() - a.xact_start) AS age, left(COALESCE(a.query, ''), 200) AS query
  FROM pg_catalog.pg_stat_activity a
 WHERE a.pid = ANY (CAST(:pids AS int[]))
 ORDER BY a.xact_start
""")


def blockers_of(connection: Connection, pids: list[int]) -> tuple[Blocker, ...]:
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
        for row in connection.execute(_WHO, {"pids": pids})
    )


def progress_of(index: str, row: Row[Any], window: RateWindow, now: float) -> Progress:  # Any: the columns differ
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
    return Progress(
        index=index,
        phase=row.phase,
        done=done,
        total=total,
        unit=unit,
        rate=rate,
        seconds_left=left,
        elapsed=float(row.elapsed or 0),
    )


def follow(connection: Connection, *, pid: int, index: str, report: Callable[[Progress], None]) -> None:
    """Report on a build of another session, twice a second, until it has ended."""
    window = RateWindow()
    building: int | None = None
    while (row := connection.execute(_SEEN, {"pid": pid}).one_or_none()) is not None:
        if row.building is None or row.building != (building or row.building):
            return
        building = row.building
        report(_seen(connection, index, row, window))
        time.sleep(_POLL / 2)


def _seen(connection: Connection, index: str, row: Row[Any], window: RateWindow) -> Progress:  # Any: as above
    progress = progress_of(index, row, window, time.monotonic())
    return replace(progress, blockers=blockers_of(connection, list(row.blockers)))


@contextmanager
def watched(connection: Connection, *, index: str, report: Callable[[Progress], None], hint: str) -> Iterator[None]:
    """Report on what a connection does for the time of a block, once a second.

    Where no second connection is to be had the block runs unwatched, and the log says so.

    Args:
        connection: the connection that builds.
        index: the name of the index.
        report: is called from another thread.
        hint: what would help once the graph has outgrown its memory.
    """
    pid = connection.scalar(text("SELECT pg_backend_pid()"))
    spilled: list[int] = []
    stop = threading.Event()
    with ExitStack() as stack:
        engine = _second_engine(connection, stack)
        if engine is None:
            _LOG.info("no second connection can be opened beside this one, so that the build is not watched")
            yield
            return
        stack.enter_context(_notices(connection, spilled))
        arguments = (engine, pid, index, report, hint, spilled, stop)
        thread = threading.Thread(target=_watch, args=arguments, name=f"watching {index}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=5)


def _watch(
    engine: Engine,
    pid: int,
    index: str,
    report: Callable[[Progress], None],
    hint: str,
    spilled: list[int],
    stop: threading.Event,
) -> None:
    window = RateWindow()
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not stop.wait(_POLL):
                row = connection.execute(_SEEN, {"pid": pid}).one_or_none()
                if row is None:
                    return
                spill = f"the graph outgrew its memory after {spilled[0]:,} rows; {hint}" if spilled else None
                report(replace(_seen(connection, index, row, window), hint=spill))
    except SQLAlchemyError as error:
        _LOG.info("the build is no longer watched: %s", error)


def _second_engine(connection: Connection, stack: ExitStack) -> Engine | None:
    """Return an engine that gives another connection than the one that builds, None where there is no such."""
    engine = connection.engine
    if not engine.dialect.is_async:
        return engine if isinstance(engine.pool, NullPool | QueuePool) else None
    try:
        other = create_engine(engine.url.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    except ImportError:
        return None
    stack.callback(other.dispose)
    return other


@contextmanager
def _notices(connection: Connection, spilled: list[int]) -> Iterator[None]:
    """Collect after how many rows a graph has outgrown its memory, where the driver hands notices on (psycopg 3)."""
    # Any: what each driver has of its own
    driver: Any = connection.connection.driver_connection
    if not hasattr(driver, "add_notice_handler"):
        yield
        return

    def collect(diagnostic: Any) -> None:  # Any: psycopg's Diagnostic, which need not be installed
        match = _SPILL.search(diagnostic.message_primary or "")
        if match is not None:
            spilled.append(int(match[1]))

    driver.add_notice_handler(collect)
    try:
        yield
    finally:
        with suppress(ValueError):
            driver.remove_notice_handler(collect)
