"""`vecsearch status`: the index builds that run now, and what interrupted ones have left."""

import typer

from sqlalchemy_vecsearch.cli.database import DatabaseUrl, connected
from sqlalchemy_vecsearch.cli.exit_codes import NEEDS_ATTENTION
from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json

__all__ = ["status"]


def status(*, url: DatabaseUrl, as_json: AsJson = False) -> None:
    """Show the index builds that run now and the INVALID indexes that nobody builds.

    Exit code 3 says that there is an INVALID one. It changes nothing.
    """
    from alembic_ops.health import index_health, running_builds

    with connected(url) as connection:
        builds = running_builds(connection)
        leftovers = [index for index in index_health(connection) if not index.usable and not index.building]
    if as_json:
        print_json({"builds": builds, "leftovers": leftovers})
    console = console_for(as_json=as_json)
    for build in builds:
        share = f", {100 * build.done // build.total}%" if build.total else ""
        console.print(
            f"{build.index or 'an index'} on {build.table}: {build.phase}{share}, {build.seconds:.0f} s, "
            f"process {build.pid}",
            soft_wrap=True,
            markup=False,
        )
        for blocker in build.blockers:
            console.print(f"    waits for {blocker.describe()}", soft_wrap=True, markup=False)
    for index in leftovers:
        console.print(f"{index.name} on {index.table}: INVALID, and nobody builds it", soft_wrap=True, markup=False)
    if not builds and not leftovers:
        console.print("No index is being built, and none is INVALID.", soft_wrap=True)
    if leftovers:
        raise typer.Exit(NEEDS_ATTENTION)
