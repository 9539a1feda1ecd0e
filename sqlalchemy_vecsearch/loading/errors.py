"""What the server said when it refused a load, read from the exception of any driver."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import DBAPIError

from sqlalchemy_vecsearch.errors import LoadingError, LoadingValueError, VectorValueError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Refusal",
    "RefusedCopyError",
    "is_from_driver",
    "lost_connection",
    "refusal_of",
    "refused_by_server",
    "refused_row",
]

_NUMBER: Final = re.compile(r"\d+")
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
# Data exceptions, integrity constraints, the check of a view, errors that triggers raise, a value that has a syntax or
# a class that cannot be converted.
_DATA_CLASSES: Final = ("22", "23", "44", "P0", "42601", "42804", "42846")
_INSUFFICIENT_PRIVILEGE: Final = "42501"
_NOT_SUPPORTED: Final = "0A000"  # also of the functions that make a whole number of NaN
_ROW_CHECK: Final = "ExecWithCheckOptions"  # the function of PostgreSQL that applies the policies of row security

_CONVERT: Final = "Convert the value first."
_REMEDIES: Final = {
    "25006": "Load on the primary server, in a transaction that may write.",
    "40001": "Roll back, and run the whole transaction again.",
    "40P01": "Roll back, and run the whole transaction again.",
    "42501": "Ask the owner for INSERT on the table, with SELECT and UPDATE for on_conflict, and for USAGE on its "
    "schema and sequences.",
    "55P03": "Load again when the lock is free, or with a longer lock_timeout.",
    "57014": "Raise statement_timeout for the load, or load fewer rows at a time.",
}


class RefusedCopyError(Exception):
    """The server refused a COPY, for the cause of this error.

    Attributes:
        relation: the name of the relation that the COPY wrote into.
        columns: the names of the columns that it wrote.
        first: the number of the row that was the first of the COPY.
    """

    def __init__(self, relation: str, columns: Sequence[str], first: int) -> None:
        super().__init__(relation, columns, first)
        self.relation = relation
        self.columns = columns
        self.first = first


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server's words.

    Attributes:
        message: what was wrong, with the detail where there is one.
        sqlstate: the five characters of the error's class.
        orig: the exception of the driver.
        row: the row of the load, counted from 0, None when it is not known.
        columns: the columns, empty when they are not known.
        constraint: the constraint or unique index that the row violates.
        relation: the schema and the name of the table that has the constraint.
        function: the function of PostgreSQL that raised the error.
        context: where it happened, in the language of the server.
    """

    message: str
    sqlstate: str
    orig: BaseException
    row: int | None = None
    columns: tuple[str, ...] = ()
    constraint: str | None = None
    relation: tuple[str, str] | None = None
    function: str | None = None
    context: str = ""

    @property
    def column(self) -> str | None:
        """The only column, None when there are none or several."""
        return self.columns[0] if len(self.columns) == 1 else None

    @property
    def is_about_rows(self) -> bool:
        """Whether a row is to blame, and not a lock, a timeout or a missing privilege."""
        if self.sqlstate == _INSUFFICIENT_PRIVILEGE:
            return self.function == _ROW_CHECK
        if self.sqlstate == _NOT_SUPPORTED:
            return (self.function or "").startswith("numeric_")
        return self.sqlstate.startswith(_DATA_CLASSES)


def refusal_of(error: BaseException) -> Refusal | None:
    """Return what the server said, or None when the exception is not from the server."""
    if isinstance(error, RefusedCopyError):
        refusal = None if error.__cause__ is None else refusal_of(error.__cause__)
        return None if refusal is None else _in_copy(refusal, error)
    source: Any = error.orig if isinstance(error, DBAPIError) else error  # any driver's class
    source = getattr(source, "driver_exception", None) or source
    if hasattr(source, "diag"):  # psycopg and psycopg2
        return _refusal({name: getattr(source.diag, name) for name in _LETTERS}, source)
    if hasattr(source, "sqlstate"):  # asyncpg, under SQLAlchemy's own class or alone
        cause = source.__cause__ if hasattr(source.__cause__, "message") else source
        said = {name: getattr(cause, _ASYNCPG_NAMES.get(name, name), None) for name in _LETTERS}
        if getattr(cause, "severity", None) is None:  # asyncpg's own, about an argument that it cannot encode
            return None
        said |= {"message_primary": said["message_primary"] or str(cause), "sqlstate": source.sqlstate}
        return _refusal(said, cause)
    if source.args and isinstance(source.args[0], dict):  # pg8000: the fields by their letters in the protocol
        return _refusal({name: source.args[0].get(letter) for name, letter in _LETTERS.items()}, source)
    return None


def _in_copy(refusal: Refusal, copy: RefusedCopyError) -> Refusal:
    """Return the refusal with the row and the column of a COPY.

    No field of the protocol has them. They stand in the last line of the context, in the server's language, and in
    every language the number is the first one beside the name of the relation, and the column comes after it.
    """
    lines = [line for line in refusal.context.splitlines() if copy.relation in line]
    if not lines or not refusal.is_about_rows:
        return refusal
    before, _, after = lines[-1].partition(copy.relation)
    number = _NUMBER.search(after) or _NUMBER.search(before)
    if number is None:
        return refusal
    behind = number.string[number.end() :]
    named = sorted(
        (name for name in copy.columns if name in behind), key=lambda name: (behind.endswith(name), len(name))
    )
    columns = refusal.columns or tuple(named[-1:])
    return replace(refusal, row=copy.first + int(number[0]) - 1, columns=columns)


def is_from_driver(error: BaseException, driver: str) -> bool:
    """Tell whether an exception is of the driver, whose module has the driver's name, or of SQLAlchemy's for it."""
    if isinstance(error, RefusedCopyError):
        return True
    return isinstance(error, DBAPIError) or type(error).__module__.partition(".")[0] == driver


def lost_connection(table: str, error: Exception) -> LoadingError:
    """Return the error for a connection that ended during the load."""
    cause = error.__cause__ if isinstance(error, RefusedCopyError) else error
    orig = cause.orig if isinstance(cause, DBAPIError) else cause
    why = " ".join(str(orig).split()).rstrip(".")
    refusal = refusal_of(error)
    return LoadingError(
        f"The connection was lost during the load into {table!r}: {why}. "
        "The server undoes a transaction whose connection ends, so none of the rows is in the table. "
        "Roll back, which connects again, and load the rows again.",
        sqlstate=None if refusal is None else refusal.sqlstate,
        orig=orig,
    )


def refused_by_server(table: str, refusal: Refusal) -> LoadingError:
    """Return the error that says which row and column the server refused, as far as it is known."""
    place = "rows" if refusal.row is None else f"row {refusal.row}"
    unnamed = [column for column in refusal.columns if column not in refusal.message]
    if unnamed:
        values = "value" if len(unnamed) == 1 else "values"
        place = f"the {values} of {' and '.join(map(repr, unnamed))} in {place}"
    together = "The rows of a load stand or fall together, so none of them is in the table. "
    remedy = "Correct the rows, and load them again."
    if not refusal.is_about_rows:
        return refused_load(table, refusal)
    if refusal.row is None:
        together = "It looks at them together and does not say which it means, and none of them is in the table. "
    if refusal.sqlstate == _UNIQUE_VIOLATION:
        remedy = "Pass on_conflict='nothing' to keep the rows that exist, or 'update' to write over them."
    return LoadingValueError(
        f"The server refused {place} of the load into {table!r}: {refusal.message}. {together}{remedy}",
        row=refusal.row,
        column=refusal.column,
        columns=refusal.columns,
        constraint=refusal.constraint,
        sqlstate=refusal.sqlstate,
        orig=refusal.orig,
    )


def refused_load(table: str, refusal: Refusal) -> LoadingError:
    """Return the error of a load whose rows the server would not have taken, whatever they hold."""
    return LoadingError(
        f"The server refused the load into {table!r}: {refusal.message}. "
        "No row is at fault, and none of them is in the table. "
        f"{_REMEDIES.get(refusal.sqlstate, 'Put right what the server names, and load the rows again.')}",
        sqlstate=refusal.sqlstate,
        orig=refusal.orig,
    )


def refused_row(table: str, position: int, column: str | None, error: BaseException) -> LoadingValueError:
    """Return the error that names the row and column of a value that cannot be loaded."""
    start = f"Row {position} stopped the load into {table!r}, and none of its rows is in the table. "
    if isinstance(error, VectorValueError):
        return LoadingValueError(start + str(error), row=position, column=column)
    place = "One of its values" if column is None else f"The value of {column!r}"
    return LoadingValueError(
        f"{start}{place} does not fit the type of the column: {error}. {_CONVERT}",
        row=position,
        column=column,
        orig=error,
    )


def _refusal(said: dict[str, str | None], orig: BaseException) -> Refusal | None:
    message, sqlstate, detail = said["message_primary"], said["sqlstate"], said["message_detail"]
    if not message or not sqlstate:
        return None
    schema, table = said["schema_name"], said["table_name"]
    return Refusal(
        message if not detail else f"{message} ({detail.rstrip('.')})",
        sqlstate,
        orig,
        None,
        () if said["column_name"] is None else (said["column_name"],),
        said["constraint_name"],
        (schema, table) if schema and table else None,
        said["source_function"],
        said["context"] or "",
    )
