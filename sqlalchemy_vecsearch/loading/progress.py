"""Who is told how far a load has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from sqlalchemy_vecsearch.errors import LoadingError

__all__ = ["Progress", "reporting"]

Progress: TypeAlias = Callable[[int, int | None], object] | bool | None
"""None for silence, True for a bar on the terminal, or a function of the rows sent so far and of all rows if known."""


@contextmanager
def reporting(progress: Progress, total: int | None, description: str) -> Iterator[Callable[[int], None]]:
    """Give a function that takes the number of further rows.

    Raises:
        LoadingError: a bar is asked for, and rich is not installed.
    """
    if progress is True:
        with _bar(total, description) as advance:
            yield advance
        return
    if not progress:
        yield lambda count: None  # noqa: ARG005  # nobody listens
        return
    sent = 0

    def report(count: int) -> None:
        nonlocal sent
        sent += count
        if count:
            progress(sent, total)

    yield report


@contextmanager
def _bar(total: int | None, description: str) -> Iterator[Callable[[int], None]]:
    try:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar
    except ImportError as error:
        raise LoadingError(
            "A progress bar cannot be drawn. "
            "progress=True needs the package rich, which is not installed. "
            "Install sqlalchemy-vecsearch[cli], or pass a function of two numbers."
        ) from error
    with Bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(description, total=total)
        yield lambda count: bar.advance(task, count)
