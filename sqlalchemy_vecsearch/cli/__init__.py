"""The `vecsearch` command."""

from __future__ import annotations

import sys

from sqlalchemy_vecsearch.errors import VecSearchError
from sqlalchemy_vecsearch.extras import EXTRAS, not_installed

__all__ = ["main"]


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
        sys.exit(f"vecsearch: {not_installed(package, user='This command')}")
    except VecSearchError as error:
        from sqlalchemy_vecsearch.cli.output import fitted_to_terminal

        sys.exit(fitted_to_terminal(f"vecsearch: {error}"))
