"""The example service works where a person has copied it to: its own tests pass there, on its own files alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OUR_PLUGINS = ("asyncio", "pytest_alembic", "xdist")  # no part of what the example asks for


def test_the_tests_of_the_example_pass_in_a_copy_of_it(vecsearch_server, tmp_path):
    copy = tmp_path / "service"
    shutil.copytree(ROOT / "examples" / "fastapi_search", copy, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *(f"-pno:{plugin}" for plugin in OUR_PLUGINS)],
        cwd=copy,
        env={**os.environ, "VECSEARCH_TEST_URL": vecsearch_server.server_url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 passed" in done.stdout
