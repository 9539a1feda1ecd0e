"""The rows of a temporary table into the table that they are for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy_vecsearch.loading.blaming import blame, write_or_blame
from sqlalchemy_vecsearch.loading.staging import create_stage, stage_of
from sqlalchemy_vecsearch.loading.target import QUOTING, CopyTarget, ServerColumn
from sqlalchemy_vecsearch.loading.transactions import attempt, run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sqlalchemy_vecsearch.loading.staging import OnConflict

__all__ = ["merge"]


def merge(
    connection: Connection,
    stage: CopyTarget,
    target: CopyTarget,
    on_conflict: OnConflict,
    count: int,
) -> int:
    """Move the rows from the temporary table, remove it, and return how many rows were written.

    With "update" the last of several rows with one key counts, as if the rows had come one after the other.

    Raises:
        LoadingError: the server refuses a row; it is found among the rows of the temporary table.
    """
    written = 0

    def write(first: int, end: int) -> None:
        nonlocal written
        part = None if (first, end) == (0, count) else (first, end)
        written = run(connection, _move(stage, target, on_conflict, part)).rowcount

    found = write_or_blame(connection, count, write)
    if found is not None:
        blame(connection, target, found, 0, None, partial(_uncastable, connection, stage, target))
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
        statement = _move(source, into, None, (number, number + 1))
        if attempt(connection, partial(run, connection, statement)) is not None:
            return theirs.name
    return None


def _move(
    stage: CopyTarget,
    target: CopyTarget,
    on_conflict: OnConflict,
    part: tuple[int, int] | None,
) -> str:
    """Return the SQL that moves the rows, or the part of them from one number up to another."""
    names = ", ".join([target.column_list, *(QUOTING.quote(name) for name, _ in target.made)])
    values = ", ".join([*map(_moved_column, stage.server, target.server), *(sql for _, sql in target.made)])
    overriding = " OVERRIDING SYSTEM VALUE" if any(column.always_identity for column in target.server) else ""
    rows = stage.name
    if part is not None:
        first, end = part
        rows = f"(SELECT *, ctid FROM {rows} ORDER BY ctid OFFSET {first:d} LIMIT {end - first:d}) AS part"  # noqa: S608  # a quoted name, two numbers
    select, conflict = f"SELECT {values} FROM {rows}", ""  # noqa: S608  # every name is quoted
    if on_conflict == "nothing":
        conflict = " ON CONFLICT DO NOTHING"
    elif on_conflict == "update":
        unchanged = {*target.table.primary_key, *target.filled}
        keys = [QUOTING.quote(column.name) for column in target.table.primary_key]
        changed = [QUOTING.quote(column.name) for column in target.declared if column not in unchanged]
        key = ", ".join(keys)
        select = f"SELECT DISTINCT ON ({key}) {values} FROM {rows} ORDER BY {key}, ctid DESC"  # noqa: S608  # the same
        action = f"UPDATE SET {', '.join(f'{name} = EXCLUDED.{name}' for name in changed)}" if changed else "NOTHING"
        conflict = f" ON CONFLICT ({key}) DO {action}"
    return f"INSERT INTO {target.name} ({names}){overriding} {select}{conflict}"  # every name is quoted


def _moved_column(ours: ServerColumn, theirs: ServerColumn) -> str:
    name = QUOTING.quote(theirs.name)
    if ours is theirs:
        return name
    return f"{name}::{QUOTING.quote_schema(theirs.type_schema)}.{QUOTING.quote(theirs.type_name)}"
