"""The `vecsearch` command without a database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sqlalchemy_vecsearch.cli import main
from sqlalchemy_vecsearch.cli.database import connected, parse_url
from sqlalchemy_vecsearch.cli.output import console_for, print_json
from sqlalchemy_vecsearch.errors import ServerError

ROOT = Path(__file__).parents[3]


def vecsearch(*arguments, before=""):
    program = f"import sys\n{before}\nfrom sqlalchemy_vecsearch.cli import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"},
        check=False,
    )


def test_without_arguments_the_help_names_the_commands():
    shown = vecsearch()
    assert "\n  demo " in shown.stderr
    assert shown.returncode == 2


def test_an_unknown_option_ends_with_code_2():
    refused = vecsearch("demo", "--nonsense")
    assert refused.returncode == 2
    assert "No such option: --nonsense" in refused.stderr


def test_a_statement_of_broken_bytes_is_refused_before_a_server_is_asked():
    ended = vecsearch("explain", os.fsdecode(b"select '\xff'"), "--url", "postgresql://127.0.0.1:1/shop")
    assert ended.returncode == 2
    assert "is no text at position 8." in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_out_of_range_ends_with_code_2():
    refused = vecsearch("demo", "--port", "70000")
    assert refused.returncode == 2
    assert "'--port'" in refused.stderr


@pytest.mark.parametrize(
    ("package", "extra"), [("typer", "cli"), ("rich", "cli"), ("alembic", "alembic"), ("psycopg", "psycopg")]
)
def test_a_package_that_is_not_installed_is_named_with_its_extra(package, extra):
    refused = vecsearch("demo", before=f"sys.modules[{package!r}] = None")
    assert refused.returncode == 1
    assert refused.stderr == (
        f"vecsearch: The package '{package}' is not installed. "
        "This command needs it, and a plain installation leaves it out. "
        f"Install it with: pip install 'sqlalchemy-vecsearch[{extra}]'\n"
    )


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("postgres://u@h/d", "postgresql+psycopg"),
        ("postgresql://u@h/d", "postgresql+psycopg"),
        ("postgresql+asyncpg://u@h/d", "postgresql+psycopg"),
        ("postgresql+pg8000://u@h/d", "postgresql+pg8000"),
    ],
)
def test_a_url_without_a_driver_or_with_an_async_one_gets_psycopg(text, driver):
    assert parse_url(text).drivername == driver


@pytest.mark.parametrize(
    "text", ["", "host/name", "sqlite://", "mysql+pymysql://u:secret@h/d", "postgresql://u:very:secret@h:port/d"]
)
def test_a_url_of_another_kind_is_refused_without_showing_it(text):
    with pytest.raises(ServerError) as refused:
        parse_url(text)
    assert str(refused.value) == (
        "The URL of the database cannot be used. "
        "It is not the URL of a PostgreSQL database, or its port is no number, as happens when a password holds one of "
        ": / @ and is not percent-encoded. "
        "Write --url postgresql://user:password@host:5432/name."
    )


PSYCOPG = 'connection failed: connection to server at "127.0.0.1", port 1 failed: Connection refused.'
PSYCOPG2 = 'connection to server at "127.0.0.1", port 1 failed: Connection refused.'
PG8000 = "Can't create a connection to host 127.0.0.1 and port 1 (timeout is None and source_address is None)."


@pytest.mark.parametrize(
    ("url", "shown", "said"),
    [
        ("postgresql://u:secret@127.0.0.1:1/d", "postgresql+psycopg://u:***@127.0.0.1:1/d", PSYCOPG),
        (
            "postgresql://u@127.0.0.1:1/d?password=very%20secret&sslpassword=secret",
            "postgresql+psycopg://u@127.0.0.1:1/d?password=***&sslpassword=***",
            PSYCOPG,
        ),
        (
            "postgresql+psycopg2://u@127.0.0.1:1/d?password=secret",
            "postgresql+psycopg2://u@127.0.0.1:1/d?password=***",
            PSYCOPG2,
        ),
        ("postgresql+pg8000://u:secret@127.0.0.1:1/d", "postgresql+pg8000://u:***@127.0.0.1:1/d", PG8000),
        (
            "postgresql://u:secret@127.0.0.1:1/d?nonsense=1",
            "postgresql+psycopg://u:***@127.0.0.1:1/d?nonsense=***",
            'invalid connection option "nonsense".',
        ),
        (
            "postgresql+pg8000://u:secret@127.0.0.1:1/d?nonsense=1",
            "postgresql+pg8000://u:***@127.0.0.1:1/d?nonsense=***",
            "connect() got an unexpected keyword argument 'nonsense'.",
        ),
    ],
)
def test_a_server_that_cannot_be_reached_is_named_in_one_line_without_secrets(url, shown, said):
    with pytest.raises(ServerError) as refused, connected(url):
        pass
    assert str(refused.value) == (
        f"The database '{shown}' could not be reached. The driver said: {said} "
        "Start the server, or correct the URL given by --url or DATABASE_URL."
    )


def test_a_driver_that_does_not_exist_is_named():
    ended = vecsearch("status", "--url", "postgresql+nonsense://u:secret@h/d")
    assert (ended.returncode, ended.stderr) == (
        1,
        "vecsearch: The database 'postgresql+nonsense://u:***@h/d' cannot be reached that way. SQLAlchemy has no driver of"
        " the name 'nonsense' for PostgreSQL. Write postgresql://..., which psycopg serves, or name another driver that is"
        " installed.\n",
    )


@pytest.mark.parametrize("command", [["status"], ["doctor"], ["why-waiting"], ["explain", "select 1"]])
def test_no_command_prints_a_secret(command, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["vecsearch", *command, "--url", "postgresql://u@127.0.0.1:1/d?password=very%20secret"]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    said = f"{ended.value.code}{''.join(capsys.readouterr())}"  # a text that ends a process is printed, with code 1
    assert said.startswith("vecsearch: The database 'postgresql+psycopg://u@127.0.0.1:1/d?password=***' could not be ")
    assert "secret" not in said


@dataclass(frozen=True)
class Inner:
    path: Path


@dataclass(frozen=True)
class Outer:
    name: str
    inner: list[Inner]


def test_json_holds_nested_dataclasses(capsys):
    print_json(Outer("é", [Inner(Path("a/b"))]))
    text = capsys.readouterr().out
    assert json.loads(text) == {"name": "é", "inner": [{"path": "a/b"}]}
    assert "é" in text


def test_nothing_but_json_is_printed_where_json_is_wanted(capsys):
    console_for(as_json=True).print("a heading")
    assert capsys.readouterr().out == ""
