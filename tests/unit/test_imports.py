"""What a plain installation must not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", ["sqlalchemy_vecsearch", "sqlalchemy_vecsearch.loading", "alembic_ops"])
def test_packages_are_imported_without_optional_ones(package):
    absent = ["asyncpg", "greenlet", "pg8000", "psycopg", "psycopg2", "pytest", "rich", "typer"]
    program = f"import sys; sys.modules.update(dict.fromkeys({absent!r})); import {package}"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
