"""What the server said when it refused a row, read from the exception of any driver."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.exc import DBAPIError

__all__ = ["Refusal", "refusal_of"]

_COPY_LINE: Final = re.compile(r"^COPY \S+, line (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server's words.

    Attributes:
        message: what was wrong, with the detail where there is one.
        sqlstate: the five characters of the error's class.
        row: the row of the COPY, counted from 0, None when the server did not say.
    """

    message: str
    sqlstate: str
    row: int | None


def refusal_of(error: Exception) -> Refusal | None:
    """Return what the server said, or None when the exception is not from the server."""
    source: Any = error.orig if isinstance(error, DBAPIError) else error  # any driver's class
    source = getattr(source, "driver_exception", None) or source
    if hasattr(source, "diag"):  # psycopg and psycopg2
        diagnostic = source.diag
        return _refusal(diagnostic.message_primary, diagnostic.message_detail, diagnostic.sqlstate, diagnostic.context)
    if hasattr(source, "sqlstate"):  # asyncpg, under SQLAlchemy's own class or alone
        cause = source.__cause__ if hasattr(source.__cause__, "message") else source
        message = getattr(cause, "message", None) or str(cause)
        return _refusal(message, getattr(cause, "detail", None), source.sqlstate, getattr(cause, "context", None))
    if source.args and isinstance(source.args[0], dict):  # pg8000: the fields by their letters in the protocol
        fields = source.args[0]
        return _refusal(fields.get("M"), fields.get("D"), fields.get("C"), fields.get("W"))
    return None


def _refusal(message: str | None, detail: str | None, sqlstate: str | None, context: str | None) -> Refusal | None:
    if not message or not sqlstate:
        return None
    line = _COPY_LINE.search(context or "")
    text = message if not detail else f"{message} ({detail.rstrip('.')})"
    return Refusal(text, sqlstate, int(line[1]) - 1 if line else None)
