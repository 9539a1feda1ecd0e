"""What a run of the demo prints: a heading for each step, a progress bar on a terminal, and the step's time."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from rich.markup import escape

from sqlalchemy_vecsearch.demo.summary import Step
from sqlalchemy_vecsearch.progress import counting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from sqlalchemy_vecsearch.demo.summary import Summary

__all__ = ["Report", "show_summary"]


class Report:
    """Prints the steps of a run, and remembers their times.

    Args:
        console: a quiet one prints nothing.

    Attributes:
        steps: those that ended, in order.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.steps: list[Step] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print a heading, and after the step its time."""
        self.console.print(f"\n[bold]{len(self.steps) + 1}. {escape(title)}[/bold]")
        begin = perf_counter()
        yield
        seconds = perf_counter() - begin
        self.steps.append(Step(title=title, seconds=round(seconds, 3)))
        self.console.print(f"   [dim]{seconds:.2f} s[/dim]")

    def say(self, line: str, *, style: str = "") -> None:
        """Print a line below the heading of the step, as it is."""
        self.console.print(f"   {line}", style=style, markup=False, soft_wrap=True)

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a bar while a block runs, and give the function that moves it on; only a terminal shows it.

        Args:
            label: what is counted.
            total: how many there are.
        """
        if not self.console.is_terminal or self.console.quiet:
            yield lambda count: None  # noqa: ARG005  # nobody looks
            return
        with counting(f"   {label}", total, unit=label, console=self.console) as advance:
            yield advance


def show_summary(console: Console, summary: Summary) -> None:
    """Print what a run found out in a few lines."""
    console.print("\n[bold]Summary[/bold]")
    for line in summary_lines(summary):
        console.print(f"   {line}", markup=False, soft_wrap=True)


def summary_lines(summary: Summary) -> list[str]:
    """Return what a run found out in a few lines."""
    rebuild, fresh = summary.rebuild, summary.fresh
    origin = "reused" if summary.reused else "embedded and loaded"
    way = "through" if summary.plan.index_served else "NOT through"
    memory = f", {summary.peak_memory_megabytes} MB of memory" if summary.peak_memory_megabytes else ""
    return [
        f"{summary.texts:,} texts {origin}, {len(summary.answered)} searches answered {way} {rebuild.index}",
        f"{rebuild.searches:,} searches while the index was rebuilt, {rebuild.failed or 'none'} of them failed",
        f"{fresh.edited} texts edited by plain SQL, found by what they say {fresh.seconds_to_find:.1f} s later",
        f"{summary.seconds:.1f} s in all{memory}",
        f"the code: {Path(__file__).parent}",
    ]
