"""The demo from an empty directory on, as its user runs it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from sqlalchemy_vecsearch import demo
from sqlalchemy_vecsearch.testing import remove_server_directory, start_embedded_server

ROOT = Path(__file__).parents[2]
MEBIBYTES = 1024
PROGRAM = [sys.executable, "-c", "from sqlalchemy_vecsearch.cli import main; main()", "demo"]
SENSIBLE = {
    "run a command and capture its output": {"subprocess.run", "subprocess.getoutput"},
    "walk a directory tree": {"os.walk"},
    "random choice from a list": {"random.choice"},
    "compress a file": {"bz2.compress", "gzip.compress", "zlib.compress"},
    "parse a date from text": {"datetime.date.fromisoformat", "datetime.datetime.strptime", "time.strptime"},
}


def environment(**more):
    inherited = {name: value for name, value in os.environ.items() if name != "VECSEARCH_TEST_URL"}
    return inherited | {"PYTHONPATH": str(ROOT)} | more


def vecsearch_demo(*arguments, **variables):
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd="/",
        env=environment(**variables),
        check=False,
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    place = tmp_path_factory.mktemp("demo") / "data"
    yield place
    remove_server_directory(place)


@pytest.fixture(scope="module")
def first(directory):
    ended = vecsearch_demo("--json", "--directory", directory)
    assert ended.stderr == ""
    assert ended.returncode == 0
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def second(first, directory):
    """Run it again, on a port of our choice, for people."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ended = vecsearch_demo("--directory", directory, "--port", port)
    assert ended.stderr == ""
    assert ended.returncode == 0
    return ended.stdout


def test_thousands_of_texts_are_embedded_loaded_and_searched_within_a_minute_and_a_gibibyte(first):
    assert 6_000 < first["texts"] < 10_000
    assert not first["reused"]
    assert first["seconds"] < 60
    assert first["peak_memory_megabytes"] < MEBIBYTES
    assert [step["title"] for step in first["steps"]] == [
        "Start the server",
        "Create the table: alembic upgrade 0001",
        "Read the docstrings of Python's standard library",
        "Embed their names and docstrings: 256 numbers each",
        "Load them: binary COPY",
        "Build the index: alembic upgrade 0002",
        "Answer questions",
        "The same, within one module",
        "Prove that the index serves them: EXPLAIN",
        "Rebuild the index while it is searched: alembic upgrade 0003",
    ]


@pytest.mark.parametrize(("question", "sensible"), SENSIBLE.items())
def test_the_first_ten_answers_hold_what_a_person_expects(first, question, sensible):
    (answered,) = [a for a in first["answered"] if a["question"] == question and a["module"] is None]
    distances = [found["distance"] for found in answered["answers"]]
    assert len(distances) == 10
    assert distances == sorted(distances)
    assert sensible & {found["name"] for found in answered["answers"]}


def test_ten_answers_within_a_module_are_all_of_that_module(first):
    restricted = [answered for answered in first["answered"] if answered["module"]]
    assert [answered["question"] for answered in restricted] == list(SENSIBLE)
    for answered in restricted:
        assert {found["module"] for found in answered["answers"]} == {answered["module"]}
        assert len(answered["answers"]) == 10


def test_the_plan_shows_the_vector_index(first):
    assert first["plan"]["index_served"]
    assert first["plan"]["indexes"] == ["ix_document_embedding"]
    assert any("ix_document_embedding" in line for line in first["plan"]["lines"])


def test_no_search_fails_while_the_index_is_rebuilt(first):
    rebuild = first["rebuild"]
    assert (rebuild["before"], rebuild["after"]) == (
        {"m": 16, "ef_construction": 64},
        {"m": 24, "ef_construction": 128},
    )
    assert (rebuild["failed"], rebuild["errors"]) == (0, [])
    assert rebuild["searches"] >= 5


def test_a_second_run_reuses_the_rows_and_prints_headings_times_and_a_summary_for_people(second, first):
    assert f"{first['texts']:,} texts are there from an earlier run; --reset starts anew." in second
    assert "\n1. Start the server\n" in second
    assert "\n5. Prove that the index serves them: EXPLAIN\n" in second
    assert "from m 24, ef_construction 128 to m 24, ef_construction 128" in second
    assert "\nSummary\n" in second
    assert "none of them failed" in second
    assert "\x1b" not in second
    assert "Embed" not in second


def test_models_and_migrations_agree_and_the_way_down_ends_empty(second, directory):
    server = start_embedded_server(directory=directory)
    url = server.url("vecsearch_demo")
    config = Config(Path(demo.__file__).with_name("alembic.ini"))
    config.attributes["url"] = url
    try:
        command.check(config)
        command.downgrade(config, "base")
        engine = create_engine(url)
        with engine.connect() as connection:
            left = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            assert connection.scalars(text(left)).all() == ["alembic_version"]
        engine.dispose()
    finally:
        server.stop()


def test_a_directory_of_the_user_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").touch()
    ended = vecsearch_demo("--reset", "--directory", tmp_path)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        f"vecsearch: The directory '{tmp_path}' is not the demo's. "
        "It holds other files, which --reset would remove. "
        "Name an empty or new one with --directory.\n"
    )
    assert (tmp_path / "thesis.txt").exists()


def test_a_port_in_use_is_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ended = vecsearch_demo("--directory", tmp_path / "data", "--port", port)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"vecsearch: The port {port} cannot be used. ")


def test_reset_starts_anew_and_keep_leaves_the_server_running_until_ctrl_c(second, directory):
    process = subprocess.Popen(
        [*PROGRAM, "--keep", "--reset", "--directory", str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        env=environment(),
        start_new_session=True,
    )
    lines = []
    marker = "The server runs until Ctrl-C: "
    for line in process.stdout:
        lines.append(line.strip())
        if marker in line:
            break
    assert "3. Read the docstrings of Python's standard library" in lines
    engine = create_engine(lines[-1].removeprefix(marker))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM document")) > 5_000
    engine.dispose()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_make_runs_the_same_command():
    if shutil.which("make") is None:
        pytest.fail("make is missing")
    # make tells a make inside it, as here in "make test", to print the directories
    own = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL"}}
    command = ["make", "--no-print-directory", "--dry-run", "demo"]
    shown = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=True)
    assert shown.stdout.rstrip().endswith("vecsearch demo")
