"""Results of benchmarks as Markdown, and their place in the documentation."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def put(page: Path, name: str, body: str) -> None:
    """Replace what stands between the marks of that name.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = f"<!-- measured: {name} -->", "<!-- end of measured -->"
    before, found, rest = page.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no {begin} ... {end}")
    page.write_text(f"{before}{begin}\n\n{body.strip()}\n\n{end}{after}")


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def of_machine(machine: dict[str, Any]) -> str:
    """Return what was measured with."""
    rest = {"at", "processor", "cores", "load", "load after"}
    versions = {name: value for name, value in machine.items() if name not in rest}
    listed = ", ".join(f"{name} {value}" for name, value in versions.items())
    return (
        f"Measured on {machine['at']}: {machine['cores']} cores ({machine['processor']}), a load of {machine['load']} "
        f"when it began and of {machine['load after']} at its end; {listed}."
    )


def of_measurements(measured: list[dict[str, Any]]) -> str:
    """Return a table for each task: the medians, and their ratios."""
    parts = []
    for task, group in groupby(measured, lambda one: one["task"]):
        forms = list(group)
        baseline = forms[0]["baseline"]
        computed = next(one["cpu_seconds"] for one in forms if one["form"] == baseline)
        headings = ("form", "median", f"against {baseline}", "of it client CPU", "against its")
        rows = [
            (
                one["form"],
                _seconds(one["seconds"]),
                f"{one['ratio']:.2f}",
                _seconds(one["cpu_seconds"]),
                f"{one['cpu_seconds'] / computed:.2f}",
            )
            for one in forms
        ]
        parts.append(f"### {task[:1].upper()}{task[1:]}\n\n{table(headings, rows)}")
    return "\n\n".join(parts)


def of_memory(found: dict[str, Any]) -> str:
    """Return the sentence about the streamed rows."""
    return (
        f"A process that streamed {found['rows']:,} rows of {found['dimensions']} dimensions from a generator into "
        f"`copy_rows` grew by {found['grown_megabytes']} MB at its peak."
    )


def of_index_operations(found: dict[str, Any]) -> str:
    """Return how fast indexes are built, and who waits meanwhile."""
    speed, load, swaps = found["speed"], found["load"], found["column swaps"]
    built = table(("form", "seconds"), speed["seconds"].items())
    headings = ("operation", "seconds", "longest read", "longest write", "errors", "lost writes")
    rows = [
        (
            name,
            one["seconds"],
            f"{one['longest read ms']:,} ms",
            f"{one['longest write ms']:,} ms",
            one["errors"],
            one["lost writes"],
        )
        for name, one in load.items()
    ]
    return (
        f"### How fast\n\nHNSW with m = 16 and ef_construction = 64 on {speed['rows']:,} rows of {speed['dimensions']} "
        f"dimensions; ours was {speed['times as fast']} times as fast.\n\n{built}\n\n"
        f"### Who waits\n\n{found['load rows']:,} rows of {found['load dimensions']} dimensions, with two readers and two "
        "writers that committed a transaction every few milliseconds. Each row is one run.\n\n"
        f"{table(headings, rows)}\n\n"
        f"The {swaps['swaps']} column swaps held their lock for {swaps['median ms']} ms (median) and "
        f"{swaps['longest ms']} ms (longest), commit included."
    )


def of_comparison(found: list[dict[str, Any]]) -> str:
    """Return what the comparison adds to autogenerate."""
    headings = ("tables", "their vector indexes", "seconds added")
    return table(headings, [(one["tables"], one["indexes"], f"{one['seconds']:.2f}") for one in found])


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value > 0.1 else f"{value * 1000:.2f} ms"
