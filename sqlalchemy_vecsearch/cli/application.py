"""The commands by their names: a module each, and a line each at the end of this one."""

from typing import Annotated

import typer

from sqlalchemy_vecsearch.cli import demo, doctor, embed, explain, recall, reembed, serve, status, tune, why_waiting
from sqlalchemy_vecsearch.versions import __version__

__all__ = ["app"]

app = typer.Typer(
    name="vecsearch",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vecsearch {__version__}")
        raise typer.Exit


@app.callback()
def vecsearch(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Vector search for SQLAlchemy, from the shell."""


app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("embed")(embed.embed)
app.command("reembed")(reembed.reembed)
app.command("explain")(explain.explain)
app.command("recall")(recall.recall)
app.command("tune")(tune.tune)
app.command("doctor")(doctor.doctor)
app.command("status")(status.status)
app.command("why-waiting")(why_waiting.why_waiting)
