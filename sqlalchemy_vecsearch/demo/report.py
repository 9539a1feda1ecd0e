"""What a run of the demo prints: a heading for each step, a progress bar on a terminal, and the step's time."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sqlalchemy_vecsearch.demo.summary import Step

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
        columns = (TextColumn("   {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        shown = self.console.is_terminal and not self.console.quiet
        with Progress(*columns, console=self.console, disable=not shown) as bar:
            task = bar.add_task(label, total=total)
            yield lambda count: bar.advance(task, count)


def show_summary(console: Console, summary: Summary) -> None:
    """Print what a run found out in a few lines."""
    console.print("\n[bold]Summary[/bold]")
    for line in summary_lines(summary):
        console.print(f"   {line}", markup=False, soft_wrap=True)


def summary_lines(summary: Summary) -> list[str]:
    """Return what a run found out in a few lines."""
    rebuild = summary.rebuild
    origin = "reused" if summary.reused else "embedded and loaded"
    way = "through" if summary.plan.index_served else "NOT through"
    memory = f", {summary.peak_memory_megabytes} MB of memory" if summary.peak_memory_megabytes else ""
    return [
        f"{summary.texts:,} texts {origin}, {len(summary.answered)} searches answered {way} the index {rebuild.index}",
        f"{rebuild.searches:,} searches while the index was rebuilt, {rebuild.failed or 'none'} of them failed",
        f"{summary.seconds:.1f} s in all{memory}",
        f"the code: {Path(__file__).parent}",
    ]
