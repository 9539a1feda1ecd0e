"""No process and no directory outlives the program that started a server, however that program ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 60

START = """
import json, os, signal, sys
from pathlib import Path
from sqlalchemy_vecsearch.testing import start_embedded_server

server = start_embedded_server()
postmaster = (server.directory / "server" / "data" / "postmaster.pid").read_text().split()[0]
print(json.dumps({"directory": str(server.directory), "postmaster": int(postmaster)}), flush=True)
"""

FORK = """
child = os.fork()
if child == 0:
    signal.pause()
print(child, flush=True)
"""


@pytest.fixture(autouse=True)
def signals_as_on_a_terminal():
    """Let the children start with the default signals: `nohup` and jobs in the background hand on ignored ones."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def start(script):
    """Start a program in a session of its own, as a terminal does.

    The keeper shares the program's stderr, so reading that to its end waits for both.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", START + script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    line = child.stdout.readline()
    if not line:
        pytest.fail(child.communicate(timeout=SECONDS)[1])
    return child, json.loads(line)


def assert_nothing_is_left(left):
    assert not Path(left["directory"]).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(left["postmaster"], 0)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("", 0),
        ("server.stop(); server.stop()", 0),
        ("sys.exit(3)", 3),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("os._exit(4)", 4),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_the_end_of_the_program_takes_the_server_away(script, code):
    child, left = start(script)
    child.communicate(timeout=SECONDS)
    assert child.returncode == code
    assert_nothing_is_left(left)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_the_whole_process_group_takes_the_server_away(number):
    child, left = start("signal.pause()")
    os.killpg(child.pid, number)
    child.communicate(timeout=SECONDS)
    assert child.returncode == -number
    assert_nothing_is_left(left)


def test_a_forked_child_that_lives_on_does_not_keep_the_server():
    child, left = start(FORK + "os.close(2); os.kill(os.getpid(), signal.SIGKILL)")
    forked = int(child.stdout.readline())
    child.wait(SECONDS)
    try:
        ended = os.pidfd_open(left["postmaster"])
    except ProcessLookupError:
        pass
    else:
        import select

        assert select.select([ended], [], [], SECONDS)[0]
        os.close(ended)
    os.kill(forked, signal.SIGKILL)
    child.communicate(timeout=SECONDS)
    assert_nothing_is_left(left)


PLUGIN_TEST = """
import signal
import pytest

def test_waits(vecsearch_server, vecsearch_url, capsys):
    with capsys.disabled():
        print("\\nready", vecsearch_server.url(), flush=True)
    signal.pause()
"""


def test_ctrl_c_during_a_test_run_takes_the_server_away(tmp_path):
    (tmp_path / "test_waits.py").write_text(PLUGIN_TEST, encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "VECSEARCH_TEST_URL"}
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "sqlalchemy_vecsearch.testing",
            "-s",
            "-c",
            os.devnull,
            "--rootdir",
            str(tmp_path),
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment | {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": "-p no:pytest_alembic"},
        cwd=tmp_path,
        start_new_session=True,
    )
    lines = iter(child.stdout.readline, "")
    header = next(line for line in lines if line.startswith("vecsearch: PostgreSQL "))
    ready = next(line for line in lines if line.startswith("ready"))
    os.killpg(child.pid, signal.SIGINT)
    child.communicate(timeout=SECONDS)
    assert child.returncode == pytest.ExitCode.INTERRUPTED
    assert ", pgvector " in header
    assert_no_server_answers(ready.split()[1])


def assert_no_server_answers(url):
    import psycopg

    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(url.replace("+psycopg", "")).close()
