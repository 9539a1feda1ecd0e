"""The values of a row in the form that a binary COPY of each driver takes."""

from __future__ import annotations

import ipaddress
import math
import operator
import uuid
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch.errors import LoadingError, VectorValueError
from sqlalchemy_vecsearch.types import BIT
from sqlalchemy_vecsearch.types.decorators import before_sending
from sqlalchemy_vecsearch.types.validation import checked_bits, checked_dense, checked_sparse
from sqlalchemy_vecsearch.types.wire import halfvec_binary, sparse_binary, sparse_text, vector_binary

if TYPE_CHECKING:
    from sqlalchemy import Column
    from sqlalchemy.engine import Dialect

    from sqlalchemy_vecsearch.loading.rows import Row
    from sqlalchemy_vecsearch.loading.target import CopyTarget, ServerColumn

__all__ = ["RowStream", "encoders", "refused_row"]

_SINGLE_LIMIT: Final = 3.4028235677973366e38  # half a step beyond the largest float32, which is where infinity begins
_REMEDY: Final = "COPY sends exactly that type and casts nothing, so convert the value first."

Encoder: TypeAlias = Callable[[Any], Any]  # any value of the caller to any value of the driver


def _exact_integer(limit: int) -> Encoder:
    """Return the encoder of integers from -limit up to limit; psycopg would keep the low bits of a larger one."""

    def encode(value: Any) -> int:
        number = operator.index(value)
        if not -limit <= number < limit:
            raise OverflowError(f"{number} is not between {-limit} and {limit - 1}")
        return number

    return encode


def _exact_single(value: Any) -> float:
    """Return a float; psycopg would turn one beyond single precision into infinity."""
    number = float(value)
    if _SINGLE_LIMIT < abs(number) < math.inf:
        raise OverflowError(f"{number} is beyond single precision")
    return number


def _exact_decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _exact_uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))


def _exact_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError(f"expected a str, not {value!r}")


def _exact_address(value: Any) -> Any:  # an address, or an interface where there is a prefix
    if isinstance(value, str):
        return ipaddress.ip_interface(value) if "/" in value else ipaddress.ip_address(value)
    return value


# A binary COPY applies no cast, so a value has exactly the class that the type of the column is sent from.
_EXACT: Final[Mapping[str, Encoder]] = {
    "int2": _exact_integer(2**15),
    "int4": _exact_integer(2**31),
    "int8": _exact_integer(2**63),
    "float4": _exact_single,
    "float8": float,
    "numeric": _exact_decimal,
    "uuid": _exact_uuid,
    "text": _exact_text,
    "varchar": _exact_text,
    "bpchar": _exact_text,
    "inet": _exact_address,
    "cidr": ipaddress.ip_network,
}


class RowStream:
    """The encoded rows of one load.

    Attributes:
        position: the number of the last row that was handed out, counted from 0.
        failure: the error that ended the rows, None as long as there is none.
    """

    def __init__(
        self, rows: Iterator[Row], target: CopyTarget, dialect: Dialect, advance: Callable[[int], None]
    ) -> None:
        self.position = -1
        self.failure: Exception | None = None
        self._rows = rows
        self._target = target
        self._encoders = encoders(target, dialect)
        self._advance = advance

    def __iter__(self) -> Iterator[list[Any]]:
        try:
            yield from self._encoded()
        except Exception as error:
            self.failure = error
            raise

    def _encoded(self) -> Iterator[list[Any]]:
        pending = 0
        plan = self._encoders
        for row in self._rows:
            self.position += 1
            try:
                encoded = [value if encode is None else encode(value) for encode, value in zip(plan, row, strict=True)]
            except Exception as error:  # whatever a type of the application raises for a value
                raise self._explained(row, error) from error
            yield encoded
            pending += 1
            if pending == 1000:  # noqa: PLR2004  # often enough for an eye, seldom enough for the clock
                self._advance(pending)
                pending = 0
        self._advance(pending)

    def refused(self, column: str | None, error: Exception) -> LoadingError:
        """Return the error for the row that was handed out last; the column is None when it is not known."""
        return refused_row(self._target, self.position, column, error)

    def _explained(self, row: Row, error: Exception) -> LoadingError:
        for encode, value, column in zip(self._encoders, row, self._target.declared, strict=True):
            try:
                if encode is not None:
                    encode(value)
            except Exception as found:  # noqa: BLE001  # the same as above, now for one column
                return self.refused(column.name, found)
        return self.refused(None, error)


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


def encoders(target: CopyTarget, dialect: Dialect) -> list[Encoder | None]:
    """Return the encoder of each column, None where values are sent as they are."""
    return [_encoder(column, server, dialect) for column, server in zip(target.declared, target.server, strict=True)]


def _encoder(column: Column[Any], server: ServerColumn, dialect: Dialect) -> Encoder | None:
    vector = _vector_encoder(server, dialect)
    if vector is not None:
        return _after_decorator(column, dialect, vector)
    process: Encoder | None = column.type.dialect_impl(dialect).bind_processor(dialect)
    exact = _EXACT.get("text" if server.is_enum else server.type_name)
    if dialect.driver != "psycopg" or exact is None:
        return process

    def encode(value: Any) -> Any:
        processed = value if process is None else process(value)
        return None if processed is None else exact(processed)

    return encode


def _vector_encoder(server: ServerColumn, dialect: Dialect) -> Encoder | None:
    dimensions, name, asyncpg = server.dimensions, server.name, dialect.driver == "asyncpg"
    if server.is_dense:
        half = server.type_name == "halfvec"
        send: Encoder = (lambda floats: floats.tolist()) if asyncpg else (halfvec_binary if half else vector_binary)
        return lambda value: None if value is None else send(checked_dense(value, dimensions, name, half=half))
    if server.is_sparse:
        write: Encoder = sparse_text if asyncpg else sparse_binary
        return lambda value: None if value is None else write(checked_sparse(value, dimensions, name))
    if server.is_bits:
        if asyncpg:
            return lambda value: None if value is None else _asyncpg_bits(value, dimensions, name)
        return lambda value: None if value is None else checked_bits(value, dimensions, name).to_binary()
    return None


def _asyncpg_bits(value: Any, dimensions: int | None, name: str) -> Any:  # asyncpg.BitString, which is not typed
    from asyncpg import BitString

    return BitString(checked_bits(value, dimensions, name).to_text())


def _after_decorator(column: Column[Any], dialect: Dialect, encode: Encoder) -> Encoder:
    """Let a TypeDecorator of the application turn its value into a vector first."""
    decorator = column.type
    if not isinstance(decorator, TypeDecorator) or isinstance(decorator, BIT):
        return encode
    prepare = before_sending(decorator, dialect)
    return lambda value: encode(prepare(value))
