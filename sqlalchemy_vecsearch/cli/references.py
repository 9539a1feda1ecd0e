"""Names of things in the user's code, as arguments of commands: `package.module:name`."""

from __future__ import annotations

import importlib
import sys
from functools import reduce
from pathlib import Path
from typing import Any

from sqlalchemy_vecsearch.cli.output import RefusedArgumentError

__all__ = ["load"]


def load(reference: str) -> Any:  # Any: whatever the user's module holds
    """Return what a reference names, importing its module; the working directory is searched first, as Python does.

    Args:
        reference: such as "app.models:Document.embedding".

    Raises:
        RefusedArgumentError: it has another form, or names nothing.

    Example:
        >>> load("math:pi")
        3.141592653589793
    """
    module_name, _, path = reference.partition(":")
    if not module_name or not path:
        raise RefusedArgumentError(f"{reference!r} is not of the form package.module:name.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there, and something that it imports is not
        raise RefusedArgumentError(
            f"The module {error.name!r} of {reference!r} was not found. Run the command where it can be imported."
        ) from error
    try:
        return reduce(getattr, path.split("."), module)
    except AttributeError as error:
        raise RefusedArgumentError(f"{reference!r} names nothing: {error}.") from error
