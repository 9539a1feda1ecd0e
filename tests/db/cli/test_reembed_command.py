"""`vecsearch reembed` and `vecsearch status` of its jobs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from sqlalchemy_vecsearch import UnknownJobError, embedder
from sqlalchemy_vecsearch.cli.application import app
from tests.db.embedding.embedded_models import digits
from tests.db.embedding.reembedded_models import JOB, NEW, OLD, begun, old_digits

FUNCTION = "tests.db.embedding.embedded_models:digits"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def url(engine, vecsearch_url):
    embedder(NEW, dimensions=8, batch_size=16)(digits)
    embedder(OLD, dimensions=4)(old_digits)
    begun(engine, rows=40)
    return vecsearch_url


def run(*arguments, **environment):
    return CliRunner().invoke(app, list(map(str, arguments)), env=environment)


def reembed(url, *arguments):
    """Run the command; the times of three questions say nothing on a busy machine, so that they decide nothing."""
    untimed = ("--sample", 3, "--threshold", "latency=1000")
    return run("reembed", JOB, "--embedder", FUNCTION, "--url", url, *untimed, *arguments)


def test_the_work_is_done_and_said_and_written_as_a_page(url, tmp_path):
    before = run("status", "--url", url)
    assert before.stdout.splitlines()[1:] == [
        f"{JOB}: begun: document.embedding_v2 by {NEW}, beside embedding",
        "    0 of 40 rows embedded, 40 pending",
        "    index ix_document_embedding_v2: absent",
        f"    next: Embed, index and verify: vecsearch reembed {JOB} --embedder package.module:function",
    ]
    page = tmp_path / "report.html"
    done = reembed(url, "--report", page)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("40 rows written in ")
    assert "passed: failed 0, at most 0: rows whose text the embedder refused" in lines
    assert lines[-2:] == [
        f"The job {JOB} is ready.",
        f"Let the searches change over, in a revision: op.swap_embedding('{JOB}')",
    ]
    written = page.read_text(encoding="utf-8")
    assert "<h1>Re-embedding to_digits_8</h1>" in written
    assert "http" not in written
    (job,) = json.loads(run("status", JOB, "--json", "--url", url).stdout)["jobs"]
    assert (job["state"], job["done"], job["pending"], job["index_state"], job["verified"]) == (
        "ready", 40, 0, "valid", True,
    )  # fmt: skip
    assert run("status", JOB, "--url", url).stdout.splitlines()[3].startswith("    verification of 20")


def test_a_finished_job_stands_beside_no_column(url, engine):
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE vecsearch_reembedding SET state = 'finished', mode = 'pointer', swapped_at = now()")
        )
        connection.execute(text("ALTER TABLE document DROP COLUMN embedding"))
    said = run("status", JOB, "--url", url).stdout.splitlines()
    assert f"{JOB}: finished: document.embedding_v2 by {NEW}" in said


def test_json_is_one_document_and_a_failed_check_has_its_exit_code(url, tmp_path):
    report = tmp_path / "report.json"
    failed = reembed(url, "--json", "--threshold", "overlap=2", "--report", report)
    assert failed.exit_code == 3
    found = json.loads(failed.stdout)
    assert (found["state"], found["pending"]) == ("begun", 0)
    kept = json.loads(report.read_text(encoding="utf-8"))
    assert [check["name"] for check in kept["checks"] if not check["passed"]] == ["overlap"]
    assert "verification of" in run("status", JOB, "--url", url).stdout
    assert "failed: overlap" in run("status", JOB, "--url", url).stdout
    waived = reembed(url, "--json", "--threshold", "overlap=2", "--waive", "overlap")
    assert (waived.exit_code, json.loads(waived.stdout)["state"]) == (0, "ready")


def test_a_job_is_paused_and_resumed_by_its_name(url):
    assert run("reembed", JOB, "--pause", "--url", url).stdout == (
        f"The job {JOB} rests: its runners end after their batch.\n"
    )
    rests = reembed(url)
    assert rests.stdout.splitlines() == [
        f"The job {JOB} is begun, 40 rows are pending, and it rests.",
        f"It rests until: vecsearch reembed {JOB} --resume",
    ]
    assert json.loads(run("reembed", JOB, "--resume", "--json", "--url", url).stdout) == {"job": JOB, "paused": False}
    run("reembed", JOB, "--pause", "--url", url)
    assert reembed(url, "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("name", "content", "questions"),
    [
        ("asked.txt", "title 3\n\ntitle 4\n", ["title 3", "title 4"]),
        pytest.param("asked.json", '["title 3"]', ["title 3"], marks=pytest.mark.slow),
        ("asked.jsonl", "[1,0,0,0,0,0,0,0]\n[0,1,0,0,0,0,0,0]\n", None),
    ],
)
def test_questions_come_from_a_file(url, tmp_path, name, content, questions):
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    result = json.loads(reembed(url, "--questions", file, "--json", "-k", 2).stdout)
    asked = [one["question"] for one in result["report"]["answered"]]
    assert asked == questions if questions else len(asked) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pause", "--resume"], "two wishes"),
        (["--threshold", "recall"], "not of the form NAME=NUMBER"),
        (["--report", "report.pdf"], "ends neither with .html nor with .json"),
    ],
)
def test_wrong_arguments_are_refused(url, arguments, message):
    refused = reembed(url, *arguments)
    assert (refused.exit_code, message in refused.output) == (2, True)


def test_a_name_that_no_journal_has_is_said(url):
    refused = run("status", "other", "--url", url).exception
    assert isinstance(refused, UnknownJobError)
    assert str(refused).startswith(f"There is no job of re-embedding 'other'. The journals have '{JOB}'. ")


def test_sigterm_ends_a_following_runner_after_its_batch(url, engine):
    program = "from sqlalchemy_vecsearch.cli import main; main()"
    following = subprocess.Popen(
        [sys.executable, "-c", program, "reembed", JOB, "--embedder", FUNCTION, "--url", str_of(url), "--follow"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    ready = text("SELECT state = 'ready' FROM vecsearch_reembedding")
    pending = text("SELECT count(*) FROM document WHERE embedding_v2_model IS NULL")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        wait_until(lambda: connection.scalar(ready), following)
        connection.execute(text("INSERT INTO document (id, title) VALUES (100, 'new')"))
        wait_until(lambda: not connection.scalar(pending), following)
    following.send_signal(signal.SIGTERM)
    out, _ = following.communicate(timeout=60)
    assert following.returncode == 0
    assert f"The job {JOB} is ready, and it was told to end." in out


def wait_until(reached, process):
    """Wait for something that a process does, a minute at most."""
    end = time.monotonic() + 60
    while not reached():
        assert process.poll() is None
        assert time.monotonic() < end


def str_of(url):
    return url if isinstance(url, str) else url.render_as_string(hide_password=False)
