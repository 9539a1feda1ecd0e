"""Listening for notifications on a worker's connection, with any driver that can."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from sqlalchemy_vecsearch.embedding.notify_trigger import CHANNEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from sqlalchemy_vecsearch.embedding.run import Run

__all__ = ["AsyncHeard", "Heard", "alisten", "anotified", "astop_listening", "listen", "notified", "stop_listening"]

_PSYCOPG = frozenset({"psycopg", "psycopg_async"})


class Heard(threading.Event):
    """Whether a notification came; the driver calls it, also while a statement runs."""

    def __call__(self, *_: object) -> None:
        """Note that one came."""
        self.set()


class AsyncHeard(asyncio.Event):
    """The same in an event loop."""

    def __call__(self, *_: object) -> None:
        """Note that one came."""
        self.set()


def listen(connection: Connection) -> Heard:
    """Listen for changes on this connection, from the end of its transaction on."""
    connection.execute(text(f"LISTEN {CHANNEL}"))
    heard = Heard()
    if connection.dialect.driver == "psycopg":
        _driver_of(connection).add_notify_handler(heard)
    return heard


def stop_listening(connection: Connection, heard: Heard) -> None:
    """Listen no more: the connection goes back to its pool."""
    if connection.dialect.driver == "psycopg":
        _driver_of(connection).remove_notify_handler(heard)
    connection.execute(text(f"UNLISTEN {CHANNEL}"))


def notified(connection: Connection, shared: Run, heard: Heard, seconds: float, *, slice_: float) -> None:
    """Wait until a notification comes, the run is stopped, or the time is over; only psycopg 3 can wait for one."""
    end = time.monotonic() + seconds
    with _handler_away(connection.dialect.driver, _driver_of(connection), heard) as hear:
        while not heard.is_set() and not shared.stopped and (left := end - time.monotonic()) > 0:
            if hear is None:
                heard.wait(min(left, slice_))
            elif any(True for _ in hear(timeout=min(left, slice_), stop_after=1)):
                break
    heard.clear()


async def alisten(connection: AsyncConnection) -> AsyncHeard:
    """Listen for changes on this connection; see :func:`listen`."""
    heard, driver = AsyncHeard(), await _adriver_of(connection)
    if connection.dialect.driver == "asyncpg":
        await driver.add_listener(CHANNEL, heard)
        return heard
    await connection.execute(text(f"LISTEN {CHANNEL}"))
    if connection.dialect.driver in _PSYCOPG:
        driver.add_notify_handler(heard)
    return heard


async def astop_listening(connection: AsyncConnection, heard: AsyncHeard) -> None:
    """Listen no more: the connection goes back to its pool, where the next worker listens anew."""
    driver = await _adriver_of(connection)
    if connection.dialect.driver == "asyncpg":
        await driver.remove_listener(CHANNEL, heard)
        return
    if connection.dialect.driver in _PSYCOPG:
        driver.remove_notify_handler(heard)
    await connection.execute(text(f"UNLISTEN {CHANNEL}"))


async def anotified(
    connection: AsyncConnection, shared: Run, heard: AsyncHeard, seconds: float, *, slice_: float
) -> None:
    """Wait until a notification comes, the run is stopped, or the time is over."""
    end = time.monotonic() + seconds
    with _handler_away(connection.dialect.driver, await _adriver_of(connection), heard) as hear:
        while not heard.is_set() and not shared.stopped and (left := end - time.monotonic()) > 0:
            if hear is None:
                await _set_in_time(heard, min(left, slice_))
                continue
            async for _ in hear(timeout=min(left, slice_), stop_after=1):
                heard.set()
    heard.clear()


@contextmanager
def _handler_away(name: str, driver: Any, heard: Any) -> Iterator[Any]:
    """Give psycopg's ``notifies`` without our handler beside it, of which it would warn; None for other drivers.

    ``notifies`` alone does not do: before psycopg 3.2.4 it gives nothing that came while a statement ran.
    """
    if name not in _PSYCOPG:
        yield None
        return
    driver.remove_notify_handler(heard)
    try:
        yield driver.notifies
    finally:
        driver.add_notify_handler(heard)


async def _set_in_time(heard: AsyncHeard, seconds: float) -> None:
    try:
        await asyncio.wait_for(heard.wait(), seconds)
    except TimeoutError:
        return


def _driver_of(connection: Connection) -> Any:  # each driver's own class
    return connection.connection.driver_connection


async def _adriver_of(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection
