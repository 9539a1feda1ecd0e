"""The report of a verification as one HTML file that needs nothing else."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from sqlalchemy_vecsearch.embedding.verification.report import median, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy_vecsearch.embedding.verification.report import Answered, Check, Report

__all__ = ["html_of"]

_BARS: Final = 10
_SLOW: Final = 0.95


def html_of(report: Report) -> str:
    """Return a page with the verdict, every check, how far both models agree, and what each question got. Pure."""
    title = f"Re-embedding {report.job}"
    verdict, look = ("ready", "good") if report.passed else ("not ready", "bad")
    parts = [
        f"<header><h1>{escape(title)}</h1><p class='verdict {look}'>{verdict}</p></header>",
        _facts(report),
        "<h2>Checks</h2>",
        _checks(report.checks),
        _compared(report),
    ]
    return _PAGE.format(title=escape(title), style=_STYLE, body="\n".join(parts))


def _facts(report: Report) -> str:
    facts = {
        "table": report.table,
        "before": f"{report.live}, {report.previous_model or 'a model without a name'}",
        "after": f"{report.replacement}, {report.model}",
        "rows": f"{report.rows:,}" + ("" if report.where is None else f" where {report.where}"),
        "measured": report.measured_at,
    }
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items()) + "</dl>"


def _checks(checks: Sequence[Check]) -> str:
    return "<ul class='checks'>" + "".join(map(_check, checks)) + "</ul>"


def _check(check: Check) -> str:
    note = f"<small>{escape(check.note)}</small>" if check.note else ""
    return (
        f"<li class='{check.verdict}'><b>{escape(check.name)}</b><span class='asks'>{escape(check.asks)}{note}</span>"
        f"<span class='value'>{check.shown_value}</span><span class='bound'>{check.shown_threshold}</span>"
        f"<span class='mark'>{check.verdict}</span></li>"
    )


def _compared(report: Report) -> str:
    if not report.answered:
        return ""
    rows = "".join(
        f"<tr><td>{escape(_one_line(one.question))}</td><td>{_percent(one.overlap)}</td>"
        f"<td>{one.old_milliseconds:.1f}</td><td>{one.new_milliseconds:.1f}</td></tr>"
        for one in sorted(report.answered, key=lambda one: (one.overlap is not None, one.overlap))
    )
    return (
        f"<h2>The nearest {report.k} of both models</h2><div class='charts'>"
        f"{_overlap_chart(report.answered)}{_time_chart(report.answered)}</div>"
        "<table><thead><tr><th>question</th><th>shared</th><th>ms before</th><th>ms after</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _overlap_chart(answered: Sequence[Answered]) -> str:
    counts = [0] * (_BARS + 1)
    for one in answered:
        if one.overlap is not None:
            counts[round(one.overlap * _BARS)] += 1
    most = max(*counts, 1)
    bars = "".join(
        f"<rect x='{22 * place + 4}' y='{100 - 84 * count / most:.1f}' width='18' height='{84 * count / most:.1f}'/>"
        f"<text x='{22 * place + 13}' y='{96 - 84 * count / most:.1f}'>{count or ''}</text>"
        f"<text x='{22 * place + 13}' y='113'>{place * 100 // _BARS}</text>"
        for place, count in enumerate(counts)
    )
    return (
        "<figure><figcaption>Questions by how many percent of their neighbours both models share</figcaption>"
        f"<svg viewBox='0 0 250 120' role='img' aria-label='Questions by shared neighbours'>{bars}</svg></figure>"
    )


def _time_chart(answered: Sequence[Answered]) -> str:
    times = {
        "before": [one.old_milliseconds for one in answered],
        "after": [one.new_milliseconds for one in answered],
    }
    lengths = [
        (f"{words} {name}", found)
        for words, share in (("median", None), ("95th", _SLOW))
        for name, values in times.items()
        for found in [median(values) if share is None else quantile(values, share)]
    ]
    longest = max([found for _, found in lengths], default=0.0) or 1.0
    bars = "".join(
        f"<text class='left' x='0' y='{28 * place + 18}'>{name}</text>"
        f"<rect x='80' y='{28 * place + 6}' width='{max(1, 110 * found / longest):.1f}' height='18'/>"
        f"<text class='left' x='{86 + 110 * found / longest:.1f}' y='{28 * place + 19}'>{found:.1f} ms</text>"
        for place, (name, found) in enumerate(lengths)
    )
    return (
        "<figure><figcaption>Time of a search</figcaption>"
        f"<svg viewBox='0 0 250 120' role='img' aria-label='Time of a search'>{bars}</svg></figure>"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _one_line(text: str) -> str:
    return " ".join(text.split())


_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2430; --dim: #5d6778; --line: #d9dee7; --paper: #fff; --bar: #4a63c9;
  --good: #1b7f4b; --bad: #b3261e; --waived: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --dim: #9aa4b5; --line: #343b48; --paper: #14181f;
  --bar: #8ea2f0; --good: #58c48b; --bad: #ff8a80; --waived: #e0b050; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 3rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; justify-content: space-between; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.verdict { margin: 0; font-weight: 700; } .good, .passed .mark { color: var(--good); }
.bad, .failed .mark { color: var(--bad); } .waived .mark { color: var(--waived); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 1rem 0; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
.checks { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line); }
.checks li { display: grid; grid-template-columns: 7rem 1fr 6rem 7rem 4.5rem; gap: .25rem 1rem; padding: .5rem 0;
  border-bottom: 1px solid var(--line); align-items: baseline; }
.value, .bound { text-align: right; font-variant-numeric: tabular-nums; } .value { font-weight: 600; }
.bound, small { color: var(--dim); } small { display: block; } .mark { font-weight: 700; text-align: right; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 1rem 2rem; }
figure { margin: 0; } figcaption { color: var(--dim); font-size: .9rem; } svg { width: 100%; height: auto; }
rect { fill: var(--bar); } svg text { fill: var(--ink); font-size: 9px; text-anchor: middle; }
svg text.left { text-anchor: start; }
table { width: 100%; border-collapse: collapse; margin-top: 1rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .35rem .25rem .35rem .75rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--dim); font-weight: 500; }
th:first-child, td:first-child { text-align: left; padding-left: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { .checks li { grid-template-columns: 1fr auto auto 3.8rem; column-gap: .6rem; }
  .checks .asks { grid-column: 1 / -1; order: 1; } }
"""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
