"""What a plain installation must not need."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sqlalchemy_vecsearch

ROOT = Path(__file__).parents[2]


def test_packages_are_imported_without_optional_ones():
    absent = ["asyncpg", "greenlet", "pg8000", "psycopg", "psycopg2", "pytest", "rich", "typer"]
    packages = "sqlalchemy_vecsearch, sqlalchemy_vecsearch.loading, sqlalchemy_vecsearch.measuring.recall, alembic_ops"
    program = f"import sys; sys.modules.update(dict.fromkeys({absent!r})); import {packages}"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


PARTS = "sqlalchemy.orm, sqlalchemy.dialects.postgresql, pgvector.sqlalchemy, numpy"
OURS = ("sqlalchemy_vecsearch", "sqlalchemy.ext", "numpy.typing", "numpy._typing")


def test_the_import_brings_no_package_that_its_parts_do_not():
    program = f"""if True:
        import sys, {PARTS}
        before = set(sys.modules)
        from sqlalchemy_vecsearch import *
        print(*set(sys.modules) - before)"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    brought = ended.stdout.split()
    assert "sqlalchemy_vecsearch" in brought
    others = [name for name in brought if name.partition(".")[0] not in sys.stdlib_module_names]
    assert [name for name in others if not name.startswith(OURS)] == []


def test_what_declarations_do_not_need_is_imported_when_it_is_asked_for():
    program = """if True:
        import sys, sqlalchemy_vecsearch
        print(*{name.split(".")[1] for name in sys.modules if name.startswith("sqlalchemy_vecsearch.")} & {"search", "loading", "measuring"})
        sqlalchemy_vecsearch.recall
        print("sqlalchemy_vecsearch.measuring.recall" in sys.modules)"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[:2] == ["", "True"]


def test_type_checkers_and_the_interpreter_see_the_same_names():
    tree = ast.parse(Path(sqlalchemy_vecsearch.__file__).read_text())
    (for_checkers,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        (alias.name, node.module.removeprefix("sqlalchemy_vecsearch."))
        for node in for_checkers.body
        for alias in node.names
    }
    assert seen == set(sqlalchemy_vecsearch._MODULES.items())


def test_every_public_name_is_there_and_known_to_completion():
    assert set(sqlalchemy_vecsearch.__all__) <= set(dir(sqlalchemy_vecsearch))
    assert [name for name in sqlalchemy_vecsearch.__all__ if not hasattr(sqlalchemy_vecsearch, name)] == []
    with pytest.raises(AttributeError, match=r"^module 'sqlalchemy_vecsearch' has no attribute 'nearly'$"):
        sqlalchemy_vecsearch.nearly  # noqa: B018  # the access is what is tested
