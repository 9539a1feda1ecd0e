"""The server's error codes, which each driver keeps in a place of its own."""

from __future__ import annotations

from typing import Any

__all__ = ["sqlstate_of"]


def sqlstate_of(error: Any) -> str | None:
    """Return the five characters of the server's code, None where the driver has none.

    Args:
        error: what a driver raised, which SQLAlchemy keeps as ``orig``.
    """
    for attribute in ("sqlstate", "pgcode"):
        if (code := getattr(error, attribute, None)) is not None:
            return str(code)
    arguments = getattr(error, "args", ())
    if arguments and isinstance(arguments[0], dict):  # pg8000: the fields by their letters in the protocol
        return str(arguments[0].get("C"))
    return None
