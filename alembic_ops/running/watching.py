"""A build of this migration, watched from a second connection."""

from __future__ import annotations

import logging
import re
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import NullPool, QueuePool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from sqlalchemy_vecsearch.observing.builds import build_progress
from sqlalchemy_vecsearch.progress import RateWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

    from sqlalchemy_vecsearch.observing.builds import BuildProgress

__all__ = ["watched"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")

_POLL: Final = 1.0
"""Seconds between two looks."""

_SPILL: Final = re.compile(r"no longer fits into maintenance_work_mem after (\d+) tuples")


@contextmanager
def watched(
    connection: Connection, *, index: str, report: Callable[[BuildProgress], None], hint: str
) -> Iterator[None]:
    """Report on what a connection does for the time of a block, once a second.

    Where no second connection is to be had the block runs unwatched, and the log says so.

    Args:
        connection: the connection that builds.
        index: the name of the index.
        report: is called from another thread.
        hint: what would help once the graph has outgrown its memory.
    """
    pid = connection.scalar(text("SELECT pg_catalog.pg_backend_pid()"))
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
    report: Callable[[BuildProgress], None],
    hint: str,
    spilled: list[int],
    stop: threading.Event,
) -> None:
    window = RateWindow()
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not stop.wait(_POLL):
                progress = build_progress(connection, pid=pid, index=index, window=window)
                if progress is None:
                    return
                spill = f"the graph outgrew its memory after {spilled[0]:,} rows; {hint}" if spilled else None
                report(replace(progress, hint=spill))
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
