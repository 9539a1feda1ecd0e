"""The fields of a server's error, which each driver keeps in a place of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

__all__ = ["ServerMessage", "server_message", "sqlstate_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMessage:
    """The fields of a server's error.

    ``message``, ``detail`` and ``hint`` are in the language of ``lc_messages``; ``sqlstate``, ``source_file`` and
    ``source_function``, the place in PostgreSQL's source that raised it, are the same in every language.
    """

    message: str
    sqlstate: str | None = None
    detail: str | None = None
    hint: str | None = None
    source_file: str | None = None
    source_function: str | None = None


# field -> the attribute of `diag` of psycopg and psycopg2, the letter in the protocol, the attribute of asyncpg's error
_FIELDS: Final = {
    "message": ("message_primary", "M", "message"),
    "detail": ("message_detail", "D", "detail"),
    "hint": ("message_hint", "H", "hint"),
    "source_file": ("source_file", "F", "server_source_filename"),
    "source_function": ("source_function", "R", "server_source_function"),
}


def sqlstate_of(error: Any) -> str | None:
    """Return the five characters of the server's code, None where the driver has none.

    Args:
        error: what a driver raised, which SQLAlchemy keeps as ``orig``.
    """
    for attribute in ("sqlstate", "pgcode"):
        if (code := getattr(error, attribute, None)) is not None:
            return str(code)
    code = _protocol_fields(error).get("C")
    return None if code is None else str(code)


def server_message(error: Any) -> ServerMessage:
    """Return what a server said, or the first line of the driver's own words where it was no server's error.

    Args:
        error: what a driver raised, which SQLAlchemy keeps as ``orig``.
    """
    lines = str(error).strip().splitlines()
    return ServerMessage(
        message=_field(error, "message") or (lines[0] if lines else type(error).__name__),
        sqlstate=sqlstate_of(error),
        detail=_field(error, "detail"),
        hint=_field(error, "hint"),
        source_file=_field(error, "source_file"),
        source_function=_field(error, "source_function"),
    )


def _field(error: Any, name: str) -> str | None:
    of_diagnostics, letter, of_cause = _FIELDS[name]
    value = getattr(getattr(error, "diag", None), of_diagnostics, None)
    if value is None:
        value = _protocol_fields(error).get(letter)
    if value is None and getattr(error, "__cause__", None) is not None:  # SQLAlchemy wraps the errors of asyncpg
        value = getattr(error.__cause__, of_cause, None)
    return None if value is None else str(value)


def _protocol_fields(error: Any) -> dict[str, Any]:
    """Return the fields by their letters in the protocol, which pg8000 gives."""
    arguments = getattr(error, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], dict) else {}
