"""`vecsearch serve` until somebody ends it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError


@contextmanager
def serving(*arguments):
    program = [sys.executable, "-m", "sqlalchemy_vecsearch", "serve", *arguments]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def vectors_of(url):
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS kept (v vector(3))"))
            connection.execute(text("INSERT INTO kept VALUES ('[1,2,3]')"))
            return connection.scalar(text("SELECT count(*) FROM kept"))
    finally:
        engine.dispose()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_database_with_the_extension_is_there_until_a_signal(number):
    with serving() as process:
        first = process.stdout.readline()
        url = process.stdout.readline().strip()
        assert (first.startswith("PostgreSQL "), first.endswith(" runs until Ctrl-C:\n")) == (True, True)
        assert vectors_of(url) == 1
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == ""
    with pytest.raises(OperationalError):
        vectors_of(url)


def test_a_directory_keeps_the_data_and_the_url(tmp_path):
    counts, urls = [], []
    port = ()
    for _ in range(2):
        with serving("--directory", str(tmp_path / "data"), "--json", *port) as process:
            shown = ""
            while not shown.endswith("}\n"):
                shown += process.stdout.readline()
            url = json.loads(shown)["url"]
            counts.append(vectors_of(url))
            urls.append(url)
            port = ("--port", url.rpartition(":")[2].partition("/")[0])
            process.terminate()
            assert process.wait(timeout=30) == 0
    assert counts == [1, 2]
    assert urls[0] == urls[1]


def test_without_an_embedded_server_the_extra_is_named():
    program = (
        "from sqlalchemy_vecsearch.testing import installations\ninstallations.KNOWN_FOLDERS = ()\n"
        "from sqlalchemy_vecsearch.cli import main\nmain()"
    )
    refused = subprocess.run(
        [sys.executable, "-c", program, "serve"], capture_output=True, text=True, check=False, timeout=60
    )
    assert refused.returncode == 1
    assert refused.stderr.endswith("Install it with: pip install 'sqlalchemy-vecsearch[testing]'\n")
    assert "Traceback" not in refused.stderr
