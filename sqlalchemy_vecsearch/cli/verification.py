"""The report of a verification on a terminal, and in a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from sqlalchemy_vecsearch.embedding.verification.report import Report

__all__ = ["show_report", "write_report"]

_STYLES = {"passed": "green", "waived": "yellow", "failed": "red"}


def show_report(console: Console, report: Report) -> None:
    """Print every check: a table on a terminal, a line each elsewhere."""
    if not console.is_terminal:
        for check in report.checks:
            note = f" ({check.note})" if check.note else ""
            console.print(
                f"{check.verdict}: {check.name} {check.shown_value}, {check.shown_threshold}: {check.asks}{note}",
                soft_wrap=True,
                markup=False,
            )
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in report.checks:
        note = f"\n[dim]{check.note}[/dim]" if check.note else ""
        table.add_row(
            check.name,
            f"{check.asks}{note}",
            check.shown_value,
            f"[dim]{check.shown_threshold}[/dim]",
            f"[{_STYLES[check.verdict]}]{check.verdict}[/]",
        )
    console.print(table)


def write_report(path: Path, report: Report) -> None:
    """Write a report to a file, as a page or as JSON by the suffix."""
    from sqlalchemy_vecsearch.embedding.verification.html import html_of

    as_page = path.suffix == ".html"
    written = html_of(report) if as_page else json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n"
    path.write_text(written, encoding="utf-8")
