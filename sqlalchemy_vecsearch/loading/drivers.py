"""A binary COPY on the connection of a driver that has one: psycopg 3, sync or async, and asyncpg."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy.util import await_only

from sqlalchemy_vecsearch.loading.encoding import DriverForms, plain_values
from sqlalchemy_vecsearch.loading.errors import refused_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from sqlalchemy_vecsearch.loading.encoding import ColumnEncoder
    from sqlalchemy_vecsearch.loading.target import CopyTarget, ServerColumn

__all__ = ["COPYING_DRIVERS", "CopyingDriver", "refuse_fractions"]

DriverConnection: TypeAlias = Any  # of psycopg or asyncpg, of which only the one in use can be imported

_TEXT_ONLY: Final = frozenset(  # asyncpg has no binary form for these
    {"tsvector", "tsquery", "money", "macaddr", "macaddr8", "regclass", "regtype", "regproc", "regrole", "regnamespace"}
)

_WHOLE_TYPES: Final = frozenset(
    {"int2", "int4", "int8", "oid", "int4range", "int8range", "int4multirange", "int8multirange"}
)


@dataclass(frozen=True, slots=True)
class CopyingDriver:
    """What a driver does of its own.

    Attributes:
        forms: what its INSERT stores, by which a COPY encodes.
        takes_text: whether its INSERT takes a text for a type that we have no binary form for.
        copy_blocks: sends a whole stream in the binary COPY format, and returns how many rows were taken.
        cuts_fractions: whether its INSERT makes a whole number of 1.5.
    """

    forms: Callable[[DriverConnection], DriverForms]
    takes_text: Callable[[ServerColumn], bool]
    copy_blocks: Callable[[DriverConnection, CopyTarget, Iterator[bytes]], int]
    cuts_fractions: bool


def refuse_fractions(
    target: CopyTarget, encoders: Sequence[ColumnEncoder], values: Sequence[Any], first: int
) -> None:  # the values of each column, of any type
    """Refuse a number for a column of whole ones that is not whole, where the driver's INSERT would cut it off.

    Raises:
        LoadingValueError: there is one.
    """
    for encoder, server, given in zip(encoders, target.server, values, strict=True):
        if (server.element.name if server.element else server.type_name) not in _WHOLE_TYPES:
            continue
        for position, value in enumerate(plain_values(given), first):
            try:
                processed = value if encoder.process is None else encoder.process(value)
            except Exception:  # noqa: BLE001, S112  # whatever a type raises for the value; an INSERT names its row
                continue
            for number in _numbers_in(processed):
                if not hasattr(number, "__index__"):
                    raise refused_row(
                        target.table.name, position, encoder.name, TypeError(f"{number!r} is no whole number")
                    )


def _numbers_in(value: Any) -> Iterator[Any]:
    """Give the numbers in a value for whole numbers: itself, those of a list, the bounds of a range."""
    if isinstance(value, (list, tuple)):
        for element in value:
            yield from _numbers_in(element)
    elif hasattr(value, "isempty"):
        yield from (bound for bound in (value.lower, value.upper) if bound is not None)
    elif value is not None:
        yield value


def _psycopg_forms(driver_connection: DriverConnection) -> DriverForms:
    from psycopg import Binary
    from psycopg.types.json import Json, Jsonb

    return DriverForms(
        encoding=driver_connection.info.encoding,
        of_float=lambda number: Decimal(f"{number:.15g}"),  # PostgreSQL's own cast from double precision
        arrays_of_one_class=True,
        unwrap={
            Binary: lambda value: value.obj,
            Json: _json_writer(driver_connection, Json),
            Jsonb: _json_writer(driver_connection, Jsonb),
        },
    )


def _json_writer(driver_connection: DriverConnection, class_: type) -> Callable[[Any], Any]:
    """Return what writes a value by the ``json_serializer`` of the engine, which the connection knows."""
    from psycopg.adapt import PyFormat, Transformer

    dump = Transformer.from_context(driver_connection).get_dumper(class_(None), PyFormat.TEXT).dump
    return lambda value: bytes(dump(value) or b"")


def _copy_by_psycopg(driver_connection: DriverConnection, target: CopyTarget, blocks: Iterator[bytes]) -> int:
    from psycopg import AsyncConnection

    statement = f"COPY {target.name} ({target.column_list}) FROM STDIN (FORMAT BINARY)".encode(
        driver_connection.info.encoding
    )
    if isinstance(driver_connection, AsyncConnection):
        return await_only(_copy_by_async_psycopg(driver_connection, statement, blocks))
    with driver_connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in blocks:
                copy.write(block)
        return int(cursor.rowcount)


async def _copy_by_async_psycopg(driver_connection: DriverConnection, statement: bytes, blocks: Iterator[bytes]) -> int:
    async with driver_connection.cursor() as cursor:
        async with cursor.copy(statement) as copy:
            for block in blocks:
                await copy.write(block)
        return int(cursor.rowcount)


def _asyncpg_forms(driver_connection: DriverConnection) -> DriverForms:
    encoding = driver_connection.get_settings().client_encoding
    return DriverForms(
        encoding="utf-8" if encoding == "UTF8" else encoding,
        of_float=Decimal,
        arrays_of_one_class=False,
        unwrap={},
    )


def _copy_by_asyncpg(driver_connection: DriverConnection, target: CopyTarget, blocks: Iterator[bytes]) -> int:
    status = await_only(
        driver_connection.copy_to_table(
            target.relation,
            schema_name=target.schema,
            source=_asynchronous(blocks),
            columns=[column.name for column in target.server],
            format="binary",
        )
    )
    return int(status.rpartition(" ")[2])  # as in COPY 5


async def _asynchronous(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


COPYING_DRIVERS: Final = {
    "psycopg": CopyingDriver(_psycopg_forms, lambda _: True, _copy_by_psycopg, cuts_fractions=False),
    "asyncpg": CopyingDriver(
        _asyncpg_forms,
        lambda server: server.is_extension or server.type_name in _TEXT_ONLY,
        _copy_by_asyncpg,
        cuts_fractions=True,
    ),
}
