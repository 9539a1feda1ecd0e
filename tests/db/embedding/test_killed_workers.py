"""Workers that are killed lose nothing, and their rows are free at once."""

from __future__ import annotations

import json
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from sqlalchemy_vecsearch import census
from sqlalchemy_vecsearch.cli.application import app
from tests.db.children import CHILDREN
from tests.db.embedding.embedded_models import Document, wrong_rows

SERVICE = Path(__file__).with_name("embedding_service.py")
ROOT = Path(__file__).parents[3]
STEPS = [
    *("before the claim", "before the read", "after the read", "in the model"),
    *("before the write", "after the write", "after the claim"),
]
BATCH, ROWS = 4, 42


def start(engine, log, step=""):
    """Start a worker in a process of its own, as `python embedding_service.py URL` does."""
    program = log.with_name(f"worker of {step}.py")
    address = engine.url.render_as_string(hide_password=False)
    program.write_text(
        "import os, runpy, sys\n"
        f"os.environ |= {{'KILLED_AT': {step!r}, 'EMBEDDED_TEXTS': {str(log)!r}}}\n"
        f"sys.argv = [{str(SERVICE)!r}, {address!r}]\n"
        f"runpy.run_path({str(SERVICE)!r}, run_name='__main__')\n",
        encoding="utf-8",
    )
    process = CHILDREN.Process(target=runpy.run_path, args=(str(program),), daemon=True)
    process.start()
    return process


def ended(process):
    """Wait for the end of a worker, and return its exit code."""
    process.join(60)
    return process.exitcode


@pytest.mark.share(0, 2)  # one worker or two at each step
@pytest.mark.parametrize("workers", [1, 2, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize("step", STEPS)
def test_the_end_is_that_of_an_undisturbed_run(tables, fill, tmp_path, step, workers):
    fill(ROWS)
    log = tmp_path / "texts"
    started = [start(tables, log, step) for _ in range(workers)]
    codes = [ended(one) for one in started]
    assert -signal.SIGKILL in codes
    kills = codes.count(-signal.SIGKILL)
    assert ended(start(tables, log)) == 0
    with tables.connect() as connection:
        assert wrong_rows(connection) == []
        assert census(connection, Document.embedding).pending == 0
        assert connection.scalar(text("SELECT count(*) FROM vecsearch_embedding_work")) == 0
    assert len(log.read_text(encoding="utf-8").splitlines()) <= ROWS + 2 * BATCH * kills


def command(engine, *arguments):
    url = engine.url.render_as_string(hide_password=False)
    column = "tests.db.embedding.embedding_service:Document.embedding"
    return CliRunner().invoke(app, ["embed", column, "--url", url, *map(str, arguments)])


def test_the_command_says_the_cost_and_then_embeds(tables, fill):
    fill(10)
    said = command(tables, "--dry-run")
    assert (said.exit_code, said.output) == (0, "10 rows are pending, about 50 tokens.\n")
    assert json.loads(command(tables, "--dry-run", "--json").stdout) == {
        "pending": 10, "tokens": 50, "price": None, "hnsw": [], "join_milliseconds": None,
    }  # fmt: skip
    done = json.loads(command(tables, "--limit", 3, "--where", "id > 5", "--json").stdout)
    assert (done["written"], done["texts"], done["refused"]) == (3, 3, 0)
    ended = command(tables, "--workers", 2)
    assert (ended.exit_code, ended.output.splitlines()[-1].startswith("7 rows written in ")) == (0, True)
    with tables.connect() as connection:
        assert wrong_rows(connection) == []


def test_the_command_says_that_nothing_is_pending_and_shows_no_bar(tables, fill, monkeypatch):
    fill(3)
    command(tables)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    nothing = "No rows are pending: there is nothing to embed.\n"
    assert (command(tables).output, command(tables, "--dry-run").output) == (nothing, nothing)
    assert json.loads(command(tables, "--json").stdout)["written"] == 0


def test_sigterm_ends_a_following_worker_after_its_batch(tables, fill):
    fill(5)
    url = tables.url.render_as_string(hide_password=False)
    program = "from sqlalchemy_vecsearch.cli import main; main()"
    column = "tests.db.embedding.embedding_service:Document.embedding"
    following = subprocess.Popen(
        [sys.executable, "-c", program, "embed", column, "--url", url, "--follow", "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with tables.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while census(connection, Document.embedding).pending:
            assert following.poll() is None
        connection.execute(text("UPDATE document SET title = 'edited'"))
        while census(connection, Document.embedding).pending:
            assert following.poll() is None
    following.send_signal(signal.SIGTERM)
    output, _ = following.communicate(timeout=30)
    assert following.returncode == 0
    assert json.loads(output)["written"] == 10
