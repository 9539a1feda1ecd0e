"""`vecsearch explain`: whether a vector index serves a statement."""

import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any

import typer
from sqlalchemy import CompoundSelect, Executable, Select, text

from sqlalchemy_vecsearch.cli import references
from sqlalchemy_vecsearch.cli.database import DatabaseUrl, connected
from sqlalchemy_vecsearch.cli.exit_codes import NEEDS_ATTENTION
from sqlalchemy_vecsearch.cli.output import AsJson, RefusedArgumentError, console_for, print_json

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
    """Show a statement's plan, and whether a vector index serves it.

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
    verdict, _, tree = plan.render().partition("\n\n")
    console.print(f"{verdict}\n", markup=False)
    console.print(tree, markup=False, soft_wrap=True)
    for finding in findings:
        console.print(f"\n{finding.rule}: {finding}", markup=False)
    if findings or not plan.index_served:
        raise typer.Exit(NEEDS_ATTENTION)


def _executable(statement: str) -> Executable:
    if not _REFERENCE.fullmatch(statement):
        _require_text(statement)
        return text(statement.replace(":", r"\:"))  # a colon of SQL is no bound value
    found: Any = references.load(statement)  # Any: the user's own
    if not isinstance(found, Executable) and callable(found):
        _require_no_arguments(statement, found)
        found = found()
    if not isinstance(found, Executable):
        raise RefusedArgumentError(f"{statement!r} is of type {type(found).__name__}, and no statement of SQLAlchemy.")
    return found


def _require_text(statement: str) -> None:
    try:
        statement.encode()
    except UnicodeEncodeError as error:
        raise RefusedArgumentError(
            f"The statement {statement!r} is no text at position {error.start}. "
            "The shell passed bytes there that are not in its encoding. "
            "Write the statement in UTF-8."
        ) from None


def _require_no_arguments(reference: str, function: Callable[..., Any]) -> None:  # Any: the user's own
    parameters = inspect.signature(function).parameters.values()
    missing = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if missing:
        raise RefusedArgumentError(
            f"{reference!r} wants {', '.join(missing)}, and the command has nothing to pass. "
            "Name a function without arguments that returns the statement."
        )
