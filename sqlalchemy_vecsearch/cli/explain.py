"""`vecsearch explain`: whether a vector index serves a statement."""

import re
from typing import Annotated, Any

import typer
from sqlalchemy import CompoundSelect, Executable, Select, text

from sqlalchemy_vecsearch.cli import references
from sqlalchemy_vecsearch.cli.database import DatabaseUrl, connected
from sqlalchemy_vecsearch.cli.exit_codes import NEEDS_ATTENTION
from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json

__all__ = ["explain"]

_REFERENCE = re.compile(r"[\w.]+:[\w.]+")


def explain(
    statement: Annotated[
        str,
        typer.Argument(
            help="SQL, or package.module:name of a statement or of a function without arguments that returns one."
        ),
    ],
    *,
    url: DatabaseUrl,
    analyze: Annotated[
        bool, typer.Option("--analyze", help="Run the statement to count its rows, and roll back what it did.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the plan of a statement, and whether a vector index serves it.

    A statement of SQLAlchemy is also read for what would keep an index from serving it. Exit code 3 says that no vector
    index serves it, or that something was found.
    """
    from sqlalchemy_vecsearch.measuring.explaining import explain as plan_of
    from sqlalchemy_vecsearch.measuring.linting import lint

    executable = _executable(statement)
    findings = lint(executable) if isinstance(executable, Select | CompoundSelect) else []
    with connected(url) as connection:
        plan = plan_of(connection, executable, analyze=analyze)
    if as_json:
        print_json(
            {
                "index_served": plan.index_served,
                "verdict": plan.verdict,
                "indexes": plan.indexes,
                "rows": plan.rows,
                "findings": findings,
                "plan": plan.render().splitlines(),
            }
        )
    console = console_for(as_json=as_json)
    console.print(plan.render(), markup=False, soft_wrap=True)
    for finding in findings:
        console.print(f"\n{finding.rule}: {finding}", markup=False, soft_wrap=True)
    if findings or not plan.index_served:
        raise typer.Exit(NEEDS_ATTENTION)


def _executable(statement: str) -> Executable:
    if not _REFERENCE.fullmatch(statement):
        return text(statement.replace(":", r"\:"))  # a colon of SQL is no bound value
    found: Any = references.load(statement)  # Any: the user's own
    if not isinstance(found, Executable) and callable(found):
        found = found()
    if not isinstance(found, Executable):
        raise typer.BadParameter(f"{statement!r} is of type {type(found).__name__}, and no statement of SQLAlchemy.")
    return found
