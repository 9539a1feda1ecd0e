"""Rows into a table by INSERT, for drivers and types that have no binary COPY."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlalchemy import insert

from sqlalchemy_vecsearch.loading.blaming import blame, write_or_blame
from sqlalchemy_vecsearch.loading.merging import merge
from sqlalchemy_vecsearch.loading.staging import OnConflict, create_stage, stage_of, table_like
from sqlalchemy_vecsearch.loading.transactions import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Table

    from sqlalchemy_vecsearch.loading.rows import Row, Source
    from sqlalchemy_vecsearch.loading.target import CopyTarget

__all__ = ["load_by_insert"]

_BATCH: Final = 1_000


def load_by_insert(
    connection: Connection,
    target: CopyTarget,
    source: Source,
    on_conflict: OnConflict,
    advance: Callable[[int], None],
) -> int:
    """Write the rows of a source in batches of 1,000, and return how many the table took.

    Raises:
        LoadingError: a row is refused; it is found in its batch.
    """
    table, names = target.table, [column.key for column in target.declared]
    stage = None
    if on_conflict is not None or any(column.always_identity for column in target.server):  # COPY may write that, too
        stage = stage_of(target, [None] * len(target.declared))
        table = table_like(stage)
        names = [column.name for column in target.declared]
        run(connection, create_stage(stage, target))
    rows, sent = iter(source.rows), 0
    while batch := list(islice(rows, _BATCH)):
        _write(connection, target, table, names, sent, batch)
        sent += len(batch)
        advance(len(batch))
    return sent if stage is None else merge(connection, stage, target, on_conflict, sent)


def _write(
    connection: Connection, target: CopyTarget, table: Table, names: Sequence[str], first: int, batch: Sequence[Row]
) -> None:
    values = [dict(zip(names, map(_plain, row), strict=True)) for row in batch]
    statement = insert(table)
    found = write_or_blame(connection, len(batch), lambda start, end: connection.execute(statement, values[start:end]))
    if found is not None:
        number, _ = found
        blame(connection, target, found, first, None if number is None else batch[number])


def _plain(value: Any) -> Any:  # any value of the caller
    """Return a number of numpy as one of Python, because psycopg2 and pg8000 know no other."""
    return value.item() if isinstance(value, np.generic) else value
