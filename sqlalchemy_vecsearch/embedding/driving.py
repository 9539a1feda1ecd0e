"""The steps of a worker, taken in a thread or in an event loop."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import false, func, select
from sqlalchemy.exc import DBAPIError

from sqlalchemy_vecsearch.embedding.embedders import arun
from sqlalchemy_vecsearch.embedding.listening import (
    AsyncHeard,
    Heard,
    alisten,
    anotified,
    astop_listening,
    listen,
    notified,
    stop_listening,
)
from sqlalchemy_vecsearch.embedding.steps import Ask, Embed, Wake
from sqlalchemy_vecsearch.embedding.worker import work
from sqlalchemy_vecsearch.sqlstates import sqlstate_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from sqlalchemy_vecsearch.embedding.claims import Claims
    from sqlalchemy_vecsearch.embedding.run import Run
    from sqlalchemy_vecsearch.embedding.steps import Step

__all__ = ["awork_until_done", "work_until_done"]

SLICE: Final = 0.2
"""The longest time in seconds that a waiting worker does not look whether it is stopped."""

_AUTOCOMMIT: Final = "AUTOCOMMIT"
"""What a statement locks is free when it ends on the server, whatever becomes of the worker."""


def work_until_done(engine: Engine, shared: Run, new_claims: Callable[[], Claims]) -> None:
    """Let one worker work in this thread; one that follows the table goes on after the server was away."""
    lost = 0
    while True:
        try:
            with engine.connect() as connection:
                connection.execution_options(isolation_level=_AUTOCOMMIT)
                _on_connection(connection, shared, new_claims())
        except DBAPIError as error:
            lost += 1
            if not _goes_on(error, shared):
                raise
            _sleep(shared, shared.retry.wait(min(lost, 10)))
        else:
            return


async def awork_until_done(engine: AsyncEngine, shared: Run, new_claims: Callable[[], Claims]) -> None:
    """Let one worker work in this task; see :func:`work_until_done`."""
    lost = 0
    while True:
        try:
            async with engine.connect() as connection:
                await connection.execution_options(isolation_level=_AUTOCOMMIT)
                await _on_async_connection(connection, shared, new_claims())
        except DBAPIError as error:
            lost += 1
            if not _goes_on(error, shared):
                raise
            await _asleep(shared, shared.retry.wait(min(lost, 10)))
        else:
            return


def _goes_on(error: DBAPIError, shared: Run) -> bool:
    return shared.follow is not None and error.connection_invalidated and not shared.stopped


def _on_connection(connection: Connection, shared: Run, claims: Claims) -> None:
    steps = work(shared, claims)
    ended = False
    try:
        with connection.begin():
            isolation = _read_committed(connection)
            heard = Heard() if shared.follow is None else listen(connection)
        with _embedding(shared) as call:
            _take(connection, shared, steps, heard, call)
        ended = True
    finally:
        if ended:
            with connection.begin():
                if shared.follow is not None:
                    stop_listening(connection, heard)
                _leave(connection, claims, isolation)
        else:
            connection.invalidate()  # ends the session, and with it the worker's lock: its claims are free


@contextmanager
def _embedding(shared: Run) -> Iterator[Callable[[tuple[str, ...]], Any]]:
    """Give what calls the embedder: an async one in one loop for the whole time, to which its client belongs."""
    function = shared.embedder.embed
    if not shared.embedder.is_async:
        yield lambda texts: function(list(texts))
        return

    async def answer(texts: tuple[str, ...]) -> Any:
        return await function(list(texts))

    with asyncio.Runner() as runner:
        yield lambda texts: runner.run(answer(texts))


def _take(
    connection: Connection,
    shared: Run,
    steps: Generator[Step, Any, None],
    heard: Heard,
    call: Callable[[tuple[str, ...]], Any],
) -> None:
    answer: Any = None  # whatever the step gives
    error: Exception | None = None
    while True:
        try:
            step = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration:
            return
        answer, error = None, None
        try:
            if isinstance(step, Ask):
                answer = _asked(connection, step, shared)
            elif isinstance(step, Embed):
                answer = call(step.texts)
            elif isinstance(step, Wake):
                notified(connection, shared, heard, step.seconds, slice_=SLICE)
            else:
                _sleep(shared, step.seconds)
        except Exception as raised:  # noqa: BLE001  # the worker decides what it means
            error = raised


async def _on_async_connection(connection: AsyncConnection, shared: Run, claims: Claims) -> None:
    steps = work(shared, claims)
    ended = False
    try:
        async with connection.begin():
            isolation = await connection.run_sync(_read_committed)
            heard = AsyncHeard() if shared.follow is None else await alisten(connection)
        await _atake(connection, shared, steps, heard)
        ended = True
    finally:
        if ended:
            async with connection.begin():
                if shared.follow is not None:
                    await astop_listening(connection, heard)
                await connection.run_sync(_leave, claims, isolation)
        else:
            await connection.invalidate()


async def _atake(
    connection: AsyncConnection, shared: Run, steps: Generator[Step, Any, None], heard: AsyncHeard
) -> None:
    answer: Any = None  # whatever the step gives
    error: Exception | None = None
    while True:
        try:
            step = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration:
            return
        answer, error = None, None
        try:
            if isinstance(step, Ask):
                answer = await _asked_async(connection, step, shared)
            elif isinstance(step, Embed):
                answer = await arun(shared.embedder.embed, step.texts)
            elif isinstance(step, Wake):
                await anotified(connection, shared, heard, step.seconds, slice_=SLICE)
            else:
                await _asleep(shared, step.seconds)
        except Exception as raised:  # noqa: BLE001  # the worker decides what it means
            error = raised


def _asked(connection: Connection, step: Ask, shared: Run) -> Any:
    """Run statements, again where the server gave it up for another's sake: a deadlock, or a time-out of a lock."""
    for attempt in range(1, _TRIES + 1):
        try:
            with connection.begin():
                return step.function(connection)
        except DBAPIError as error:
            if attempt == _TRIES or sqlstate_of(error.orig) not in _GIVEN_UP:
                raise
        _sleep(shared, shared.retry.wait(attempt))
    raise AssertionError


async def _asked_async(connection: AsyncConnection, step: Ask, shared: Run) -> Any:
    for attempt in range(1, _TRIES + 1):
        try:
            async with connection.begin():
                return await connection.run_sync(step.function)
        except DBAPIError as error:
            if attempt == _TRIES or sqlstate_of(error.orig) not in _GIVEN_UP:
                raise
        await _asleep(shared, shared.retry.wait(attempt))
    raise AssertionError


_TRIES: Final = 6
_ISOLATION: Final = "default_transaction_isolation"
_GIVEN_UP: Final = frozenset({"40P01", "40001", "55P03"})


def _read_committed(connection: Connection) -> str:
    """Let statements see the rows as they are when they lock them, and return what the session had instead."""
    former: str = connection.execute(select(func.pg_catalog.current_setting(_ISOLATION))).scalar_one()
    _set_isolation(connection, former, "read committed")
    return former


def _set_isolation(connection: Connection, now: str, wished: str) -> None:
    if now != wished:
        connection.execute(select(func.pg_catalog.set_config(_ISOLATION, wished, false())))


def _leave(connection: Connection, claims: Claims, isolation: str) -> None:
    claims.leave(connection)
    _set_isolation(connection, "read committed", isolation)


def _sleep(shared: Run, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not shared.stopped and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, SLICE))


async def _asleep(shared: Run, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not shared.stopped and (left := end - time.monotonic()) > 0:  # noqa: ASYNC110  # an event of threads, maybe
        await asyncio.sleep(min(left, SLICE))
