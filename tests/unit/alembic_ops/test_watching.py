from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest

from alembic_ops.errors import OperationArgumentError
from alembic_ops.reporting import reporter
from alembic_ops.watching import Blocker, Progress, RateWindow, progress_of

IDLE = Blocker(pid=7, application="reports", state="idle in transaction", age=12.4, query="SELECT 1")


def row(**values):
    given = dict.fromkeys(
        ("blocks_done", "blocks_total", "tuples_done", "tuples_total", "lockers_done", "lockers_total"), 0
    )
    return SimpleNamespace(**(given | {"phase": "building index: loading tuples", "elapsed": 3} | values))


def test_an_hnsw_build_is_counted_in_blocks_and_its_rate_is_the_latest():
    window = RateWindow()
    for now, done in ((0, 0), (10, 1000), (31, 1100)):
        progress = progress_of("ix", row(blocks_done=done, blocks_total=2000, tuples_done=5), window, now)
    assert progress.unit == "blocks"
    assert progress.rate == pytest.approx(100 / 21)
    assert progress.seconds_left == pytest.approx(900 / (100 / 21))


def test_another_phase_begins_another_rate():
    window = RateWindow()
    progress_of("ix", row(blocks_done=50, blocks_total=100), window, 0)
    progress = progress_of(
        "ix", row(phase="index validation: scanning index", blocks_done=1, blocks_total=9), window, 1
    )
    assert progress.rate is None


def test_a_phase_without_counters_has_no_total():
    progress = progress_of("ix", row(phase="building index: performing k-means"), RateWindow(), 0)
    assert (progress.done, progress.total, progress.seconds_left) == (None, None, None)


def test_a_line_says_phase_share_rate_rest_and_who_blocks():
    progress = Progress(
        index="ix", phase="loading", done=1500, total=3000, unit="rows", rate=100.0, seconds_left=15.0, blockers=(IDLE,)
    )
    assert progress.describe() == (
        "ix: loading, 50% (1,500 of 3,000 rows), 100 rows/s, about 15 s left in this phase, "
        "waiting for process 7 (reports, idle in transaction, open for 12 s): SELECT 1"
    )


def test_json_lines_hold_every_field():
    stream = io.StringIO()
    with reporter({"vector_progress": "json"}, stream) as report:
        report(Progress(index="ix", phase="loading", blockers=(IDLE,)))
    line = json.loads(stream.getvalue())
    assert line["phase"] == "loading"
    assert line["blockers"][0]["pid"] == 7


def test_a_function_gets_the_progress_itself():
    seen = []
    with reporter({"vector_progress": seen.append}) as report:
        report(Progress(index="ix", phase="loading"))
    assert seen == [Progress(index="ix", phase="loading")]


def test_lines_of_the_log_come_every_few_seconds_and_at_once_for_a_new_blocker(caplog):
    caplog.set_level("INFO", "alembic.alembic_ops")
    with reporter({"vector_progress": "auto"}, io.StringIO()) as report:
        report(Progress(index="ix", phase="one"))
        report(Progress(index="ix", phase="two"))
        report(Progress(index="ix", phase="three", blockers=(IDLE,)))
        report(Progress(index="ix", phase="four", blockers=(IDLE,)))
    assert [record.message.split(",")[0] for record in caplog.records] == ["ix: one", "ix: three"]


def test_a_terminal_gets_a_bar():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with reporter({}, stream) as report:
        report(Progress(index="ix", phase="loading", done=1, total=2, unit="blocks"))
    assert "ix: loading, 50% (1 of 2 blocks)" in " ".join(stream.getvalue().split())


def test_an_unknown_way_to_show_progress_is_refused():
    loud = reporter({"vector_progress": "loud"})
    with pytest.raises(OperationArgumentError, match=r"context\.configure\(vector_progress='loud'\) is not a way"):
        loud.__enter__()
