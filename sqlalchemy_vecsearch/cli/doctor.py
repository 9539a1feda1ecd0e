"""`vecsearch doctor`: what is wrong with the vector indexes of a database, and what to do."""

import typer

from sqlalchemy_vecsearch.cli.database import DatabaseUrl, connected
from sqlalchemy_vecsearch.cli.exit_codes import NEEDS_ATTENTION
from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json

__all__ = ["doctor"]


def doctor(*, url: DatabaseUrl, as_json: AsJson = False) -> None:
    """List what is wrong with the vector indexes, and what to do.

    Each finding says how it is known. The command looks for INVALID, duplicate, unused and drifted indexes, for
    parameters that were changed without a rebuild, and for versions with known bugs. It changes nothing. Exit code 3
    says that something was found.
    """
    from sqlalchemy_vecsearch.observing.advice import advise
    from sqlalchemy_vecsearch.observing.index_health import index_health
    from sqlalchemy_vecsearch.observing.server_health import server_health

    with connected(url) as connection:
        advice = advise(server_health(connection), index_health(connection))
    if as_json:
        print_json(advice)
    console = console_for(as_json=as_json)
    for one in advice:
        console.print(f"{one.kind}: {one.subject}: {one.problem} ({one.evidence})", markup=False)
        console.print(f"    {one.remedy}", markup=False)
    if advice:
        raise typer.Exit(NEEDS_ATTENTION)
    console.print("Nothing is wrong with the vector indexes of this database.")
