"""`vecsearch demo`: semantic search over the docstrings of this Python."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json
from sqlalchemy_vecsearch.cli.signals import end_awaited

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
    reembed: Annotated[
        bool, typer.Option("--reembed", help="Change the embedding model of a table that is in use, too.")
    ] = False,
    mode: Annotated[
        Literal["pointer", "rename"] | None,
        typer.Option(
            help="With --reembed: how searches change over; pointer if not given, as fits a model of another length.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run an ordinary app on real text, from an empty database on.

    It migrates, embeds, loads, indexes, searches, rebuilds the index meanwhile, and follows texts that are edited.
    The texts are the docstrings of this Python's standard library. Nothing is downloaded. A second run reuses the data.
    """
    from sqlalchemy_vecsearch.demo.report import Report, show_summary
    from sqlalchemy_vecsearch.demo.run import run_demo
    from sqlalchemy_vecsearch.demo.server import default_directory
    from sqlalchemy_vecsearch.demo.server import reset as forget

    console = console_for(as_json=as_json)
    if mode is not None and not reembed:
        raise typer.BadParameter("it says how searches change over: write --reembed, too", param_hint="--mode")
    place = (directory or default_directory()).expanduser().absolute()
    if reset:
        forget(place)
    server, summary = run_demo(place, Report(console), port=port, reembed=(mode or "pointer") if reembed else None)
    try:
        if as_json:
            print_json(summary)
        show_summary(console, summary)
        if keep:
            with end_awaited() as ended:
                console.print(f"The server runs until Ctrl-C: {summary.url}", markup=False, soft_wrap=True)
                ended.wait()
    finally:
        server.stop()
    if not summary.succeeded:
        raise typer.Exit(1)
