"""What commands print: JSON for scripts, a console for people."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import textwrap
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sqlalchemy_vecsearch.progress import Counted, RateWindow, showing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["AsJson", "RefusedArgumentError", "console_for", "fitted_to_terminal", "print_json", "questions_shown"]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else, on the output.")]
"""The `--json` option that every command has."""


def console_for(*, as_json: bool) -> Console:
    """Return a console that colours on a terminal, prints plain lines elsewhere, and nothing where JSON is wanted.

    A terminal gets lines that break between words; elsewhere a sentence is one line, for grep.

    Args:
        as_json: whether the output belongs to a JSON document.
    """
    return Console(quiet=as_json, highlight=False, soft_wrap=not sys.stdout.isatty())


def fitted_to_terminal(text: str, *, after: int = 0) -> str:
    """Return a text for the standard error with its lines broken between words, where that is a terminal.

    Args:
        text: one or several lines.
        after: how many columns of the first line are taken.
    """
    if not sys.stderr.isatty():
        return text
    first = " " * after
    width = shutil.get_terminal_size().columns
    lines = [
        textwrap.fill(line, width, initial_indent=first * (not number), break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(text.splitlines())
    ]
    return "\n".join(lines)[after:]


class RefusedArgumentError(typer.BadParameter):
    """An argument that names nothing, or that does not go with another one."""

    def __init__(self, message: str) -> None:
        super().__init__(fitted_to_terminal(message, after=len("Error: Invalid value: ")))


@contextmanager
def questions_shown() -> Iterator[Callable[[str, int, int], None]]:
    """Give the function that measurements report to: what is measured, questions answered, and questions in all.

    It is shown on the standard error, where a JSON document on the output is not disturbed.
    """
    window = RateWindow()
    with showing(transient=True) as report:

        def answered(name: str, done: int, total: int) -> None:
            rate = window.rate(name, time.monotonic(), done)
            left = None if rate is None else (total - done) / rate
            report(Counted(title=name, done=done, total=total, unit="questions", rate=rate, seconds_left=left))

        yield answered


def print_json(document: object) -> None:
    """Print a value of dataclasses, mappings, lists and scalars as one indented JSON document.

    Args:
        document: enumerations become their values, everything else that JSON has no form for its text.
    """
    sys.stdout.write(json.dumps(document, default=_plain, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _plain(value: object) -> Any:  # Any: a form that the json module knows
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)
