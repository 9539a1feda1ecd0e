"""Run pgvector-python's own tests of its SQLAlchemy types with ours: `python tests/published.py 0.5.1 [pytest argument ...]`.

They are taken from the source distribution of that version, which is not kept here. The import of the types changes,
and the address of the server. Which pgvector-python is installed is the caller's choice, as `noxfile.py` makes it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL, make_url

from sqlalchemy_vecsearch.testing import start_embedded_server
from sqlalchemy_vecsearch.testing.databases import connect

NAMES = ("test_sqlalchemy.py", "test_sqlmodel.py")
DATABASE = "pgvector_python_test"
ADDRESS = re.compile(r"(postgresql\+\w+)://(?:\{[^}]*\}@)?localhost/" + DATABASE)
IMPORT = "from pgvector.sqlalchemy import"
OPTIONS = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


def fetch(version: str, folder: Path) -> Path:
    """Download the source distribution of a version, unpack it, and return its folder of tests."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, "--no-binary", ":all:", "--dest", str(folder), f"pgvector=={version}"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env=environment)
    with tarfile.open(folder / f"pgvector-{version}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / f"pgvector-{version}" / "tests"


def adapted(text: str, server: URL) -> str:
    """Return a test module that imports our types, and finds the server."""
    if IMPORT not in text:
        raise SystemExit(f"The published tests do not say {IMPORT!r} any more. Read them, and adapt this script.")
    address = f"://{server.username}:{server.password}@{server.host}:{server.port}/{DATABASE}"
    return ADDRESS.sub(rf"\1{address}", text).replace(IMPORT, "from sqlalchemy_vecsearch.types import")


def main(version: str, *arguments: str) -> int:
    """Run the tests of one version; the exit code is that of pytest."""
    server = start_embedded_server()
    url = make_url(server.url())
    try:
        with connect(url) as connection:
            connection.autocommit = True
            connection.execute(f"CREATE DATABASE {DATABASE}")
        with TemporaryDirectory() as name:
            published = fetch(version, Path(name))
            folder = Path(name) / "run"
            folder.mkdir()
            # the distribution lacks the module that newer tests take numpy from
            (folder / "conftest.py").write_text("import numpy\n", encoding="utf-8")
            (folder / "__init__.py").touch()
            (folder / "pytest.ini").write_text(OPTIONS, encoding="utf-8")
            for module in NAMES:
                text = (published / module).read_text(encoding="utf-8")
                (folder / module).write_text(adapted(text, url), encoding="utf-8")
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, str(folder)]
            return subprocess.run(command, stdin=subprocess.DEVNULL, check=False, cwd=folder).returncode
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
