from __future__ import annotations

from types import SimpleNamespace

import pytest

from sqlalchemy_vecsearch.observing.builds import BuildProgress, progress_of
from sqlalchemy_vecsearch.observing.waits import Blocker
from sqlalchemy_vecsearch.progress import RateWindow

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
    progress = BuildProgress(
        index="ix", phase="loading", done=1500, total=3000, unit="rows", rate=100.0, seconds_left=15.0, blockers=(IDLE,)
    )
    assert progress.describe() == (
        "ix: loading, 50% (1,500 of 3,000 rows), 100 rows/s, about 15 s left in this phase, "
        "waiting for process 7 (reports, idle in transaction, open for 12 s): SELECT 1"
    )
