"""Embed the rows of a table whose embeddings are not what their texts are now."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, func, literal_column, select, text

from sqlalchemy_vecsearch.embedding.claims import Claims
from sqlalchemy_vecsearch.embedding.declared import embedded_column
from sqlalchemy_vecsearch.embedding.driving import awork_until_done, work_until_done
from sqlalchemy_vecsearch.embedding.embedders import embedder_of
from sqlalchemy_vecsearch.embedding.errors import EmbedderError
from sqlalchemy_vecsearch.embedding.fingerprints import check_fingerprint
from sqlalchemy_vecsearch.embedding.journal import journal_table
from sqlalchemy_vecsearch.embedding.pacing import Budget, Rate, Retry
from sqlalchemy_vecsearch.embedding.run import Refreshed, Run
from sqlalchemy_vecsearch.embedding.strangers import refuse_tables_of_strangers
from sqlalchemy_vecsearch.embedding.switched import refuse_switched
from sqlalchemy_vecsearch.embedding.work_table import create_missing_tables, model_table, work_table, written_name

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Connection, Engine, TextClause
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["arefresh", "refresh"]


def refresh(
    engine: Engine,
    column: Any,
    *,
    where: ColumnElement[bool] | TextClause | str | None = None,
    limit: int | None = None,
    workers: int = 1,
    progress: Callable[[Refreshed], object] | None = None,
    follow: float | None = None,
    rate: Rate | None = None,
    max_texts: int | None = None,
    max_tokens: int | None = None,
    throttle: Callable[[Connection], float | None] | None = None,
    retry: Retry | None = None,
    lease: float = 900.0,
    zero_allowed: bool = False,
    stop: threading.Event | None = None,
) -> Refreshed:
    """Embed the pending rows of a column, and return what was done.

    Each batch is claimed and read by short statements, embedded with no transaction open, and written by
    compare-and-set: a row whose text was edited meanwhile keeps its edit and is simply pending. No lock outlives its
    statement, whatever becomes of the worker. Any number of workers, processes and machines may run at once; none
    embeds a row that another one has claimed, and what a killed worker had claimed is free at once. Each worker holds
    one connection of the engine.

    Args:
        engine: of the database.
        column: the embedding column with a source, such as ``Document.embedding``.
        where: which rows, besides being pending: an SQL expression over the table.
        limit: the most rows, None for all.
        workers: threads of this process; the embedder is called from each of them.
        progress: called after each write with a :class:`Refreshed`.
        follow: None ends when nothing is pending, or what is left was edited while the model ran three times in a row;
            a number of seconds goes on for ever, looks again at the latest after that time, and at once where the table
            notifies (see :func:`notify_trigger`).
        rate: the most texts or tokens a minute.
        max_texts: the most texts that are sent to the embedder.
        max_tokens: the most tokens, estimated from the texts, that are sent to it.
        throttle: asked before each claim, with a connection in autocommit; returns the seconds to wait before it is
            asked again, or None to go on. :class:`WaitForDatabase` is ready-made.
        retry: how an embedder is asked again that does not answer, and when a refused text.
        lease: the seconds after which a claim lapses although the session of its worker lives.
        zero_allowed: True writes vectors of zeros where the metric is cosine, which no search finds.
        stop: an event that ends the run after the batches that are under way.

    Raises:
        DeclarationError: the column declares no source.
        UnknownEmbedderError: its model is not registered.
        FingerprintError: another model has made vectors under its name.
        ColumnSwitchedError: a change of model has exchanged the column with another one.
        EmbedderRefusesAllError: the embedder can not be reached, or refuses every text.
        WorkTableError: the work table is missing, and the role may not create it.
    """
    run, new_claims = _prepared(
        column,
        where=where,
        lease=lease,
        workers=workers,
        budget=Budget(rows=limit, texts=max_texts, tokens=max_tokens),
        rate=rate or Rate(),
        retry=retry or Retry(),
        throttle=throttle,
        follow=follow,
        zero_allowed=zero_allowed,
        stop=stop,
        progress=progress,
    )
    with engine.begin() as connection:
        _see_to_tables(connection, run)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _look(connection, run, new_claims())

    def one_worker(_: int) -> None:
        try:
            work_until_done(engine, run, new_claims)
        except BaseException:
            run.failed = True  # the others end after their batch
            raise

    if workers == 1:
        one_worker(0)
    else:
        with ThreadPoolExecutor(workers, thread_name_prefix="vecsearch-embed") as pool:
            list(pool.map(one_worker, range(workers)))
    run.count()
    return run.progress_now


async def arefresh(
    engine: AsyncEngine,
    column: Any,
    *,
    where: ColumnElement[bool] | TextClause | str | None = None,
    limit: int | None = None,
    workers: int = 1,
    progress: Callable[[Refreshed], object] | None = None,
    follow: float | None = None,
    rate: Rate | None = None,
    max_texts: int | None = None,
    max_tokens: int | None = None,
    throttle: Callable[[Connection], float | None] | None = None,
    retry: Retry | None = None,
    lease: float = 900.0,
    zero_allowed: bool = False,
    stop: threading.Event | asyncio.Event | None = None,
) -> Refreshed:
    """Do what :func:`refresh` does, on an async engine: workers are tasks, and an async embedder is awaited.

    An embedder that is not async runs in a thread, so that the loop stays free.
    """
    run, new_claims = _prepared(
        column,
        where=where,
        lease=lease,
        workers=workers,
        budget=Budget(rows=limit, texts=max_texts, tokens=max_tokens),
        rate=rate or Rate(),
        retry=retry or Retry(),
        throttle=throttle,
        follow=follow,
        zero_allowed=zero_allowed,
        stop=stop,
        progress=progress,
    )
    async with engine.begin() as connection:
        await connection.run_sync(_see_to_tables, run)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.run_sync(_look, run, new_claims())

    async def one_worker() -> None:
        try:
            await awork_until_done(engine, run, new_claims)
        except BaseException:
            run.failed = True
            raise

    ended = await asyncio.gather(*(one_worker() for _ in range(workers)), return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    run.count()
    return run.progress_now


def _prepared(
    column: Any, *, where: Any, lease: float, workers: int, **limits: Any
) -> tuple[Run, Callable[[], Claims]]:
    """Return what the workers share, and what makes the claims of each; Any: as refresh() takes them."""
    for name, number in (("workers", workers), ("lease", lease)):
        if number <= 0:
            raise EmbedderError(
                f"{name}={number!r} lets nobody work. "
                "A run has one worker at least, and a claim holds for some seconds. "
                f"Write {name}={1 if name == 'workers' else 900}."
            )
    found = embedded_column(column)
    run = Run(found=found, embedder=embedder_of(column), **limits)
    condition = text(where) if isinstance(where, str) else where

    def new_claims() -> Claims:
        return Claims(found, secrets.randbits(31), timedelta(seconds=lease), condition)

    return run, new_claims


def _see_to_tables(connection: Connection, run: Run) -> None:
    """See that the tables of the worker are there, and that the name of the model is its own."""
    table = run.found.table
    needed = [work_table(table.metadata, table.schema)]
    if run.embedder.fingerprint is not None:
        needed.append(model_table(table.metadata, table.schema))
    create_missing_tables(connection, needed)
    used = [*needed, journal_table(MetaData(), table.schema)]
    names = [written_name(connection, one) for one in used]
    refuse_tables_of_strangers(connection, names, beside=written_name(connection, table))
    check_fingerprint(connection, run.found, run.embedder)


def _look(connection: Connection, run: Run, claims: Claims) -> None:
    """See that the column is that of the model, and how much there is to do; in autocommit, which keeps no lock."""
    refuse_switched(connection, run.found)
    if run.progress is not None:
        count = func.pg_catalog.count(literal_column("*"))
        pending = select(count).select_from(run.found.table).where(run.found.pending)
        if claims.where is not None:
            pending = pending.where(claims.where)
        run.expect(connection.scalar(pending) or 0)
