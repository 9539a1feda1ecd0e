"""How far a long piece of work is: a bar on a terminal, lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TextIO, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from rich.console import Console

__all__ = ["Counted", "Progress", "RateWindow", "Reached", "counting", "reporting", "showing"]

Progress: TypeAlias = Callable[[int, int | None], object] | bool | None
"""None for silence, True for a bar on the terminal (lines elsewhere, on the standard error), or a function of the rows
sent so far and of all rows if known."""

_PAUSE: Final = 5.0
"""Seconds between two lines."""

_BAR_WIDTH: Final = 20
"""Columns: on a terminal of 80 the share and the time left stay, and the title has what they leave."""


class Reached(Protocol):
    """How far a piece of work is, a frozen dataclass.

    ``done`` of ``total``, None where they are not known; ``notes`` are worth a line of their own, once for each key.
    """

    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def done(self) -> int | None: ...  # noqa: D102
    @property
    def total(self) -> int | None: ...  # noqa: D102
    @property
    def seconds_left(self) -> float | None: ...  # noqa: D102
    @property
    def notes(self) -> Mapping[Hashable, str]: ...  # noqa: D102

    def describe(self) -> str:
        """Return all of it in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How far a count is; ``rate`` is units a second over the last half minute."""

    title: str
    done: int
    total: int | None
    unit: str
    rate: float | None = None
    seconds_left: float | None = None

    @property
    def notes(self) -> Mapping[Hashable, str]:
        """Nothing: a count has no more to say."""
        return {}

    def describe(self) -> str:
        """Return it in one line, for people."""
        parts = [f"{self.title}: {self.done:,} {self.unit}"]
        if self.total:
            parts = [f"{self.title}: {100 * self.done // self.total}% ({self.done:,} of {self.total:,} {self.unit})"]
        if self.rate is not None:
            parts.append(f"{self.rate:,.0f} {self.unit}/s")
        if self.seconds_left is not None:
            parts.append(f"about {self.seconds_left:.0f} s left")
        return ", ".join(parts)


@dataclass
class RateWindow:
    """The rate over the last seconds only: what grows slower and slower, as a graph does, has no use for an average."""

    seconds: float = 30.0
    phase: str = ""
    points: deque[tuple[float, int]] = field(default_factory=deque)

    def rate(self, phase: str, now: float, done: int) -> float | None:
        """Add a point and return units a second, None until there are two points of the phase."""
        if phase != self.phase:
            self.phase = phase
            self.points.clear()
        self.points.append((now, done))
        while now - self.points[0][0] > self.seconds:
            self.points.popleft()
        began, first = self.points[0]
        return (done - first) / (now - began) if now > began and done > first else None


@contextmanager
def showing(
    way: Literal["auto", "lines", "json"] = "auto",
    *,
    stream: TextIO | None = None,
    console: Console | None = None,
    line: Callable[[str], object] | None = None,
    transient: bool = False,
) -> Iterator[Callable[[Reached], None]]:
    """Give a function that shows how far a piece of work is, for the time of a block.

    Args:
        way: "auto" is a bar on a terminal where rich is installed, else lines, at most one in five seconds and at once
            for a new note; "lines" and "json" are these alone.
        stream: where it goes, None for the standard error.
        console: a console of rich to draw the bar on; None makes one of the stream.
        line: is given each line, None writes it to the stream.
        transient: whether the bar goes away at the end.
    """
    stream = stream or sys.stderr
    if way == "json":
        yield lambda reached: print(json.dumps(asdict(cast("Any", reached)), default=str), file=stream, flush=True)
    elif way == "auto" and _draws(stream, console):
        with _bar(stream, console, transient=transient) as report:
            yield report
    else:
        yield _lines(line or (lambda words: print(words, file=stream, flush=True)))


@contextmanager
def counting(
    title: str,
    total: int | None,
    *,
    unit: str,
    stream: TextIO | None = None,
    console: Console | None = None,
    transient: bool = False,
) -> Iterator[Callable[[int], None]]:
    """Show a count for the time of a block, and give the function that takes how many came further.

    Args:
        title: what is done.
        total: how many there are, None where that is not known.
        unit: what is counted, such as "rows".
        stream: where it goes, None for the standard error.
        console: a console of rich to draw the bar on; None makes one of the stream.
        transient: whether the bar goes away at the end.

    Example:
        >>> with counting("Loading document", 1_000, unit="rows", stream=sys.stdout) as advance:
        ...     advance(1_000)
        Loading document: 100% (1,000 of 1,000 rows)
    """
    done, window = 0, RateWindow()
    with showing(stream=stream, console=console, transient=transient) as report:

        def advance(count: int) -> None:
            nonlocal done
            done += count
            rate = window.rate(title, time.monotonic(), done)
            left = None if rate is None or total is None else max(0, total - done) / rate
            report(Counted(title=title, done=done, total=total, unit=unit, rate=rate, seconds_left=left))

        yield advance


@contextmanager
def reporting(progress: Progress, total: int | None, description: str) -> Iterator[Callable[[int], None]]:
    """Give a function that takes the number of further rows."""
    if progress is True:
        with counting(description, total, unit="rows") as advance:
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


def _draws(stream: TextIO, console: Console | None) -> bool:
    with suppress(ImportError):
        import rich  # noqa: F401  # the extra [cli] brings it

        return stream.isatty() if console is None else console.is_terminal and not console.quiet
    return False


def _lines(line: Callable[[str], object]) -> Callable[[Reached], None]:
    last, known, ended = 0.0, frozenset[Any](), ""  # Any: the keys of notes

    def report(reached: Reached) -> None:
        nonlocal last, known, ended
        notes = frozenset(reached.notes)
        ends = reached.total is not None and reached.done == reached.total and reached.title != ended
        if last and time.monotonic() - last < _PAUSE and notes <= known and not ends:
            return
        last, known = time.monotonic(), notes
        ended = reached.title if ends else ended
        line(reached.describe())

    return report


@contextmanager
def _bar(stream: TextIO, console: Console | None, *, transient: bool) -> Iterator[Callable[[Reached], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    console = console or Console(file=stream)
    title = TextColumn(
        "{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"), markup=False
    )
    # the terminal's own colours: with rich's, what is left looks like what is done where the background is light
    bar = BarColumn(_BAR_WIDTH, style="dim", complete_style="cyan", finished_style="green", pulse_style="cyan")
    columns = (title, bar, TextColumn("{task.fields[share]}"), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=console, transient=transient, expand=True) as bars, _log_above(console):
        task = bars.add_task("starting", total=None, share="", left="")
        known: frozenset[Any] = frozenset()  # Any: the keys of notes

        def report(reached: Reached) -> None:
            nonlocal known
            for key, note in reached.notes.items():
                if key not in known:
                    console.print(note, markup=False, highlight=False)
            known = frozenset(reached.notes)
            share = f"{100 * (reached.done or 0) // reached.total:3}%" if reached.total else ""
            left = "" if reached.seconds_left is None else f"{_clock(reached.seconds_left)} left"
            bars.update(
                task,
                description=reached.title,
                completed=reached.done or 0,
                total=reached.total,
                share=share,
                left=left,
            )

        yield report


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


@contextmanager
def _log_above(console: Console) -> Iterator[None]:
    """Let what is logged to the terminal stand above the bar, instead of in its line."""
    from rich.file_proxy import FileProxy

    known = logging.getLogger().manager.loggerDict.values()
    loggers = [logging.getLogger(), *(one for one in known if isinstance(one, logging.Logger))]
    moved = {}
    for handler in (handler for logger in loggers for handler in logger.handlers):
        if isinstance(handler, logging.StreamHandler) and handler not in moved and _is_terminal(handler.stream):
            moved[handler] = handler.setStream(FileProxy(console, handler.stream))
    try:
        yield
    finally:
        for handler, stream in moved.items():
            handler.setStream(stream)


def _is_terminal(stream: Any) -> bool:  # Any: whatever a handler writes to
    return bool(getattr(stream, "isatty", bool)())
