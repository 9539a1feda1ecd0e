from __future__ import annotations

import io
import json

import pytest

from alembic_ops.errors import OperationArgumentError
from alembic_ops.running.progress import reporter
from sqlalchemy_vecsearch.observing.builds import BuildProgress
from sqlalchemy_vecsearch.observing.waits import Blocker

IDLE = Blocker(pid=7, application="reports", state="idle in transaction", age=12.4, query="SELECT 1")


def test_json_lines_hold_every_field():
    stream = io.StringIO()
    with reporter({"vector_progress": "json"}, stream) as report:
        report(BuildProgress(index="ix", phase="loading", blockers=(IDLE,)))
    line = json.loads(stream.getvalue())
    assert line["phase"] == "loading"
    assert line["blockers"][0]["pid"] == 7


def test_a_function_gets_the_progress_itself():
    seen = []
    with reporter({"vector_progress": seen.append}) as report:
        report(BuildProgress(index="ix", phase="loading"))
    assert seen == [BuildProgress(index="ix", phase="loading")]


def test_lines_of_the_log_come_every_few_seconds_and_at_once_for_a_new_blocker(caplog):
    caplog.set_level("INFO", "alembic.alembic_ops")
    with reporter({"vector_progress": "auto"}, io.StringIO()) as report:
        report(BuildProgress(index="ix", phase="one"))
        report(BuildProgress(index="ix", phase="two"))
        report(BuildProgress(index="ix", phase="three", blockers=(IDLE,)))
        report(BuildProgress(index="ix", phase="four", blockers=(IDLE,)))
    assert [record.message.split(",")[0] for record in caplog.records] == ["ix: one", "ix: three"]


def test_a_terminal_gets_a_bar():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with reporter({}, stream) as report:
        report(BuildProgress(index="ix", phase="loading", done=1, total=2, unit="blocks"))
    assert "ix: loading" in stream.getvalue()
    assert " 50%" in stream.getvalue()


def test_an_unknown_way_to_show_progress_is_refused():
    loud = reporter({"vector_progress": "loud"})
    with pytest.raises(OperationArgumentError, match=r"context\.configure\(vector_progress='loud'\) is not a way"):
        loud.__enter__()
