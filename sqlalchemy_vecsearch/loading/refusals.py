"""What the server said when it refused a row, read from the exception of any driver."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import DBAPIError

from sqlalchemy_vecsearch.errors import LoadingError, VectorValueError

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.loading.target import CopyTarget

__all__ = ["Refusal", "is_from_driver", "lost_connection", "refusal_of", "refused_by_server", "refused_row"]

_COPY_LINE: Final = re.compile(r"^COPY .+?, line (\d+)(?:, column (.+?))?(?::.*)?$", re.MULTILINE)
_KEY: Final = re.compile(r"^Key \(([^,()]+)\)=")
_LETTERS: Final = {  # psycopg's names of the fields, and their letters in the protocol
    "message_primary": "M",
    "message_detail": "D",
    "sqlstate": "C",
    "context": "W",
    "column_name": "c",
    "constraint_name": "n",
    "schema_name": "s",
    "table_name": "t",
    "source_function": "R",
}
_ASYNCPG_NAMES: Final = {
    "message_primary": "message",
    "message_detail": "detail",
    "source_function": "server_source_function",
}
_UNIQUE_VIOLATION: Final = "23505"
# Data exceptions, integrity constraints, the check of a view, errors that triggers raise, a value that has a syntax.
_DATA_CLASSES: Final = ("22", "23", "44", "P0", "42601")
_INSUFFICIENT_PRIVILEGE: Final = "42501"
_ROW_CHECK: Final = "ExecWithCheckOptions"  # the function of PostgreSQL that applies the policies of row security


_REMEDY: Final = "COPY sends exactly that type and casts nothing, so convert the value first."


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server's words.

    Attributes:
        message: what was wrong, with the detail where there is one.
        sqlstate: the five characters of the error's class.
        row: the row of the COPY, counted from 0, None when the server did not say.
        columns: the columns, empty when the server did not say.
        constraint: the constraint or unique index that the row violates.
        relation: the schema and the name of the table that has the constraint.
        function: the function of PostgreSQL that raised the error.
    """

    message: str
    sqlstate: str
    row: int | None = None
    columns: tuple[str, ...] = ()
    constraint: str | None = None
    relation: tuple[str, str] | None = None
    function: str | None = None

    @property
    def column(self) -> str | None:
        """The only column, None when there are none or several."""
        return self.columns[0] if len(self.columns) == 1 else None

    @property
    def is_about_rows(self) -> bool:
        """Whether a row is to blame, and not a lock, a timeout or a missing privilege."""
        if self.sqlstate == _INSUFFICIENT_PRIVILEGE:
            return self.function == _ROW_CHECK
        return self.sqlstate.startswith(_DATA_CLASSES)


def refusal_of(error: Exception) -> Refusal | None:
    """Return what the server said, or None when the exception is not from the server."""
    source: Any = error.orig if isinstance(error, DBAPIError) else error  # any driver's class
    source = getattr(source, "driver_exception", None) or source
    if hasattr(source, "diag"):  # psycopg and psycopg2
        return _refusal({name: getattr(source.diag, name) for name in _LETTERS})
    if hasattr(source, "sqlstate"):  # asyncpg, under SQLAlchemy's own class or alone
        cause = source.__cause__ if hasattr(source.__cause__, "message") else source
        said = {name: getattr(cause, _ASYNCPG_NAMES.get(name, name), None) for name in _LETTERS}
        return _refusal(said | {"message_primary": said["message_primary"] or str(cause), "sqlstate": source.sqlstate})
    if source.args and isinstance(source.args[0], dict):  # pg8000: the fields by their letters in the protocol
        return _refusal({name: source.args[0].get(letter) for name, letter in _LETTERS.items()})
    return None


def is_from_driver(error: Exception, driver: str) -> bool:
    """Tell whether an exception is of the driver, whose module has the driver's name, or of SQLAlchemy's for it."""
    return isinstance(error, DBAPIError) or type(error).__module__.partition(".")[0] == driver


def lost_connection(target: CopyTarget, error: Exception) -> LoadingError:
    """Return the error for a connection that ended during the load."""
    why = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split()).rstrip(".")
    return LoadingError(
        f"The connection was lost during the load into {target.table.name!r}: {why}. "
        "The server undoes a transaction whose connection ends, so none of the rows is in the table. "
        "Roll back, which connects again, and load the rows again."
    )


def refused_by_server(target: CopyTarget, refusal: Refusal) -> LoadingError:
    """Return the error that says which row and column the server refused, as far as it is known."""
    place = "rows" if refusal.row is None else f"row {refusal.row}"
    unnamed = [column for column in refusal.columns if column not in refusal.message]
    if unnamed:
        values = "value" if len(unnamed) == 1 else "values"
        place = f"the {values} of {' and '.join(map(repr, unnamed))} in {place}"
    together = "The rows of a load stand or fall together, so none of them is in the table. "
    remedy = "Correct the rows, and load them again."
    if not refusal.is_about_rows:
        remedy = "Put right what the server names, and load the rows again."
    elif refusal.row is None:
        together = "It looks at them together and does not say which it means, and none of them is in the table. "
    if refusal.sqlstate == _UNIQUE_VIOLATION:
        remedy = "Pass on_conflict='nothing' to keep the rows that exist, or 'update' to write over them."
    return LoadingError(
        f"The server refused {place} of the load into {target.table.name!r}: {refusal.message}. {together}{remedy}",
        row=refusal.row,
        column=refusal.column,
        columns=refusal.columns,
        constraint=refusal.constraint,
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


def _refusal(said: dict[str, str | None]) -> Refusal | None:
    message, sqlstate, detail = said["message_primary"], said["sqlstate"], said["message_detail"]
    if not message or not sqlstate:
        return None
    line = _COPY_LINE.search(said["context"] or "")
    key = _KEY.search(detail or "")
    named = said["column_name"] or (line and line[2]) or (key and key[1].strip('"')) or None
    schema, table = said["schema_name"], said["table_name"]
    return Refusal(
        message if not detail else f"{message} ({detail.rstrip('.')})",
        sqlstate,
        int(line[1]) - 1 if line else None,
        () if named is None else (named,),
        said["constraint_name"],
        (schema, table) if schema and table else None,
        said["source_function"],
    )
