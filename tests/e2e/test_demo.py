"""The demo from an empty directory on, as its user runs it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from sqlalchemy_vecsearch import demo
from sqlalchemy_vecsearch.testing import remove_server_directory, start_embedded_server

ROOT = Path(__file__).parents[2]
MEBIBYTES = 1024
SLOWER = 4
"""How much longer than on a quiet machine of two cores a run may take by the clock, where other tests run beside it."""
SHARED = 2
"""How much more a run may compute there: what other tests do with the caches and the cores makes it slower, too."""

RUNS = "The server runs until Ctrl-C: "
PROGRAM = [sys.executable, "-c", "from sqlalchemy_vecsearch.cli import main; main()", "demo"]
SENSIBLE = {
    "run a command and capture its output": {"subprocess.run", "subprocess.getoutput"},
    "walk a directory tree": {"os.walk"},
    "random choice from a list": {"random.choice"},
    "compress a file": {"bz2.compress", "gzip.compress", "zlib.compress"},
    "parse a date from text": {"datetime.date.fromisoformat", "datetime.datetime.strptime", "time.strptime"},
}


@dataclass(frozen=True)
class Kept:
    """What a run with --keep has printed, how many rows its server had, and how it ended."""

    printed: str
    rows: int
    code: int
    errors: str


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
def used(directory):
    """Leave what an earlier run has left, which --reset is to remove."""
    server = start_embedded_server(directory=directory)
    for url, statement in (
        (server.url(), "CREATE DATABASE vecsearch_demo"),
        (server.url("vecsearch_demo"), "CREATE TABLE left_by_an_earlier_run ()"),
    ):
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()
    server.stop()
    return directory


@pytest.fixture(scope="module")
def first(used):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = vecsearch_demo("--json", "--reembed", "--reset", "--directory", used)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.stderr == ""
    assert ended.returncode == 0
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(ended.stdout) | {"cpu_seconds": cpu}


@pytest.fixture(scope="module")
def second(first, directory):
    """Run it again, on a port of our choice, for people, and leave it running until Ctrl-C."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [*PROGRAM, "--keep", "--directory", str(directory), "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        env=environment(),
        start_new_session=True,
    )
    try:
        shown = ""
        while RUNS not in shown and (line := process.stdout.readline()):
            shown += line
        engine = create_engine(shown.partition(RUNS)[2].strip())
        with engine.connect() as connection:
            rows = connection.scalar(text("SELECT count(*) FROM document"))
        engine.dispose()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    return Kept(shown + rest, rows, process.returncode, errors)


def test_thousands_of_texts_are_embedded_loaded_and_searched_within_two_minutes_and_a_gibibyte(first):
    assert 6_000 < first["texts"] < 10_000
    assert not first["reused"]
    assert first["cpu_seconds"] < SHARED * 60  # of the demo, its server and its workers
    assert first["seconds"] < SLOWER * 60
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
        "Edit 100 docstrings by SQL while a worker follows",
        "Change the embedding model while the app runs",
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


def test_a_change_of_the_model_goes_unnoticed_there_and_back_and_on(first):
    changed = first["reembedded"]
    assert (changed["failed"], changed["errors"]) == (0, [])
    assert (changed["wrong_vectors"], changed["lost_updates"]) == (0, 0)
    assert changed["models"] == ["wordllama-64", "wordllama-256", "wordllama-64", "wordllama-256"]
    assert changed["writes"] > 50
    assert changed["searches"] > 20
    assert (changed["mode"], changed["lock_milliseconds"]) == ("pointer", 0.0)
    assert changed["swap_milliseconds"] < 3_000, "of which nobody waits for any"
    assert changed["write_p99_during"] < 3 * max(changed["write_p99_usual"], 10.0)


def test_edited_texts_are_found_within_seconds_and_the_census_tells_before_and_after(first):
    fresh = first["fresh"]
    whole = {
        "by_model": {"wordllama-256": first["texts"]},
        "pending": 0,
        "failed": 0,
        "without_provenance": 0,
        "total": first["texts"],
    }
    assert [fresh[when] for when in ("before", "during", "after", "restored")] == [
        whole,
        whole | {"pending": 100},
        whole,
        whole,
    ]
    assert (fresh["edited"], fresh["found_before"], fresh["found_after"]) == (100, 0, 10)
    assert 0 < fresh["seconds_to_find"] < SLOWER * 10
    assert fresh["seconds"] < SLOWER * 15


def test_a_second_run_reuses_the_rows_and_prints_headings_times_and_a_summary_for_people(second, first):
    shown = second.printed
    assert f"{first['texts']:,} texts are there from an earlier run; --reset starts anew." in shown
    assert "\n1. Start the server\n" in shown
    assert "\n5. Prove that the index serves them: EXPLAIN\n" in shown
    assert "from m 16, ef_construction 64 to m 24, ef_construction 128" in shown
    assert "\nSummary\n" in shown
    assert "none of them failed" in shown
    census = f"wordllama-256 {first['texts']:,}; pending {{}}, failed 0, unknown 0\n"
    assert f"   before        {census.format(0)}" in shown
    assert f"   edited        {census.format(100)}" in shown
    assert f"   followed      {census.format(0)}" in shown
    assert f"   edits undone  {census.format(0)}" in shown
    assert '": 0, then 10 of ten answers are edited\n' in shown
    assert "100 texts edited by plain SQL, found by what they say " in shown
    assert all(len(line) <= 80 for line in shown[shown.index("6. Rebuild") : shown.index("Summary")].splitlines()[6:])
    assert "\x1b" not in shown
    assert "Embed" not in shown


def test_reset_starts_anew_models_and_migrations_agree_and_the_way_down_ends_empty(second, directory):
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


def test_a_kept_server_runs_until_ctrl_c_which_is_no_error(second, first):
    assert second.rows == first["texts"]
    assert (second.code, second.errors) == (0, "")


def test_make_runs_the_same_command():
    if shutil.which("make") is None:
        pytest.fail("make is missing")
    # make tells a make inside it, as here in "make test", to print the directories
    own = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL"}}
    command = ["make", "--no-print-directory", "--dry-run", "demo"]
    shown = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=True)
    assert shown.stdout.rstrip().endswith("vecsearch demo")
