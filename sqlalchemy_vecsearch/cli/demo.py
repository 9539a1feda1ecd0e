"""`vecsearch demo`: semantic search over the docstrings of this Python."""

import signal
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json

__all__ = ["demo"]


def demo(
    *,
    directory: Annotated[
        Path | None,
        typer.Option(
            help="Where the server keeps its data; the user's cache folder if not given.",
            file_okay=True,
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="The server's TCP port; a free one if not given.", min=1, max=65535, show_default=False),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running until Ctrl-C.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Remove what earlier runs left, and start anew.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run an ordinary app on real text: migrate, embed, load, index, search, and rebuild the index under load.

    The texts are the docstrings of this Python's standard library. Nothing is downloaded. A second run reuses the data.
    """
    from sqlalchemy_vecsearch.demo.report import Report, show_summary
    from sqlalchemy_vecsearch.demo.run import run_demo
    from sqlalchemy_vecsearch.demo.server import default_directory
    from sqlalchemy_vecsearch.demo.server import reset as forget

    console = console_for(as_json=as_json)
    place = (directory or default_directory()).expanduser().absolute()
    if reset:
        forget(place)
    server, summary = run_demo(place, Report(console), port=port)
    try:
        if as_json:
            print_json(summary)
        show_summary(console, summary)
        if keep:
            ended = _signalled()
            console.print(f"The server runs until Ctrl-C: {summary.url}", markup=False, soft_wrap=True)
            ended.wait()
    finally:
        server.stop()
    if not summary.succeeded:
        raise typer.Exit(1)


def _signalled() -> Event:
    """Return an event that Ctrl-C and SIGTERM set, also where a shell in the background has Ctrl-C ignored."""
    ended = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    return ended
