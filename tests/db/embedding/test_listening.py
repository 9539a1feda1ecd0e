"""A worker hears what comes while it runs a statement, and on a connection that its pool has given before."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from sqlalchemy import AsyncAdaptedQueuePool, select, text

from sqlalchemy_vecsearch.embedding.listening import (
    alisten,
    anotified,
    astop_listening,
    listen,
    notified,
    stop_listening,
)
from sqlalchemy_vecsearch.embedding.notify_trigger import CHANNEL

FOLLOWING = SimpleNamespace(stopped=False)
MUCH_LATER = 600
AT_ONCE = 60


def notify(engine):
    with engine.begin() as connection:
        connection.execute(text(f"NOTIFY {CHANNEL}"))


def test_a_notification_that_comes_with_the_answer_to_a_statement_is_heard(make_engine):
    engine = make_engine("psycopg", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        heard = listen(connection)
        for _ in range(2):
            notify(engine)
            assert connection.scalar(select(text("1"))) == 1  # the server sends what it has before this answer
            begin = time.monotonic()
            notified(connection, FOLLOWING, heard, MUCH_LATER, slice_=0.2)
            assert time.monotonic() - begin < AT_ONCE
        begin = time.monotonic()
        notified(connection, FOLLOWING, heard, 0.3, slice_=0.2)
        assert time.monotonic() - begin >= 0.3, "each notification wakes once"
        stop_listening(connection, heard)


@pytest.mark.parametrize("driver", ["psycopg_async", "asyncpg"])
async def test_a_connection_of_a_pool_listens_each_time(make_engine, driver):
    other, engine = make_engine(), make_engine(driver, poolclass=AsyncAdaptedQueuePool, isolation_level="AUTOCOMMIT")
    try:
        for _ in range(2):
            async with engine.connect() as connection:
                heard = await alisten(connection)
                notify(other)
                assert await connection.scalar(select(text("1"))) == 1
                begin = time.monotonic()
                await anotified(connection, FOLLOWING, heard, MUCH_LATER, slice_=0.2)
                assert time.monotonic() - begin < AT_ONCE
                await astop_listening(connection, heard)
                listening = await connection.scalars(text("SELECT pg_catalog.pg_listening_channels()"))
                assert listening.all() == []
    finally:
        await engine.dispose()
