"""What commands print: JSON for scripts, a console for people."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

__all__ = ["AsJson", "console_for", "print_json"]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else, on the output.")]
"""The `--json` option that every command has."""


def console_for(*, as_json: bool) -> Console:
    """Return a console that colours on a terminal, prints plain lines elsewhere, and nothing where JSON is wanted.

    Args:
        as_json: whether the output belongs to a JSON document.
    """
    return Console(quiet=as_json, highlight=False)


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
