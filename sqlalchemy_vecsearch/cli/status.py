"""`vecsearch status`: the index builds that run now, what interrupted work has left, and the changes of models."""

from textwrap import wrap
from typing import Annotated, Any

import typer
from rich.console import Console

from sqlalchemy_vecsearch.cli.database import DatabaseUrl, connected
from sqlalchemy_vecsearch.cli.exit_codes import NEEDS_ATTENTION
from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json

__all__ = ["status"]


def status(
    job: Annotated[
        str | None, typer.Argument(metavar="[JOB]", show_default=False, help="Only this job of re-embedding.")
    ] = None,
    *,
    url: DatabaseUrl,
    schema: Annotated[str | None, typer.Option(show_default=False, help="Only the jobs of this schema.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show index builds, interrupted ones, and changes of models.

    What interrupted builds leave are INVALID indexes that nobody builds; exit code 3 says that there is one. It
    changes nothing.
    """
    from sqlalchemy_vecsearch.embedding.jobs import jobs_now
    from sqlalchemy_vecsearch.observing.builds import running_builds
    from sqlalchemy_vecsearch.observing.index_health import index_health
    from sqlalchemy_vecsearch.observing.server_health import server_health
    from sqlalchemy_vecsearch.observing.swap_proofs import swap_proofs

    console = console_for(as_json=as_json)
    with connected(url) as connection:
        jobs = jobs_now(connection, job, schema)
        if job is not None:
            if as_json:
                print_json({"jobs": jobs})
            _show_jobs(console, jobs)
            return
        is_replica = server_health(connection).in_recovery
        builds = running_builds(connection)
        leftovers = [index for index in index_health(connection) if not index.usable and not index.building]
        proofs = swap_proofs(connection)
    if as_json:
        print_json({"builds": builds, "leftovers": leftovers, "proofs": proofs, "jobs": jobs})
    for build in builds:
        share = f", {100 * build.done // build.total}%" if build.total else ""
        console.print(
            f"{build.index or 'an index'} on {build.table}: {build.phase}{share}, {build.seconds:.0f} s, "
            f"process {build.pid}",
            soft_wrap=True,
            markup=False,
        )
        for blocker in build.blockers:
            console.print(f"    waits for {blocker.describe()}", markup=False)
    who = "whether it is being built, only the primary knows" if is_replica else "nobody builds it"
    for index in leftovers:
        console.print(f"{index.name} on {index.table}: INVALID, and {who}", markup=False)
    if not builds and not leftovers:
        console.print("No index is being built, and none is INVALID.")
    for proof in proofs:
        console.print(
            f"{proof.name} on {proof.table}: {proof.definition} is held for a swap of columns that has not come; where "
            f"none will, ALTER TABLE {proof.table} DROP CONSTRAINT {proof.name}",
            markup=False,
        )
    _show_jobs(console, jobs)
    if leftovers:
        raise typer.Exit(NEEDS_ATTENTION)


def _show_jobs(console: Console, jobs: Any) -> None:  # values of JobProgress
    for one in jobs:
        place = "" if one.schema is None else f"{one.schema}."
        rests = ", rests" if one.paused else ""
        beside = "" if one.live is None else f", beside {one.live}"
        console.print(
            f"{one.job}: {one.state}{rests}: {place}{one.table}.{one.replacement} by {one.model}{beside}",
            soft_wrap=True,
            markup=False,
        )
        for line in _lines(one):
            # on a terminal the rest of a long line stands below its beginning
            room = len(line) if console.soft_wrap else max(console.width - 4, 1)
            for part in wrap(line, room, break_long_words=False, break_on_hyphens=False):
                console.print(f"    {part}", markup=False, soft_wrap=True)


def _lines(one: Any) -> list[str]:  # a JobProgress
    lines = []
    if one.problem is not None:
        lines.append(one.problem)
    if one.total is not None:
        refused = f", {one.failed:,} of them refused" if one.failed else ""
        lines.append(f"{one.done:,} of {one.total:,} rows embedded, {one.pending:,} pending{refused}")
    if one.index is not None:
        lines.append(f"index {one.index}: {one.index_state}")
    if one.verified is not None:
        outcome = "passed" if one.verified else f"failed: {', '.join(one.failures)}"
        lines.append(f"verification of {one.verified_at}: {outcome}")
    return [*lines, f"next: {one.next}"]
