"""`vecsearch serve`: a PostgreSQL with pgvector on this machine, until Ctrl-C."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import make_url

from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json
from sqlalchemy_vecsearch.cli.signals import end_awaited

__all__ = ["serve"]


def serve(
    *,
    directory: Annotated[
        Path | None,
        typer.Option(help="Where the data is kept; removed at the end if not given.", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="The TCP port; a free one if not given.", min=1, max=65535, show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a PostgreSQL with pgvector until Ctrl-C.

    It prints the URL of a database that has the extension. It listens on this machine alone, and needs no Docker.
    """
    from sqlalchemy_vecsearch.testing.databases import create_extension
    from sqlalchemy_vecsearch.testing.embedded import start_embedded_server

    with end_awaited() as ended:
        server = start_embedded_server(directory=directory and directory.expanduser(), port=port)
        try:
            url = server.url()
            create_extension(make_url(url))
            if as_json:
                print_json({"url": url, "postgres": server.postgres_version, "pgvector": server.pgvector_version})
            console = console_for(as_json=as_json)
            console.print(
                f"PostgreSQL {server.postgres_version} with pgvector {server.pgvector_version} runs until Ctrl-C:",
                soft_wrap=True,
            )
            console.print(url, soft_wrap=True, markup=False)
            ended.wait()
        finally:
            server.stop()
