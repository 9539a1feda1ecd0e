"""`vecsearch doctor`: what is wrong with the vector indexes of a database, and what mends it."""

import typer

from sqlalchemy_vecsearch.cli.database import DatabaseUrl, connected
from sqlalchemy_vecsearch.cli.exit_codes import NEEDS_ATTENTION
from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json

__all__ = ["doctor"]


def doctor(*, url: DatabaseUrl, as_json: AsJson = False) -> None:
    """List what is wrong with the vector indexes of a database, each with the command that mends it.

    It looks for INVALID, duplicate, unused and drifted indexes, for parameters that were changed without a rebuild,
    and for versions with known bugs. It changes nothing.
    """
    from alembic_ops.doctoring import diagnose
    from alembic_ops.health import find_server, index_health

    with connected(url) as connection:
        findings = diagnose(find_server(connection), index_health(connection))
    if as_json:
        print_json(findings)
    console = console_for(as_json=as_json)
    for finding in findings:
        console.print(f"{finding.kind}: {finding.subject}: {finding.problem}", soft_wrap=True, markup=False)
        console.print(f"    {finding.remedy}", soft_wrap=True, markup=False)
    if findings:
        raise typer.Exit(NEEDS_ATTENTION)
    console.print("Nothing is wrong with the vector indexes of this database.", soft_wrap=True)
