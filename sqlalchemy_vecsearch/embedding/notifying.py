"""Notifications that wake a worker: the trigger that sends them, and listening on any driver that can."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from sqlalchemy_vecsearch.embedding.declared import embedded_column
from sqlalchemy_vecsearch.names import fitted
from sqlalchemy_vecsearch.quoting import PREPARER

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from sqlalchemy_vecsearch.embedding.run import Run

__all__ = ["NotifyTrigger", "alisten", "anotified", "listen", "notified", "notify_trigger", "stop_listening"]

CHANNEL: Final = "vecsearch_embedding"
_FUNCTION: Final = "vecsearch_embedding_changed"


@dataclass(frozen=True, slots=True)
class NotifyTrigger:
    """The statements that create and drop a trigger, for ``op.execute`` in a revision or ``DDL`` after a table.

    Args:
        create: in their order; they can be run again.
        drop: the trigger; the function stays while other tables use it.
    """

    create: tuple[str, ...]
    drop: tuple[str, ...]


def notify_trigger(column: Any) -> NotifyTrigger:
    """Return the trigger that tells following workers of each statement that may make rows pending.

    It is a convenience, not a promise: a worker that hears nothing looks by itself. It runs once a statement, after it,
    and costs some microseconds; writes with triggers off are found by looking.

    Args:
        column: the embedding column with a source.

    Raises:
        DeclarationError: the column declares no source.
    """
    found = embedded_column(column)
    quote = PREPARER.quote
    schema = "" if found.table.schema is None else f"{PREPARER.quote(found.table.schema)}."
    table, function = schema + quote(found.table.name), schema + _FUNCTION
    trigger = quote(fitted(f"{found.table.name}_{found.column.name}", suffix="_pending"))
    named = [found.table.c[name].name for name in found.source] if isinstance(found.source, tuple) else []
    columns = f" OF {', '.join(quote(name) for name in named)}" if named else ""
    return NotifyTrigger(
        create=(
            (
                f"CREATE OR REPLACE FUNCTION {function}() RETURNS pg_catalog.trigger LANGUAGE plpgsql"
                " SET search_path = pg_catalog, pg_temp AS $$ BEGIN"
                f" PERFORM pg_catalog.pg_notify('{CHANNEL}', TG_TABLE_NAME); RETURN NULL; END $$"
            ),
            (
                f"CREATE OR REPLACE TRIGGER {trigger} AFTER INSERT OR UPDATE{columns} ON {table}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            ),
        ),
        drop=(f"DROP TRIGGER IF EXISTS {trigger} ON {table}",),
    )


def listen(connection: Connection) -> None:
    """Listen for changes on this connection, from the end of its transaction on."""
    connection.execute(text(f"LISTEN {CHANNEL}"))


def stop_listening(connection: Connection) -> None:
    """Listen no more: the connection goes back to its pool."""
    connection.execute(text(f"UNLISTEN {CHANNEL}"))


def notified(connection: Connection, shared: Run, seconds: float, *, slice_: float) -> None:
    """Wait until a notification comes, the run is stopped, or the time is over; only psycopg 3 can wait for one."""
    driver: Any = connection.connection.driver_connection
    hear = getattr(driver, "notifies", None) if connection.dialect.driver == "psycopg" else None
    end = time.monotonic() + seconds
    while not shared.stopped and (left := end - time.monotonic()) > 0:
        if hear is None:
            time.sleep(min(left, slice_))
        elif any(True for _ in hear(timeout=min(left, slice_), stop_after=1)):
            return


async def alisten(connection: AsyncConnection) -> asyncio.Event:
    """Listen for changes; the event is set by the drivers that call back."""
    heard = asyncio.Event()
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    if connection.dialect.driver == "asyncpg":
        await driver.add_listener(CHANNEL, lambda *_: heard.set())
    else:
        await connection.execute(text(f"LISTEN {CHANNEL}"))
    return heard


async def anotified(
    connection: AsyncConnection, shared: Run, heard: asyncio.Event | None, seconds: float, *, slice_: float
) -> None:
    """Wait until a notification comes, the run is stopped, or the time is over."""
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    hear = getattr(driver, "notifies", None) if connection.dialect.driver in {"psycopg", "psycopg_async"} else None
    end = time.monotonic() + seconds
    while not shared.stopped and (left := end - time.monotonic()) > 0:
        if hear is not None:
            async for _ in hear(timeout=min(left, slice_), stop_after=1):
                return
            continue
        try:
            await asyncio.wait_for(heard.wait(), min(left, slice_)) if heard else await asyncio.sleep(slice_)
        except TimeoutError:
            continue
        if heard is not None and heard.is_set():
            heard.clear()
            return
