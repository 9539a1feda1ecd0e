"""Rows into a table, all or none of them, by the fastest way that the driver and the values have."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import bindparam

from sqlalchemy_vecsearch.errors import LoadingError
from sqlalchemy_vecsearch.loading.drivers import COPYING_DRIVERS, CopyingDriver, refuse_fractions
from sqlalchemy_vecsearch.loading.encoding import (
    ColumnEncoder,
    UnfitValueError,
    count_of,
    encoded,
    encoder_of,
    plain_values,
    text_encoder,
)
from sqlalchemy_vecsearch.loading.errors import (
    RefusedCopyError,
    is_from_driver,
    lost_connection,
    refusal_of,
    refused_by_server,
)
from sqlalchemy_vecsearch.loading.frames import Frame
from sqlalchemy_vecsearch.loading.insert import blame, insert_batch, merge, with_columns, write_or_blame
from sqlalchemy_vecsearch.loading.source import Batch, Source, open_source
from sqlalchemy_vecsearch.loading.target import CopyTarget, find_target, table_of
from sqlalchemy_vecsearch.loading.transaction import (
    Indexes,
    OnConflict,
    all_or_nothing,
    check_indexes,
    check_on_conflict,
    connection_of,
    create_stage,
    run,
    stage_of,
    without_vector_indexes,
)
from sqlalchemy_vecsearch.progress import Progress, reporting
from sqlalchemy_vecsearch.types.arrays import holds_vectors

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session, scoped_session

__all__ = ["acopy_rows", "copy_rows"]

logger = logging.getLogger("sqlalchemy_vecsearch.loading")

Rows: TypeAlias = Iterable[Mapping[str, Any]] | Iterable[Sequence[Any]] | Mapping[str, Any] | Frame


def copy_rows(
    connection: Connection | Session | scoped_session[Session],
    entity: Any,  # a Table, or a mapped class that the type checker cannot tell from others
    rows: Rows,
    *,
    columns: Sequence[str] | None = None,
    on_conflict: OnConflict = None,
    indexes: Indexes = None,
    progress: Progress = None,
) -> int:
    """Load rows in the caller's transaction, and return how many the table took.

    With psycopg 3 and asyncpg the rows go by binary COPY, 1,000 at a time: a tenth of the time of ``insert()`` with the
    types of ``pgvector.sqlalchemy`` (measured: 50,000 rows of 384 dimensions). What is stored is what an INSERT would
    store: 1,000 rows with a value that the server has to convert, such as the text of a date, go by INSERT, and so
    do all rows with other drivers. The logger ``sqlalchemy_vecsearch.loading`` says so.

    The rows stand in a savepoint, so after an error none is in the table and the transaction goes on. Generators are
    read as they are sent; the rows are never all in memory.

    Args:
        connection: a Connection, Session or scoped_session; on async ones call `acopy_rows`, or this through
            ``run_sync``.
        entity: the table or mapped class.
        rows: dictionaries with the same keys; or tuples; or a data frame of pandas or polars; or a mapping of columns,
            each a sequence, and for the embedding best a float32 array of two axes (a sparse one of scipy for
            sparsevec), which is sent whole.
        columns: what the tuples hold, None for all columns of the table in order.
        on_conflict: what becomes of a row that exists already: None refuses the load, "nothing" keeps the row, "update"
            writes the new values over it, found by the primary key. The last two go through a temporary table.
        indexes: "after" drops the vector indexes of an empty table and builds them over the loaded rows, which takes a
            fifth of the time; the table is locked until the transaction ends. None leaves the indexes alone.
        progress: True for a bar on the terminal (lines elsewhere), or a function of the rows sent and of all rows,
            which is None for a generator.

    Returns:
        The rows that were inserted or updated.

    Raises:
        LoadingValueError: a row, a column or the table is not as it must be, or the server refuses a row; the
            attributes ``row``, counted from 0, and ``column`` say where.
        LoadingError: the server takes no rows, whatever they are; ``sqlstate`` says why.

    Example:
        >>> with engine.begin() as connection:
        ...     copy_rows(connection, Document, {"id": range(1000), "embedding": embeddings})
        1000
    """
    table = table_of(entity)
    connection = connection_of(connection, entity, table)
    check_indexes(indexes)
    schemas = connection.get_execution_options().get("schema_translate_map") or {}
    source = open_source(entity, table, rows, columns, schemas)
    if source is None:
        return 0
    target = find_target(connection, table, source.columns)
    target = replace(target, filled=source.defaults.filled, made=source.defaults.made)
    check_on_conflict(target, on_conflict)
    with ExitStack() as stack:
        advance = stack.enter_context(reporting(progress, source.total, f"Loading {table.name}"))
        stack.enter_context(_server_errors(connection, target))
        stack.enter_context(all_or_nothing(connection))
        if indexes is not None:
            stack.enter_context(without_vector_indexes(connection, target))
        return _load(connection, target, source, on_conflict, advance)


async def acopy_rows(
    connection: AsyncConnection | AsyncSession,
    entity: Any,  # as in copy_rows
    rows: Rows,
    *,
    columns: Sequence[str] | None = None,
    on_conflict: OnConflict = None,
    indexes: Indexes = None,
    progress: Progress = None,
) -> int:
    """Load rows on an async connection or session; see `copy_rows`, which has the same arguments.

    Returns:
        The rows that were inserted or updated.

    Raises:
        LoadingError: as `copy_rows`.

    Example:
        >>> async with engine.begin() as connection:
        ...     await acopy_rows(connection, Document, rows)
    """

    def load(sync: Connection | Session) -> int:
        return copy_rows(
            sync, entity, rows, columns=columns, on_conflict=on_conflict, indexes=indexes, progress=progress
        )

    return await connection.run_sync(load)


@dataclass(frozen=True, slots=True)
class _Way:
    """How the rows of one load go.

    Attributes:
        driver: the one that copies, None where all rows go by INSERT.
        into: the table, or the temporary one that takes the rows first.
        encoders: one for each column.
    """

    driver: CopyingDriver | None
    into: CopyTarget
    encoders: Sequence[ColumnEncoder] = ()


def _load(
    connection: Connection,
    target: CopyTarget,
    source: Source,
    on_conflict: OnConflict,
    advance: Callable[[int], None],
) -> int:
    way = _way_of(connection, target, on_conflict)
    if way.into is not target:
        run(connection, create_stage(way.into, target))
    sent = taken = 0
    is_told = False
    for values in source.batches:
        try:
            taken += _copied(connection, way, target, values, sent)
        except UnfitValueError as error:
            if way.driver is not None:
                if way.driver.cuts_fractions:
                    refuse_fractions(target, way.encoders, values, sent)
                if not is_told:
                    reason = f"values of {error.column!r} have to be converted"
                    logger.warning("Loading rows of %s from row %d on by INSERT: %s.", target.name, sent, reason)
                is_told = True
            taken += insert_batch(connection, way.into, target, values, sent)
        sent += count_of(values[0])
        advance(count_of(values[0]))
    return taken if way.into is target else merge(connection, way.into, target, on_conflict, sent)


def _way_of(connection: Connection, target: CopyTarget, on_conflict: OnConflict) -> _Way:
    """Return by which way the rows of a load go; what cannot go by COPY at all is said."""
    driver = COPYING_DRIVERS.get(connection.dialect.driver)
    way = reason = None
    made = _made_by_sql(target)
    if made is not None:
        reason = f"an expression of SQL makes the values of the column {made!r}"
    elif driver is None:
        reason = f"the driver {connection.dialect.driver} has no binary COPY"
    else:
        way, reason = _copying(connection, target, on_conflict, driver)
    if way is not None:
        return way
    logger.warning("Loading %s by INSERT: %s.", target.name, reason)
    staged = on_conflict is not None or any(column.always_identity for column in target.server)
    return _Way(None, stage_of(target, [None] * len(target.server)) if staged else target)


def _copying(
    connection: Connection, target: CopyTarget, on_conflict: OnConflict, driver: CopyingDriver
) -> tuple[_Way | None, str | None]:
    """Return the way by COPY, or why there is none: a type that neither we can encode nor the driver takes as text."""
    dialect, forms = connection.dialect, driver.forms(connection.connection.driver_connection)
    encoders: list[ColumnEncoder] = []
    stand_ins: list[str | None] = []
    for column, server in zip(target.declared, target.server, strict=True):
        encoder = encoder_of(column, server, dialect, forms)
        stand_ins.append("text" if encoder is None else None)
        if encoder is None and not (driver.takes_text(server) or holds_vectors(column.type)):
            return None, f"{dialect.driver} has a class of its own for the type of the column {server.name!r}"
        encoders.append(encoder or text_encoder(column, server.name, dialect, forms))
    staged = on_conflict is not None or any(stand_ins) or target.has_row_security or bool(target.made)
    return _Way(driver, stage_of(target, stand_ins) if staged else target, encoders), None


def _made_by_sql(target: CopyTarget) -> str | None:
    """Return the first column whose type wraps each value in an expression, such as ``ST_GeomFromText(...)``."""
    for column, server in zip(target.declared, target.server, strict=True):
        if server.is_vector or holds_vectors(column.type):
            continue  # the expressions of these are casts
        if column.type.bind_expression(bindparam(None, type_=column.type)) is not None:
            return column.name
    return None


def _copied(connection: Connection, way: _Way, target: CopyTarget, values: Batch, first: int) -> int:
    """Copy a batch, and return how many rows the server took.

    Raises:
        UnfitValueError: it has to go by INSERT.
    """
    driver = way.driver
    if driver is None:
        raise UnfitValueError(target.server[0].name)
    count = count_of(values[0])
    whole = encoded(target, way.encoders, values, first)
    if way.into is not target or not target.checks_later:
        return _send(connection, driver, way.into, whole, first)
    taken = 0

    def write(start: int, end: int) -> None:
        nonlocal taken
        part = whole
        if (start, end) != (0, count):
            part = encoded(target, way.encoders, [of_column[start:end] for of_column in values], first + start)
        taken = _send(connection, driver, way.into, part, start)

    found = write_or_blame(connection, count, write)
    if found is not None:
        number = found[0]
        row = None if number is None else [plain_values(of_column[number : number + 1])[0] for of_column in values]
        blame(connection, target, found, first, row)
    return taken


def _send(connection: Connection, driver: CopyingDriver, into: CopyTarget, blocks: Iterator[bytes], first: int) -> int:
    try:
        return driver.copy_blocks(connection.connection.driver_connection, into, blocks)
    except Exception as error:
        if refusal_of(error) is None:
            raise
        names = [column.name for column in into.server]
        raise RefusedCopyError(into.relation, names, first) from error


@contextmanager
def _server_errors(connection: Connection, target: CopyTarget) -> Iterator[None]:
    """Turn the refusal of the server, in whatever class the driver has for it, into a LoadingError."""
    try:
        yield
    except LoadingError:
        raise
    except Exception as error:
        refusal = refusal_of(error)
        if connection.invalidated and is_from_driver(error, connection.dialect.driver):
            raise lost_connection(target.table.name, error) from error
        if refusal is None:
            raise
        raise refused_by_server(target.table.name, with_columns(connection, target, refusal)) from refusal.orig
