"""What the server said when it refused a row, read from the exception of any driver."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import DBAPIError

from sqlalchemy_vecsearch.errors import LoadingError, VectorValueError

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.loading.target import CopyTarget

__all__ = ["Refusal", "refusal_of", "refused_by_server", "refused_row"]

_COPY_LINE: Final = re.compile(r"^COPY .+?, line (\d+)(?:, column (.+?))?(?::.*)?$", re.MULTILINE)
_KEY: Final = re.compile(r"^Key \(([^,()]+)\)=")
_UNIQUE_VIOLATION: Final = "23505"
_DATA_CLASSES: Final = ("22", "23", "P0")  # data exceptions, integrity constraints, errors that triggers raise


_REMEDY: Final = "COPY sends exactly that type and casts nothing, so convert the value first."


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server's words.

    Attributes:
        message: what was wrong, with the detail where there is one.
        sqlstate: the five characters of the error's class.
        row: the row of the COPY, counted from 0, None when the server did not say.
        column: the name of the column, None when the server did not say.
    """

    message: str
    sqlstate: str
    row: int | None = None
    column: str | None = None

    @property
    def is_about_rows(self) -> bool:
        """Whether a row is to blame, and not a lock, a timeout or a missing privilege."""
        return self.sqlstate.startswith(_DATA_CLASSES)


def refusal_of(error: Exception) -> Refusal | None:
    """Return what the server said, or None when the exception is not from the server."""
    source: Any = error.orig if isinstance(error, DBAPIError) else error  # any driver's class
    source = getattr(source, "driver_exception", None) or source
    if hasattr(source, "diag"):  # psycopg and psycopg2
        said = source.diag
        return _refusal(said.message_primary, said.message_detail, said.sqlstate, said.context, said.column_name)
    if hasattr(source, "sqlstate"):  # asyncpg, under SQLAlchemy's own class or alone
        cause = source.__cause__ if hasattr(source.__cause__, "message") else source
        message = getattr(cause, "message", None) or str(cause)
        fields = (getattr(cause, name, None) for name in ("context", "column_name"))
        return _refusal(message, getattr(cause, "detail", None), source.sqlstate, *fields)
    if source.args and isinstance(source.args[0], dict):  # pg8000: the fields by their letters in the protocol
        letters = source.args[0]
        return _refusal(*(letters.get(letter) for letter in "MDCWc"))
    return None


def refused_by_server(target: CopyTarget, refusal: Refusal) -> LoadingError:
    """Return the error that says which row and column the server refused, as far as it is known."""
    place = "rows" if refusal.row is None else f"row {refusal.row}"
    if refusal.column is not None and refusal.column not in refusal.message:
        place = f"the value of {refusal.column!r} in {place}"
    remedy = "Correct the rows, and load them again."
    if not refusal.is_about_rows:
        remedy = "Put right what the server names, and load the rows again."
    if refusal.sqlstate == _UNIQUE_VIOLATION:
        remedy = "Pass on_conflict='nothing' to keep the rows that exist, or 'update' to write over them."
    return LoadingError(
        f"The server refused {place} of the load into {target.table.name!r}: {refusal.message}. "
        "The rows of a load stand or fall together, so none of them is in the table. "
        f"{remedy}",
        row=refusal.row,
        column=refusal.column,
    )


def refused_row(
    target: CopyTarget, position: int, column: str | None, error: Exception, *, remedy: str = _REMEDY
) -> LoadingError:
    """Return the error that names the row and column of a value that cannot be loaded."""
    start = f"Row {position} stopped the load into {target.table.name!r}, and none of its rows is in the table. "
    if isinstance(error, VectorValueError):
        return LoadingError(start + str(error), row=position, column=column)
    place = "One of its values" if column is None else f"The value of {column!r}"
    return LoadingError(
        f"{start}{place} does not fit the type of the column: {error}. {remedy}", row=position, column=column
    )


def _refusal(
    message: str | None, detail: str | None, sqlstate: str | None, context: str | None, column: str | None
) -> Refusal | None:
    if not message or not sqlstate:
        return None
    line = _COPY_LINE.search(context or "")
    key = _KEY.search(detail or "")
    named = column or (line and line[2]) or (key and key[1].strip('"')) or None
    text = message if not detail else f"{message} ({detail.rstrip('.')})"
    return Refusal(text, sqlstate, int(line[1]) - 1 if line else None, named)
