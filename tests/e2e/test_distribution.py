"""What is published works where nothing else of this project is: the wheel in a clean environment, the sdist's files."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("sqlalchemy_vecsearch", "alembic_ops", "tests", "docs", "examples")
FILES = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "compose.yaml",
    "mkdocs.yml",
    "noxfile.py",
    "pyproject.toml",
    "requirements.lock",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Give the folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "--directory", str(folder)], cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def clean_python(built, tmp_path_factory):
    """Give the interpreter of an environment that has the wheel and what it requires, and no extra."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    (wheel,) = built.glob("*.whl")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-compile", str(wheel)],
        check=True,
        cwd=folder,
    )
    return python


def run(python, *arguments):
    return subprocess.run(
        [str(python), *arguments], cwd=python.parent, capture_output=True, text=True, check=False, env={}
    )


def tracked(folder):
    """Return the files of a folder, without what Python or a tool leaves there."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


def test_the_sdist_has_all_that_make_test_needs(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert sorted(set(FILES) - names) == []
    assert {folder: sorted(tracked(folder) - names) for folder in FOLDERS} == {folder: [] for folder in FOLDERS}


def test_the_wheel_has_both_packages_their_types_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "alembic_ops",
        "sqlalchemy_vecsearch",
    }
    assert {"sqlalchemy_vecsearch/py.typed", "alembic_ops/py.typed"} <= names
    assert {name for folder in FOLDERS[:2] for name in tracked(folder)} <= names


def test_the_wheel_is_imported_in_a_clean_environment(built, clean_python):
    (wheel,) = built.glob("*.whl")
    done = run(clean_python, "-c", "import sqlalchemy_vecsearch as v; print(v.__version__, v.__file__)")
    assert done.stderr == ""
    version, file = done.stdout.split()
    assert version == wheel.name.split("-")[1]
    assert str(clean_python.parent.parent) in file


def test_a_statement_compiles_in_a_clean_environment(clean_python):
    code = """
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy_vecsearch import HNSW, embedding_column, nearest
class Base(DeclarativeBase): pass
class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW())
statement = nearest(Document, Document.embedding, [1, 2, 3], k=5)
print("<=>" in str(statement.compile(dialect=postgresql.dialect())))
"""
    done = run(clean_python, "-c", code)
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize("arguments", [("-m", "sqlalchemy_vecsearch", "--version"), ("-c", "import alembic_ops")])
def test_a_missing_extra_is_named(clean_python, arguments):
    done = run(clean_python, *arguments)
    assert done.returncode != 0
    extra = "alembic" if "alembic" in arguments[-1] else "cli"
    assert f"pip install 'sqlalchemy-vecsearch[{extra}]'" in done.stderr
