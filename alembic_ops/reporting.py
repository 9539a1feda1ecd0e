"""Where the progress of a build goes: a bar on a terminal, lines of the log, lines of JSON, or a function."""

from __future__ import annotations

import json
import logging
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, TextIO

from alembic_ops.errors import OperationArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from alembic_ops.watching import Progress

__all__ = ["reporter"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")

_PAUSE: Final = 5.0
"""Seconds between two lines of the log."""


@contextmanager
def reporter(options: Mapping[str, object], stream: TextIO | None = None) -> Iterator[Callable[[Progress], None]]:
    """Give the function that progress is reported to, as ``context.configure(vector_progress=)`` asks for it.

    Args:
        options: the options of the migration context. ``vector_progress`` is "auto" (a bar on a terminal where rich is
            installed, else lines), "lines", "json", "none", or a function that takes a Progress.
        stream: where bars and JSON go, None for the standard error.

    Raises:
        OperationArgumentError: ``vector_progress`` is something else.
    """
    wished = options.get("vector_progress", "auto")
    stream = stream or sys.stderr
    if callable(wished):
        yield wished
    elif wished == "json":
        yield lambda progress: print(json.dumps(asdict(progress)), file=stream, flush=True)
    elif wished == "none":
        yield lambda _: None
    elif wished == "lines" or (wished == "auto" and not stream.isatty()):
        yield _lines()
    elif wished == "auto":
        with _bar(stream) as report:
            yield report
    else:
        raise OperationArgumentError(
            f"context.configure(vector_progress={wished!r}) is not a way to show progress. "
            'Progress is shown as "auto", "lines", "json" or "none", or is given to a function. '
            "Write one of these in env.py, or leave it out.",
            operation="context.configure",
            argument="vector_progress",
        )


def _lines() -> Callable[[Progress], None]:
    """Return a function that logs at most one line in five seconds, and at once who blocks."""
    last, blocking = 0.0, frozenset[int]()

    def report(progress: Progress) -> None:
        nonlocal last, blocking
        blockers = frozenset(blocker.pid for blocker in progress.blockers)
        if time.monotonic() - last < _PAUSE and blockers <= blocking:
            return
        last, blocking = time.monotonic(), blockers
        _LOG.info("%s", progress.describe())

    return report


@contextmanager
def _bar(stream: TextIO) -> Iterator[Callable[[Progress], None]]:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars
    except ImportError:  # the extra [cli] is not installed
        yield _lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(file=stream), transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def report(progress: Progress) -> None:
            bars.update(task, description=progress.describe(), completed=progress.done or 0, total=progress.total)

        yield report
