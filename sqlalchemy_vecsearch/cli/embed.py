"""`vecsearch embed`: embed the rows whose embedding is not that of their text."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from sqlalchemy import text

from sqlalchemy_vecsearch.cli import references
from sqlalchemy_vecsearch.cli.database import DatabaseUrl, connected
from sqlalchemy_vecsearch.cli.exit_codes import NEEDS_ATTENTION
from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json
from sqlalchemy_vecsearch.cli.recall import EmbeddingColumn
from sqlalchemy_vecsearch.progress import Counted, showing

__all__ = ["embed", "rows_reached", "sentence_of", "stopped_by_signals"]

LOOK: Final = 1.0
"""How often in seconds a worker that follows looks by itself."""


def embed(
    column: EmbeddingColumn,
    *,
    url: DatabaseUrl,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it will cost, and end.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on for ever with what becomes pending.")] = False,
    where: Annotated[str | None, typer.Option(help="Which rows, besides being pending: an SQL condition.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, show_default=False, help="The most rows.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Threads that embed and write.")] = 1,
    rate: Annotated[float | None, typer.Option(show_default=False, help="The most texts a minute.")] = None,
    token_rate: Annotated[float | None, typer.Option(show_default=False, help="The most tokens a minute.")] = None,
    max_texts: Annotated[int | None, typer.Option(min=0, show_default=False, help="The most texts to send.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=0, show_default=False, help="The most tokens to send.")] = None,
    considerate: Annotated[
        bool, typer.Option("--considerate", help="Wait while a replica lags or somebody waits for a lock.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Embed the rows whose embedding is not that of their text.

    It may run beside others of its kind and beside the application; a kill loses nothing. The module of the column
    registers the model.
    """
    from sqlalchemy_vecsearch.embedding.pacing import Rate
    from sqlalchemy_vecsearch.embedding.preflight import preflight
    from sqlalchemy_vecsearch.embedding.refreshing import refresh
    from sqlalchemy_vecsearch.embedding.throttling import WaitForDatabase

    embedding = references.load(column)
    console = console_for(as_json=as_json)
    with connected(url) as connection:
        cost = preflight(connection, embedding, where=None if where is None else text(where))
        connection.rollback()
        for line in cost.lines():
            console.print(line)
        if dry_run:
            if as_json:
                print_json(cost)
            return
        with stopped_by_signals() as stop, _shown(console, pending=cost.pending, follow=follow) as progress:
            done = refresh(
                connection.engine,
                embedding,
                where=where,
                limit=limit,
                workers=workers,
                progress=progress,
                follow=LOOK if follow else None,
                rate=Rate(texts=rate, tokens=token_rate),
                max_texts=max_texts,
                max_tokens=max_tokens,
                throttle=WaitForDatabase() if considerate else None,
                stop=stop,
            )
    if as_json:
        print_json(done)
    if cost.pending or done.written or done.refused:
        console.print(sentence_of(done))
    if done.refused:
        raise typer.Exit(NEEDS_ATTENTION)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and Ctrl-C set; a second Ctrl-C interrupts as usual."""
    stop = threading.Event()

    def end_after_the_batch(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[number])

    before: dict[int, Any] = {int(number): signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, end_after_the_batch)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _shown(console: Console, *, pending: int, follow: bool) -> Iterator[Callable[[Any], None]]:  # Any: a Refreshed
    """Give what shows progress, as every command does: a bar on a terminal, a line now and then elsewhere.

    Where nothing is pending there is no way to be shown, unless the run waits for what comes.
    """
    if not (pending or follow):
        yield lambda _: None
        return
    quiet = (lambda _: None) if console.quiet else None
    with showing("lines" if console.quiet else "auto", console=console, line=quiet or console.print) as report:
        yield lambda now: report(rows_reached(now))


def rows_reached(now: Any) -> Counted:  # a Refreshed
    """Return how far a run is, as what shows progress takes it."""
    return Counted(
        title="Embedding",
        done=now.written + now.refused,
        total=now.pending,
        unit="rows",
        rate=now.rate,
        seconds_left=now.seconds_left,
    )


def sentence_of(done: Any) -> str:  # a Refreshed
    """Return what a run has done, in a sentence."""
    others = {
        "edited meanwhile": done.edited,
        "locked by the application": done.locked,
        "refused by the embedder": done.refused,
    }
    more = "".join(f", {count:,} {what}" for what, count in others.items() if count)
    return f"{done.written:,} rows written in {done.seconds:.1f} s{more}"
