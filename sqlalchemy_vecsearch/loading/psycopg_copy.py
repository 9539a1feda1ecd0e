"""A binary COPY on a psycopg 3 connection, sync or async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg import AsyncConnection
from psycopg import Error as PsycopgError
from psycopg.adapt import AdaptersMap, Dumper, PyFormat, Transformer
from psycopg.pq import Format
from psycopg.types.range import Range
from sqlalchemy.util import await_only

from sqlalchemy_vecsearch.loading.reentry import refusing_reentry
from sqlalchemy_vecsearch.types.arrays import holds_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from psycopg.abc import Buffer
    from sqlalchemy import Column

    from sqlalchemy_vecsearch.loading.streams import RowStream
    from sqlalchemy_vecsearch.loading.target import CopyTarget, ServerColumn

__all__ = ["copy_blocks", "copy_stream", "stand_in", "text_form"]

_TEXT_OID: Final = 25
_INTEGER_RANGES: Final = frozenset({"int4range", "int8range", "int4multirange", "int8multirange"})
_INT4RANGE_OID: Final = 3904
_INT4RANGE_LENGTH: Final = 17  # a byte of flags, and for each bound its length and itself
_TEXT_LIKE: Final = frozenset({"bpchar", "citext"})  # sent as text is


class _Bytes(bytes):
    """The class that the dumper of encoded vectors is registered for."""

    __slots__ = ()


class _EncodedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer | None:
        """Return the bytes that the row stream made."""
        return bytes(obj)


def stand_in(driver_connection: Any, column: Column[Any], server: ServerColumn) -> str | None:  # as in copy_stream
    """Return the type that a column is staged as: text, which the server casts, where psycopg has no binary form."""
    if server.is_encoded:
        return None
    return "text" if holds_vectors(column.type) or not _has_binary_form(driver_connection.adapters, server) else None


def text_form(driver_connection: Any) -> Callable[[Any], str | None]:  # any value that psycopg can send
    """Return what turns a value into the text that psycopg would send for it in a statement."""
    transformer = Transformer.from_context(driver_connection)
    encoding = driver_connection.info.encoding

    def form(value: Any) -> str | None:  # as above
        if isinstance(value, str):
            return value
        dumped = transformer.get_dumper(value, PyFormat.TEXT).dump(value)
        return None if dumped is None else bytes(dumped).decode(encoding)

    return form


def _has_binary_form(adapters: AdaptersMap, server: ServerColumn) -> bool:
    if server.type_name.removeprefix("_") in _INTEGER_RANGES and not _sends_whole_bounds(adapters):
        return False
    oids = [_oid(server)]
    info = adapters.types.get(server.oid)
    if info is not None and info.array_oid == server.oid:  # psycopg has a dumper for each array, good or not
        oids.append(info.oid)
    try:
        for oid in oids:
            adapters.get_dumper_by_oid(oid, Format.BINARY)
    except PsycopgError:
        return False
    return True


def _sends_whole_bounds(adapters: AdaptersMap) -> bool:
    """Tell whether the bounds of an ``int4range`` have four bytes; those of psycopg 3.2 have two for a small number."""
    dumper = adapters.get_dumper_by_oid(_INT4RANGE_OID, Format.BINARY)(Range)
    return len(bytes(dumper.dump(Range(1, 2)) or b"")) == _INT4RANGE_LENGTH


def copy_stream(driver_connection: Any, target: CopyTarget, stream: RowStream) -> int:  # Connection of either kind
    """Write the rows of a stream, and return how many were taken; an error of a value names its row and column."""
    statement = _statement(target)
    if isinstance(driver_connection, AsyncConnection):
        return await_only(_copy_stream_async(driver_connection, statement, target, stream))
    with driver_connection.cursor() as cursor:
        oids = _prepare(cursor.adapters, target)
        with cursor.copy(statement) as copy, refusing_reentry(driver_connection, target.table.name):
            copy.set_types(oids)
            write = copy.write_row
            for row in stream.blocks_and_rows():
                if isinstance(row, bytes):
                    copy.write(row)
                    continue
                try:
                    write(row)
                except Exception as error:
                    raise _explained(error, cursor, oids, row, target, stream) from error
        return int(cursor.rowcount)


async def _copy_stream_async(
    connection: AsyncConnection[Any], statement: str, target: CopyTarget, stream: RowStream
) -> int:
    async with connection.cursor() as cursor:
        oids = _prepare(cursor.adapters, target)
        async with cursor.copy(statement.encode()) as copy:
            copy.set_types(oids)
            for row in stream.blocks_and_rows():
                if isinstance(row, bytes):
                    await copy.write(row)
                    continue
                try:
                    await copy.write_row(row)
                except Exception as error:
                    raise _explained(error, cursor, oids, row, target, stream) from error
        return cursor.rowcount


def copy_blocks(driver_connection: Any, target: CopyTarget, blocks: Iterable[bytes]) -> int:  # as above
    """Write a stream that is in the binary COPY format already, and return how many rows were taken."""
    statement = _statement(target)
    if isinstance(driver_connection, AsyncConnection):
        return await_only(_copy_blocks_async(driver_connection, statement, blocks))
    with driver_connection.cursor() as cursor:
        with cursor.copy(statement) as copy, refusing_reentry(driver_connection, target.table.name):
            for block in blocks:
                copy.write(block)
        return int(cursor.rowcount)


async def _copy_blocks_async(connection: AsyncConnection[Any], statement: str, blocks: Iterable[bytes]) -> int:
    async with connection.cursor() as cursor:
        async with cursor.copy(statement.encode()) as copy:
            for block in blocks:
                await copy.write(block)
        return cursor.rowcount


def _statement(target: CopyTarget) -> str:
    return f"COPY {target.name} ({target.column_list}) FROM STDIN (FORMAT BINARY)"


def _oid(column: ServerColumn) -> int:
    return _TEXT_OID if column.is_enum or column.type_name in _TEXT_LIKE else column.oid


def _prepare(adapters: AdaptersMap, target: CopyTarget) -> list[int]:
    """Register the encoded types on the cursor alone and return the oids of the columns."""
    for column in target.server:
        if column.is_encoded:
            adapters.register_dumper(_Bytes, type("EncodedDumper", (_EncodedDumper,), {"oid": column.oid}))
    return [_oid(column) for column in target.server]


def _explained(
    error: Exception, cursor: Any, oids: list[int], row: list[Any], target: CopyTarget, stream: RowStream
) -> Exception:
    """Return the error with the column whose value psycopg cannot dump, or as it is when the server stopped us."""
    if isinstance(error, PsycopgError) and error.sqlstate is not None:
        return error
    for oid, value, column in zip(oids, row, target.server, strict=True):
        try:
            if value is not None:
                dumper = cursor.adapters.get_dumper_by_oid(oid, Format.BINARY)(type(value), cursor)
                dumper.dump(value)
        except Exception as found:  # noqa: BLE001  # whatever the dumper raised for this value before
            return stream.refused(column.name, found)
    return error
