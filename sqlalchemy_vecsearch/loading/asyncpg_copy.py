"""A binary COPY on an asyncpg connection, which encodes built-in types by itself; vectors are handed to it as bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy.util import await_only

from sqlalchemy_vecsearch.loading.target import QUOTING
from sqlalchemy_vecsearch.types.arrays import holds_vectors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from sqlalchemy import Column

    from sqlalchemy_vecsearch.loading.streams import RowStream
    from sqlalchemy_vecsearch.loading.target import CopyTarget, ServerColumn

__all__ = ["copy_blocks", "copy_stream", "stand_in", "text_form"]

_Item = TypeVar("_Item")

_ARGUMENT: Final = re.compile(r"query argument \$(\d+)")

_TEXT_ONLY: Final = frozenset(  # asyncpg has no binary form for these
    {"tsvector", "tsquery", "money", "macaddr", "macaddr8", "regclass", "regtype", "regproc", "regrole", "regnamespace"}
)


def stand_in(_: Any, column: Column[Any], server: ServerColumn) -> str | None:  # the connection is not asked
    """Return the type that a column is staged as, because asyncpg can send it whether or not a codec is registered.

    Vectors go in their binary form; the types of other extensions, and arrays of vectors, as text.
    """
    if server.is_encoded:
        return None
    is_sent_as_text = server.type_name.removeprefix("_") in _TEXT_ONLY
    return "text" if server.is_extension or is_sent_as_text or holds_vectors(column.type) else None


def text_form(_: Any) -> Callable[[Any], Any]:  # any value of a type that is sent as text
    """Return what writes an array of texts as one text; asyncpg refuses whatever else is no text."""
    return _array_text


def _array_text(value: Any) -> Any:  # as above
    if not isinstance(value, (list, tuple)):
        return value
    elements = ("NULL" if element is None else _quoted(_array_text(element)) for element in value)
    return f"{{{','.join(elements)}}}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def copy_stream(driver_connection: Any, target: CopyTarget, stream: RowStream) -> int:  # asyncpg is not typed
    """Write the rows of a stream, and return how many were taken; an error of a value names its row."""
    return await_only(_copy_stream(driver_connection, target, stream))


async def _copy_stream(connection: Any, target: CopyTarget, stream: RowStream) -> int:
    encoders = await connection.prepare(_shape(target))
    asked = [number for number, column in enumerate(target.server) if not column.is_encoded]
    probe = await connection.prepare(_probe(target, asked)) if asked else None
    row: list[Any] = []
    interrupted: list[BaseException] = []
    records = (tuple(row := encoded) for encoded in _orderly(stream, interrupted))
    statement = f"COPY {target.name} ({target.column_list}) FROM STDIN (FORMAT BINARY)"
    try:
        # copy_records_to_table() asks the table for the encoders, and asyncpg has none for vectors
        status = await connection._protocol.copy_in(statement, None, None, records, encoders._state, None)  # noqa: SLF001  # what that method calls
    except Exception as error:
        if interrupted:
            raise interrupted[0] from None
        if error is stream.failure:  # it comes from the rows, not from asyncpg's encoders
            raise
        refused = None if probe is None else await _refused_argument(probe, [row[number] for number in asked])
        if refused is None:
            raise
        raise stream.refused(target.server[asked[refused]].name, error) from error
    return _taken(status)


def _shape(target: CopyTarget) -> str:
    """Return a statement whose results have the types of the columns, and bytea where we make the bytes ourselves."""
    columns = ("NULL::bytea" if column.is_encoded else QUOTING.quote(column.name) for column in target.server)
    return f"SELECT {', '.join(columns)} FROM {target.name}"  # noqa: S608  # every name is quoted


def _probe(target: CopyTarget, asked: Sequence[int]) -> str:
    """Return a statement with a parameter for each column that is asked for; it is prepared, and never runs."""
    names = ", ".join(QUOTING.quote(target.server[number].name) for number in asked)
    parameters = ", ".join(f"${number}" for number, _ in enumerate(asked, start=1))
    return f"INSERT INTO {target.name} ({names}) OVERRIDING SYSTEM VALUE VALUES ({parameters})"  # noqa: S608  # every name is quoted


async def _refused_argument(probe: Any, values: list[Any]) -> int | None:  # a prepared statement
    """Return which of the values asyncpg cannot encode: COPY does not say it, and the arguments of a query do.

    Nothing is sent, because the encoding comes first; so it works in the transaction that the COPY has broken.
    """
    from asyncpg import DataError, InterfaceError, PostgresError

    try:
        await probe.fetch(*values)
    except DataError as error:
        argument = _ARGUMENT.search(str(error))
        return None if argument is None else int(argument[1]) - 1
    except (InterfaceError, PostgresError):
        return None
    return None


def copy_blocks(driver_connection: Any, target: CopyTarget, blocks: Iterable[bytes]) -> int:  # as above
    """Write a stream that is in the binary COPY format already, and return how many rows were taken."""
    interrupted: list[BaseException] = []
    try:
        status = await_only(
            driver_connection.copy_to_table(
                target.relation,
                schema_name=target.schema,
                source=_asynchronous(_orderly(blocks, interrupted)),
                columns=[column.name for column in target.server],
                format="binary",
            )
        )
    except _Interrupted:
        raise interrupted[0] from None
    return _taken(status)


def _taken(status: str) -> int:
    """Return the number of rows that the server says it copied, as in ``COPY 5``."""
    return int(status.rpartition(" ")[2])


class _Interrupted(Exception):  # noqa: N818  # never seen outside of this module
    """A KeyboardInterrupt, or what else is no Exception, while asyncpg reads the rows."""


def _orderly(items: Iterable[_Item], interrupted: list[BaseException]) -> Iterator[_Item]:
    """Give the items; keep what interrupts them, because asyncpg ends a COPY in order for an Exception only."""
    try:
        yield from items
    except (Exception, GeneratorExit):
        raise
    except BaseException as reason:
        interrupted.append(reason)
        raise _Interrupted from reason


async def _asynchronous(blocks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block
