"""Rows into a table by INSERT, for what cannot go by COPY; a row that is refused is found by halves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import numpy as np
from sqlalchemy import Text, bindparam, cast, insert, text
from sqlalchemy.exc import StatementError
from sqlalchemy.types import UserDefinedType

from sqlalchemy_vecsearch.errors import LoadingError
from sqlalchemy_vecsearch.loading.encoding import plain_values
from sqlalchemy_vecsearch.loading.errors import Refusal, refusal_of, refused_by_server, refused_row
from sqlalchemy_vecsearch.loading.transaction import (
    OnConflict,
    attempt,
    create_stage,
    moved,
    run,
    stage_of,
    table_like,
    type_of,
)
from sqlalchemy_vecsearch.quoting import qualified_name

if TYPE_CHECKING:
    from sqlalchemy import Connection, Insert

    from sqlalchemy_vecsearch.loading.source import Batch
    from sqlalchemy_vecsearch.loading.target import CopyTarget


__all__ = ["Row", "Write", "blame", "insert_batch", "merge", "with_columns", "write_or_blame"]

_ADAPTING: frozenset[str] = frozenset({"psycopg", "asyncpg"})  # drivers that know the numbers of numpy, or refuse them


def insert_batch(connection: Connection, into: CopyTarget, target: CopyTarget, values: Batch, first: int) -> int:
    """Write a batch, and return how many rows were sent.

    Args:
        connection: the caller's.
        into: the table that takes the rows, or the temporary one.
        target: the table.
        values: those of each column.
        first: the number of the first row, for errors.

    Raises:
        LoadingError: a row is refused; it is found in its batch.
    """
    if into is target and any(column.always_identity for column in target.server):  # a COPY may write that
        stage = stage_of(target, [None] * len(target.server))
        run(connection, create_stage(stage, target))
        count = insert_batch(connection, stage, target, values, first)
        return merge(connection, stage, target, None, count, first)
    adapt = _itself if connection.dialect.driver in _ADAPTING else _plain
    rows = list(zip(*map(plain_values, values), strict=True))
    names = [column.key if into is target else column.name for column in target.declared]
    parameters = [dict(zip(names, map(adapt, row), strict=True)) for row in rows]
    statement = _insert_into(into, target)

    def write(start: int, end: int) -> None:
        connection.execute(statement, parameters[start:end])

    found = write_or_blame(connection, len(rows), write)
    if found is not None:
        blame(connection, target, found, first, None if found[0] is None else rows[found[0]])
    return len(rows)


def merge(
    connection: Connection,
    stage: CopyTarget,
    target: CopyTarget,
    on_conflict: OnConflict,
    count: int,
    first: int = 0,
) -> int:
    """Move the rows from the temporary table, remove it, and return how many rows were written.

    With "update" the last of several rows with one key counts, as if the rows had come one after the other.

    Raises:
        LoadingError: the server refuses a row; it is found among the rows of the temporary table.
    """
    written = 0

    def write(start: int, end: int) -> None:
        nonlocal written
        part = None if (start, end) == (0, count) else (start, end)
        written = run(connection, moved(stage, target, on_conflict, part)).rowcount

    found = write_or_blame(connection, count, write)
    if found is not None:
        blame(connection, target, found, first, None, partial(_uncastable, connection, stage, target))
    run(connection, f"DROP TABLE {stage.name}")
    return written


def _uncastable(connection: Connection, stage: CopyTarget, target: CopyTarget, number: int) -> str | None:
    """Return the column whose text in a row of the temporary table is none of its type."""
    exact = stage_of(target, [None] * len(target.server))
    run(connection, create_stage(exact, target))
    for ours, theirs in zip(stage.server, target.server, strict=True):
        if ours is theirs:
            continue
        source, into = replace(stage, server=(ours,)), replace(exact, server=(theirs,))
        statement = moved(source, into, None, (number, number + 1))
        if attempt(connection, partial(run, connection, statement)) is not None:
            return theirs.name
    return None


def _insert_into(into: CopyTarget, target: CopyTarget) -> Insert:
    """Return the INSERT of one row; a value that the temporary table keeps as text is made one by its own type."""
    if into is target:
        return insert(target.table)
    texts = {
        column.name: cast(cast(bindparam(column.name, type_=column.type), _Named(type_of(theirs))), Text)
        for column, ours, theirs in zip(target.declared, into.server, target.server, strict=True)
        if ours is not theirs
    }
    statement = insert(table_like(into))
    return (
        statement.values({**{column.name: bindparam(column.name) for column in target.declared}, **texts})
        if texts
        else statement
    )


class _Named(UserDefinedType[Any]):
    """A type by its name in the catalog."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:  # SQLAlchemy's signature
        """Return the name."""
        return self.name


def _itself(value: Any) -> Any:
    return value


def _plain(value: Any) -> Any:  # any value of the caller
    """Return a number of numpy as one of Python, because psycopg2 and pg8000 know no other."""
    return value.item() if isinstance(value, np.generic) and value.dtype.kind in "fiub" else value


Row: TypeAlias = Sequence[Any]  # values of any type that the column takes

Write: TypeAlias = Callable[[int, int], Any]  # writes the rows from the first number up to the second

# A unique index is no constraint; what its expressions and its predicate read stands in pg_depend. The constraint may
# be that of a partition, but not that of a table which a trigger writes.
_COLUMNS: Final = text(
    """
WITH given AS (
    SELECT CAST(pg_catalog.to_regclass(CAST(:relation AS pg_catalog.text)) AS pg_catalog.oid) AS relation,
           CAST(pg_catalog.to_regclass(CAST(:target AS pg_catalog.text)) AS pg_catalog.oid) AS target,
           CAST(CAST(:constraint AS pg_catalog.text) AS pg_catalog.name) AS rule,
           CAST(CAST('pg_catalog.pg_class' AS pg_catalog.regclass) AS pg_catalog.oid) AS classes
)
SELECT a.attname
FROM pg_catalog.pg_attribute a, given
WHERE a.attrelid OPERATOR(pg_catalog.=) given.relation AND a.attnum OPERATOR(pg_catalog.>) CAST(0 AS pg_catalog.int2)
AND (
    given.relation OPERATOR(pg_catalog.=) given.target
    OR CAST(pg_catalog.pg_partition_root(CAST(given.relation AS pg_catalog.regclass)) AS pg_catalog.oid)
       OPERATOR(pg_catalog.=)
       CAST(pg_catalog.pg_partition_root(CAST(given.target AS pg_catalog.regclass)) AS pg_catalog.oid)
)
AND (
    EXISTS (
        SELECT FROM pg_catalog.pg_constraint k
        WHERE k.conrelid OPERATOR(pg_catalog.=) a.attrelid AND k.conname OPERATOR(pg_catalog.=) given.rule
        AND a.attnum OPERATOR(pg_catalog.=) ANY (k.conkey)
    )
    OR EXISTS (
        SELECT FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
        JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) c.oid
        AND d.classid OPERATOR(pg_catalog.=) given.classes
        WHERE i.indrelid OPERATOR(pg_catalog.=) a.attrelid AND c.relname OPERATOR(pg_catalog.=) given.rule
        AND d.refclassid OPERATOR(pg_catalog.=) given.classes AND d.refobjid OPERATOR(pg_catalog.=) a.attrelid
        AND d.refobjsubid OPERATOR(pg_catalog.=) CAST(a.attnum AS pg_catalog.int4)
    )
)
ORDER BY a.attnum
"""
)


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
        raise refused_by_server(target.table.name, refusal) from error
    assert row is not None
    raise _unfit_row(connection, target, row, position, error) from error


def _unfit_row(connection: Connection, target: CopyTarget, row: Row, position: int, error: Exception) -> LoadingError:
    """Return the error for a value that the driver or the type of the column could not convert."""
    column, found = _unfit(connection, target, row)
    cause = found or error
    if isinstance(cause, StatementError) and cause.orig is not None:
        orig = cause.orig
        if type(orig).__module__.startswith("sqlalchemy."):  # its class for asyncpg, whose text names a class in 2.0
            orig = orig.__cause__ or orig
        cause = orig if isinstance(orig, Exception) else cause
    return refused_row(target.table.name, position, column, cause)


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


def with_columns(connection: Connection, target: CopyTarget, refusal: Refusal) -> Refusal:
    """Return the refusal with all columns of the constraint or index that it names; one statement runs.

    A refusal that names none, or one of another table, comes back as it is.
    """
    if refusal.constraint is None or refusal.relation is None:
        return refusal
    names = {
        "relation": qualified_name(*refusal.relation),
        "target": target.name,
        "constraint": refusal.constraint,
    }
    columns = tuple(connection.execute(_COLUMNS, names).scalars())
    return replace(refusal, columns=columns) if columns else refusal
