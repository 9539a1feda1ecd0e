"""Which row, and which of its values, makes a statement fail that works on many rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from sqlalchemy import insert
from sqlalchemy.exc import StatementError

from sqlalchemy_vecsearch.errors import LoadingError
from sqlalchemy_vecsearch.loading.constraints import with_columns
from sqlalchemy_vecsearch.loading.refusals import refusal_of, refused_by_server, refused_row
from sqlalchemy_vecsearch.loading.staging import create_stage, stage_of, table_like
from sqlalchemy_vecsearch.loading.transactions import attempt, run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sqlalchemy_vecsearch.loading.rows import Row
    from sqlalchemy_vecsearch.loading.target import CopyTarget

__all__ = ["Write", "blame", "write_or_blame"]

Write: TypeAlias = Callable[[int, int], Any]  # writes the rows from the first number up to the second


def write_or_blame(connection: Connection, count: int, write: Write) -> tuple[int | None, Exception] | None:
    """Write rows in one go, and when that fails find the row that is to blame.

    The good case costs a savepoint. The search keeps each half that is good, so that it finds a row that agrees with
    the table but not with an earlier row; it takes about as long again as the rows did.

    Returns:
        None when all rows are written; else the number of the row, None when no single one is to blame, and its error.
    """

    def attempted(first: int, end: int) -> Exception | None:
        return attempt(connection, lambda: write(first, end))

    error = attempted(0, count)
    if error is None:
        return None
    refusal = refusal_of(error)
    if refusal is not None and not refusal.is_about_rows:
        return None, error
    if isinstance(error, LoadingError) or (refusal is not None and refusal.row is not None):
        return (None if refusal is None else refusal.row), error
    first, end = 0, count
    while end - first > 1:
        middle = (first + end) // 2
        if attempted(first, middle) is None:
            first = middle
        else:
            end = middle
    alone = attempted(first, end)
    return (None, error) if alone is None else (first, alone)


def blame(
    connection: Connection,
    target: CopyTarget,
    found: tuple[int | None, Exception],
    first: int,
    row: Row | None,
    unfit: Callable[[int], str | None] = lambda _: None,
) -> NoReturn:
    """Raise the error that names the row and the column of what `write_or_blame` found.

    Args:
        connection: the caller's.
        target: where the rows go.
        found: what `write_or_blame` found.
        first: the number of the load's row that was its row 0.
        row: the values of the row, None when they are on the server only.
        unfit: which column of a row on the server has a value that is none of its type.

    Raises:
        LoadingError: a row is to blame; else the error that was found is raised as it is.
    """
    number, error = found
    refusal = refusal_of(error)
    if number is None or (refusal is None and row is None):
        raise error
    position = first + number
    if refusal is not None:
        refusal = with_columns(connection, target, replace(refusal, row=position))
        if not refusal.columns and refusal.relation is None:
            column = unfit(number) if row is None else _unfit(connection, target, row)[0]
            refusal = refusal if column is None else replace(refusal, columns=(column,))
        raise refused_by_server(target, refusal) from error
    assert row is not None
    raise _unfit_row(connection, target, row, position, error) from error


def _unfit_row(connection: Connection, target: CopyTarget, row: Row, position: int, error: Exception) -> LoadingError:
    """Return the error for a value that the driver or the type of the column could not convert."""
    column, found = _unfit(connection, target, row)
    cause = found or error
    if isinstance(cause, StatementError) and cause.orig is not None:
        orig = cause.orig
        cause = orig if isinstance(orig, Exception) else cause
    return refused_row(target, position, column, cause, remedy="Convert the value first.")


def _unfit(connection: Connection, target: CopyTarget, row: Row) -> tuple[str | None, Exception | None]:
    """Return the column whose value is none of its type, with the error.

    Each value goes into a temporary table, which has the types of the columns and none of the constraints.
    """
    stage = stage_of(target, [None] * len(target.declared))
    table = table_like(stage)
    run(connection, create_stage(stage, target))
    for column, value in zip(target.declared, row, strict=True):
        error = attempt(connection, partial(connection.execute, insert(table), {column.name: value}))
        if error is not None:
            return column.name, error
    return None, None
