"""How progress is shown: on a terminal, elsewhere, and to programs."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest
from rich.console import Console

from sqlalchemy_vecsearch import progress
from sqlalchemy_vecsearch.observing.builds import BuildProgress
from sqlalchemy_vecsearch.observing.waits import Blocker
from sqlalchemy_vecsearch.progress import Counted, counting, showing

LONG = BuildProgress(
    index="ix_document_embedding_of_the_second_model",
    phase="building index: loading tuples in workers",
    done=4_100,
    total=10_000,
    unit="blocks",
    rate=100.0,
    seconds_left=3_725.0,
)
IDLE = Blocker(pid=7, application="reports", state="idle in transaction", age=12.4, query="SELECT 1")


class Terminal(io.StringIO):
    """A terminal of a test: what it shows are the lines that nothing has written over."""

    def isatty(self):
        return True

    def lines(self):
        """Return the lines as they stand at the end, a bar's later states over its earlier ones."""
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", lambda code: "\r" if code[0].endswith("K") else "", self.getvalue())
        return [line.rpartition("\r")[2].rstrip() for line in plain.split("\n")]


@pytest.mark.parametrize("width", [80, 120])
def test_a_bar_keeps_share_and_time_left_in_one_line(width):
    terminal = Terminal()
    with showing(console=Console(file=terminal, force_terminal=True, width=width)) as report:
        report(LONG)
    (bar,) = {line for line in terminal.lines() if "41%" in line}
    assert bar.endswith(" 41% 1:02:05 left")
    assert bar.startswith("ix_document_embedding_of_")
    assert len(bar) <= width


def test_a_bar_has_the_colours_of_the_terminal_and_what_is_left_is_the_fainter_part():
    terminal = Terminal()
    with showing(console=Console(file=terminal, force_terminal=True, width=80, color_system="truecolor")) as report:
        report(LONG)
    drawn = terminal.getvalue().rpartition("\r")[2]
    assert "\x1b[36m━━━━━━━━\x1b[0m\x1b[2m╺\x1b[0m\x1b[2m━━━━━━━━━━━\x1b[0m  41%" in drawn
    assert not re.search(r"\x1b\[[34]8;", drawn), "a colour that is the same on a dark and a light terminal"


def test_what_is_logged_while_a_bar_is_drawn_stands_above_it():
    terminal = Terminal()
    handler = logging.StreamHandler(terminal)
    logger = logging.getLogger("test_progress.of_an_application")
    logger.addHandler(handler)
    try:
        with showing(console=Console(file=terminal, force_terminal=True, width=80)) as report:
            report(LONG)
            logger.warning("DROP INDEX CONCURRENTLY ix")
            report(LONG)
        logger.warning("afterwards")
    finally:
        logger.removeHandler(handler)
    assert handler.stream is terminal
    lines = terminal.lines()
    assert "DROP INDEX CONCURRENTLY ix" in lines
    assert lines[-2] == "afterwards"


def test_notes_stand_above_the_bar_once():
    terminal = Terminal()
    blocked = BuildProgress(index="ix", phase="waiting for writers before build", blockers=(IDLE,))
    with showing(console=Console(file=terminal, force_terminal=True, width=200)) as report:
        report(blocked)
        report(blocked)
    note = "ix: waiting for process 7 (reports, idle in transaction, open for 12 s): SELECT 1"
    assert terminal.lines().count(note) == 1


def test_lines_elsewhere_come_every_few_seconds_at_the_end_and_for_a_new_note():
    stream = io.StringIO()
    with showing(stream=stream) as report:
        for done in (1, 2, 3, 4, 4):
            report(Counted(title="Loading document", done=done, total=4, unit="rows"))
        report(BuildProgress(index="ix", phase="loading", blockers=(IDLE,)))
    assert stream.getvalue().splitlines() == [
        "Loading document: 25% (1 of 4 rows)",
        "Loading document: 100% (4 of 4 rows)",
        "ix: loading, waiting for process 7 (reports, idle in transaction, open for 12 s): SELECT 1",
    ]


def test_without_rich_a_terminal_gets_lines(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rich", None)
    terminal = Terminal()
    with counting("Loading document", None, unit="rows", stream=terminal) as advance:
        advance(1_000)
    assert terminal.getvalue() == "Loading document: 1,000 rows\n"


def test_a_program_gets_each_step_as_json():
    stream = io.StringIO()
    with showing("json", stream=stream) as report:
        report(Counted(title="Loading document", done=1, total=4, unit="rows"))
        report(LONG)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["done"], first["total"], second["seconds_left"]) == (1, 4, 3725.0)


def test_a_count_says_its_rate_and_what_is_left(monkeypatch):
    clock = iter([10.0, 12.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    seen = []
    monkeypatch.setattr(progress, "_lines", lambda line: seen.append)
    with counting("Loading document", 1_000, unit="rows", stream=io.StringIO()) as advance:
        advance(100)
        advance(400)
    assert seen[-1].describe() == "Loading document: 50% (500 of 1,000 rows), 200 rows/s, about 2 s left"
