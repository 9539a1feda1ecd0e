"""What a newcomer meets first: help, version, completion, and what is said of packages that are missing."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

import alembic_ops
import sqlalchemy_vecsearch
from sqlalchemy_vecsearch.cli.application import app
from sqlalchemy_vecsearch.cli.output import RefusedArgumentError
from sqlalchemy_vecsearch.extras import EXTRAS
from sqlalchemy_vecsearch.testing.container import IMAGE

ROOT = Path(__file__).parents[3]
COMMANDS = sorted(command.name for command in app.registered_commands)


def python(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "80", "NO_COLOR": "1"} | environment,
        check=False,
    )


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns_and_no_sentence_is_cut(command):
    shown = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "80", "NO_COLOR": "1"})
    assert shown.exit_code == 0
    assert [line for line in shown.output.splitlines() if len(line) > 80 or line.endswith("...")] == [
        line for line in shown.output.splitlines() if line.startswith("Usage:") and line.endswith("...")
    ]


def test_the_command_runs_as_a_module_and_says_its_version():
    shown = python("-m", "sqlalchemy_vecsearch", "--version")
    assert (shown.returncode, shown.stdout) == (0, f"vecsearch {sqlalchemy_vecsearch.__version__}\n")


def test_both_packages_say_the_version_of_the_distribution():
    assert sqlalchemy_vecsearch.__version__ == alembic_ops.__version__ == metadata.version("sqlalchemy-vecsearch")


def test_a_shell_completes_the_commands():
    shown = python(
        "-m", "sqlalchemy_vecsearch", _VECSEARCH_COMPLETE="complete_bash", COMP_WORDS="vecsearch st", COMP_CWORD="1"
    )
    assert shown.stdout.split() == ["status"]
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).output


def test_alembic_ops_without_alembic_says_in_one_line_what_to_install():
    refused = python("-c", "import sys; sys.modules['alembic'] = None; import alembic_ops")
    assert refused.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: The package 'alembic' is not installed. alembic_ops needs it, and a plain installation "
        "leaves it out. Install it with: pip install 'sqlalchemy-vecsearch[alembic]'"
    )
    assert refused.stderr.count("Traceback") == 1


def test_every_extra_that_is_named_exists_and_brings_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    brought = {
        (re.split(r"[^A-Za-z0-9-]", line)[0].replace("-", "_"), extra)
        for extra, lines in extras.items()
        for line in lines
    }
    assert set(EXTRAS.items()) <= brought


def test_the_server_of_compose_is_the_one_that_tests_start():
    assert f"image: {IMAGE}\n" in (ROOT / "compose.yaml").read_text(encoding="utf-8")


def test_an_error_breaks_between_words_on_a_terminal_and_is_one_line_elsewhere():
    arguments = ("-m", "sqlalchemy_vecsearch", "status", "--url", "postgresql://localhost:1/nobody")
    plain = python(*arguments).stderr
    assert plain.count("\n") == 1
    reader, writer = os.openpty()
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, stderr=writer, stdout=writer, cwd=ROOT, env=os.environ | {"COLUMNS": "80"}, check=False, timeout=60
    )
    os.close(writer)
    shown = os.read(reader, 10_000).decode().replace("\r\n", "\n")
    os.close(reader)
    assert done.returncode == 1
    assert shown.count("\n") > 2
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert shown.split() == plain.split()


def test_a_refused_argument_breaks_between_words_behind_what_stands_before_it(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    assert RefusedArgumentError("'a.b' names nothing of the module 'a'.").message == (
        "'a.b' names\nnothing of the module 'a'."
    )
