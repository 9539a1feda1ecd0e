"""Draw the pictures of the documentation from what was measured: `python docs/.pictures/draw.py`.

Each is an SVG that stands in its page itself, so that its colours are those of the page, light or dark. The figures are
in measured.json, which `python -m tests.benchmarks.pictures` writes.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FOLDER: Final = Path(__file__).parent
WIDTH: Final = 420  # a phone shows it at nearly its own size
LEFT: Final = 72  # where lanes begin, right of their names
SECONDS: Final = (1, 2, 5, 10, 20, 30, 60)
MARKS: Final = 8


def picture(height: int, title: str, description: str, parts: Iterable[str]) -> str:
    """Return a whole SVG, which says in words what it shows."""
    body = "\n".join(parts)
    return (
        f'<svg class="picture" viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>\n{body}\n</svg>\n"
    )


def words(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    """Return a line of text, whose baseline is at y."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{kind or "ink"}">{escape(text)}</text>'


def box(x: float, y: float, width: float, height: float, kind: str) -> str:
    """Return a rectangle that can be seen, however narrow."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" class="{kind}"/>'


def path(points: Iterable[tuple[float, float]], kind: str) -> str:
    """Return a line through points."""
    through = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="M{through}" class="{kind}"/>'


def dot(x: float, y: float, kind: str, radius: float = 3) -> str:
    """Return a filled circle."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" class="{kind}"/>'


def scale(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    """Return the function from values to places."""
    return lambda value: first + (value - low) / (high - low) * (last - first)


def step_of(range_: float, most: int) -> float:
    """Return the round step that makes at most so many marks."""
    steps = (digit * 10.0**power for power in range(-3, 6) for digit in (1, 2, 5))
    return next(step for step in steps if range_ / step <= most)


def tradeoff(measured: dict[str, Any]) -> str:
    """Return recall against the server's time, a line for each kind of index."""
    found = measured["tradeoff"]
    series = {"HNSW": ("first", -6, -6, "end"), "IVFFlat": ("second", 6, 13, "start")}  # with the place of labels
    points = [one for name in series for one in found[name]["efforts"]]
    slowest = max(one["ms"] for one in points) * 1.08
    lowest = int(min(one["recall"] for one in points) * 10) / 10
    x, y = scale(0, slowest, 46, WIDTH - 14), scale(lowest, 1, 232, 20)
    parts = [words(46, 11, f"recall@{measured['k']}", "soft")]
    parts += [words(WIDTH - 14, 268, "milliseconds of the server", "soft", "end")]
    for tenth in range(round(lowest * 10), 11):
        parts += [path([(46, y(tenth / 10)), (WIDTH - 14, y(tenth / 10))], "grid")]
        parts += [words(40, y(tenth / 10) + 4, f"{tenth / 10:.1f}", "soft", "end")]
    step = step_of(slowest, 7)
    parts += [words(x(n * step), 249, f"{n * step:g}", "soft", "middle") for n in range(int(slowest / step) + 1)]
    for number, (name, (kind, right, below, anchor)) in enumerate(series.items()):
        efforts = [(x(one["ms"]), y(one["recall"]), one["effort"]) for one in found[name]["efforts"]]
        parts.append(path([point[:2] for point in efforts], f"line {kind}"))
        for at, high, effort in efforts:
            parts += [dot(at, high, kind), words(at + right, high + below, str(effort), "small", anchor)]
        legend = 196 + 17 * number
        parts += [dot(222, legend - 4, kind, 4), words(231, legend, f"{name}, by {found[name]['option']}")]
    best, lists = found["HNSW"]["efforts"], found["IVFFlat"]["efforts"]
    return picture(
        276,
        "Recall against latency",
        f"HNSW goes from a recall of {best[0]['recall']:.2f} in {best[0]['ms']:.1f} ms at ef_search "
        f"{best[0]['effort']} to {best[-1]['recall']:.2f} in {best[-1]['ms']:.1f} ms at {best[-1]['effort']}; "
        f"IVFFlat, by its probes, goes from {lists[0]['recall']:.2f} in {lists[0]['ms']:.1f} ms to "
        f"{lists[-1]['recall']:.2f} in {lists[-1]['ms']:.1f} ms. A full scan takes {found['exact']['ms']:.0f} ms.",
        parts,
    )


WAYS: Final = {
    "first": ("enough: they are the answer", "no other way is taken"),
    "scan": ("some: the scan goes on", "along the index, until k pass"),
    "exact": ("too few: exact", "reads all that pass, and sorts"),
    "planner": ("no vector index", "the planner reads all that pass"),
}


def way_of(walked: dict[str, Any]) -> str:
    """Return what gave the answer: an arm that ran, or the first look itself, by the index or without it."""
    if walked["exact ran"]:
        return "exact"
    if walked["scan ran"]:
        return "scan"
    return "first" if walked["first used the index"] else "planner"


def walk(measured: dict[str, Any]) -> str:
    """Return what three filters leave of the first candidates, and what the statement then does."""
    parts, said = [], []
    for number, one in enumerate(measured["walk"]):
        top = 22 + 84 * number
        passing, way = sum(one["passing"]), way_of(one)
        parts.append(words(8, top - 6, f"a filter that {one['percent']:g}% of the rows pass", "soft"))
        for place, passes in enumerate(one["passing"]):
            row, column = divmod(place, 25)
            parts.append(dot(12 + 8.2 * column, top + 8 + 12 * row, "first" if passes else "hollow", 3.2))
        parts += [
            words(222, top + 12, f"{passing} of {len(one['passing'])} pass", "strong"),
            words(222, top + 30, f"→ {WAYS[way][0]}"),
            words(222, top + 46, WAYS[way][1], "soft"),
        ]
        said.append(f"{passing} pass a filter of {one['percent']:g}%, and {WAYS[way][0]}, {WAYS[way][1]}")
    return picture(
        84 * len(measured["walk"]),
        "The walk of a filtered search",
        f"The {len(measured['walk'][0]['passing'])} candidates of a first scan, nearest first, row by row, for one "
        f"question. Of them {'; '.join(said)}.",
        parts,
    )


PHASES: Final = {
    "building index": ("build the new one beside", "first"),
    "index validation": ("validate", "second"),
    "waiting": ("wait for others", "third"),
}


def phases_of(seen: list[dict[str, Any]]) -> list[tuple[str, str, float, float]]:
    """Return (name, kind, from, to) of each phase of a build, neighbours of one name together."""
    phases: list[tuple[str, str, float, float]] = []
    for one in seen:
        found = next((of for start, of in PHASES.items() if (one["phase"] or "").startswith(start)), None)
        if found is None:
            continue
        if phases and phases[-1][0] == found[0]:
            phases[-1] = (*phases[-1][:3], one["to"])
        else:
            phases.append((*found, one["from"], one["to"]))
    return phases


def rebuild(measured: dict[str, Any]) -> str:
    """Return what a rebuild does over time, and what searches and writes do meanwhile."""
    found = measured["rebuild"]
    end = found["seen"][-1]["to"]
    x = scale(0, end, LEFT, WIDTH - 10)
    parts = [words(LEFT - 8, 33, "phase", "soft", "end"), words(LEFT - 8, 65, "lock", "soft", "end")]
    for name, kind, begin, to in phases_of(found["seen"]):
        parts.append(box(x(begin), 20, x(to) - x(begin), 20, kind))
        inside = x(to) - x(begin) > 7 * len(name)
        parts.append(words(x(begin) + 6, 34, name, "on") if inside else words(x(to), 14, name, "small", "end"))
    locked = [one for one in found["seen"] if one["locks"]]
    parts.append(box(x(locked[0]["from"]), 52, x(locked[-1]["to"]) - x(locked[0]["from"]), 20, "third"))
    parts.append(words(x(locked[0]["from"]) + 6, 66, "SHARE UPDATE EXCLUSIVE", "on"))
    parts.append(words(x(locked[0]["from"]), 83, "stops no read and no write", "small"))
    for number, (kind, name) in enumerate((("search", "searches"), ("write", "writes"))):
        base = 146 + 62 * number
        rates = [count / found["bin"] for count in smooth(found["done"][kind])]
        y = scale(0, max(rates), base, base - 46)
        stairs = [(x(min(n * found["bin"], end)), y(rate)) for n, rate in enumerate(rates)]
        outline = [(stairs[0][0], base), *stairs, (stairs[-1][0], base)]
        parts += [path(outline, f"area {('first', 'second')[number]}")]
        parts += [path([(LEFT, base), (WIDTH - 10, base)], "grid"), words(LEFT - 8, base - 24, name, "soft", "end")]
        parts += [words(LEFT - 8, base - 10, f"up to {max(rates):.0f}/s", "small", "end")]
    step = next(step for step in SECONDS if end / step < MARKS)
    parts += [words(x(second), 224, f"{second} s", "soft", "middle") for second in range(0, int(end), step)]
    longest = found["longest_ms"]
    said = f"longest search {longest['search']:.0f} ms, write {longest['write']:.0f} ms; {len(found['failed'])} failed"
    parts.append(words(LEFT, 244, said))
    return picture(
        252,
        "What a rebuild does over time",
        f"For {locked[-1]['to'] - locked[0]['from']:.0f} seconds the new index is built beside the old one and "
        f"validated, under a SHARE UPDATE EXCLUSIVE lock on the table. Searches and writes go on all the time: {said}.",
        parts,
    )


def smooth(counts: list[int]) -> list[float]:
    """Return the mean of each count and its neighbours."""
    parts = (counts[max(0, place - 2) : place + 3] for place in range(len(counts)))
    return [sum(part) / len(part) for part in parts]


def swap(measured: dict[str, Any]) -> str:
    """Return every search and write in the moment round a swap of two columns."""
    found = measured["swap"]
    lock, around = found["lock_ms"], found["around_ms"]
    x = scale(-around, lock + around, LEFT, WIDTH - 10)
    held = (x(0), x(lock))
    parts = [box(held[0], 66, held[1] - held[0], 116, "band")]
    parts.append(words(sum(held) / 2, 60, f"locked, {lock:.1f} ms", "strong", "middle"))
    for number, (name, before, after) in enumerate((("embedding", "old", "new"), ("embedding_v2", "new", "old"))):
        y = 18 + 18 * number
        kinds = {"old": "first", "new": "second"}
        parts += [dot(12, y - 4, kinds[before], 5), words(22, y, f"{name} → {before} model")]
        parts += [dot(WIDTH - 178, y - 4, kinds[after], 5), words(WIDTH - 168, y, f"{name} → {after} model")]
    clients = sorted({(call["client"], call["kind"]) for call in found["calls"]})
    for number, (client, kind) in enumerate(clients):
        y = 80 + 36 * number
        parts.append(words(LEFT - 8, y + 13, f"{kind} {client + 1}" if kind == "search" else kind, "soft", "end"))
        for call in found["calls"]:
            if call["client"] == client:
                begin, to = max(call["from"], -around), min(call["to"], lock + around)
                meets = call["to"] > 0 and call["from"] < lock
                colour = "third" if meets else "first" if call["to"] <= 0 else "second"
                parts.append(box(x(begin), y, x(to) - x(begin), 18, colour))
    marks = (-around, 0, lock, lock + around)
    parts += [words(x(mark), 198, f"{mark:.0f}", "soft", "middle") for mark in marks]
    parts.append(words(WIDTH - 10, 214, "milliseconds", "soft", "end"))
    longest = max(call["to"] - call["from"] for call in found["calls"])
    met = sum(call["to"] > 0 and call["from"] < lock for call in found["calls"])
    parts.append(words(8, 214, f"{met} calls met the lock, {len(found['failed'])} failed", ""))
    return picture(
        222,
        "The swap of two columns",
        "Two clients search and one writes. Before the lock embedding holds the vectors of the old model, after it "
        f"those of the new one. The lock is held for {lock:.1f} ms; {met} calls met it and waited, the longest call of "
        f"all took {longest:.0f} ms, and {len(found['failed'])} failed.",
        parts,
    )


PICTURES: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "recall_against_latency.svg": tradeoff,
    "walk_of_a_filtered_search.svg": walk,
    "rebuild_over_time.svg": rebuild,
    "swap.svg": swap,
}


def drawn() -> dict[str, str]:
    """Return the text of each picture by the name of its file."""
    measured = json.loads((FOLDER / "measured.json").read_text(encoding="utf-8"))
    return {name: draw(measured) for name, draw in PICTURES.items()}


if __name__ == "__main__":
    for name, text in drawn().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
