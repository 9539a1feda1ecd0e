"""The values of a row in the form that a binary COPY of each driver takes."""

from __future__ import annotations

import ipaddress
import math
import operator
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch.types import BIT
from sqlalchemy_vecsearch.types.bit_values import bits_binary
from sqlalchemy_vecsearch.types.decorators import before_sending
from sqlalchemy_vecsearch.types.dense_values import checked_dense
from sqlalchemy_vecsearch.types.sparse_values import checked_sparse
from sqlalchemy_vecsearch.types.wire import halfvec_binary, sparse_binary, vector_binary

if TYPE_CHECKING:
    from sqlalchemy import Column
    from sqlalchemy.engine import Dialect

    from sqlalchemy_vecsearch.loading.target import CopyTarget, ServerColumn

__all__ = ["Encoder", "encoders"]

_SINGLE_LIMIT: Final = 3.4028235677973366e38  # half a step beyond the largest float32, which is where infinity begins

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


def _each(encode: Encoder) -> Encoder:
    """Return the encoder of an array whose elements have this one."""

    def encode_all(value: Any) -> Any:
        if isinstance(value, (list, tuple, np.ndarray)):
            return [encode_all(element) for element in value]
        return None if value is None else encode(value)

    return encode_all


def _bounds(check: Encoder) -> Encoder:
    """Return the encoder of ranges and multiranges of integers, whose bounds psycopg would cut off, too."""

    def encode(value: Any) -> Any:
        for part in [value] if hasattr(value, "isempty") else value:
            for bound in (part.lower, part.upper):
                if bound is not None:
                    check(bound)
        return value

    return encode


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
    "int4range": _bounds(_exact_integer(2**31)),
    "int8range": _bounds(_exact_integer(2**63)),
    "int4multirange": _bounds(_exact_integer(2**31)),
    "int8multirange": _bounds(_exact_integer(2**63)),
}


_CUT_OFF_BY_ASYNCPG: Final = frozenset({"int2", "int4", "int8"})  # 1.5 would be stored as 1; it checks the others


def encoders(target: CopyTarget, dialect: Dialect, texts: Sequence[Encoder | None]) -> list[Encoder | None]:
    """Return the encoder of each column, None where values are sent as they are.

    Args:
        target: the columns.
        dialect: that of the connection.
        texts: for each column what makes the text of a value that the server casts, None where no text is sent.
    """
    return [
        _encoder(column, server, dialect) if text is None else _after(_processor(column, dialect), text)
        for column, server, text in zip(target.declared, target.server, texts, strict=True)
    ]


def _encoder(column: Column[Any], server: ServerColumn, dialect: Dialect) -> Encoder | None:
    vector = _vector_encoder(server)
    if vector is not None:
        return _after_decorator(column, dialect, vector)
    process = _processor(column, dialect)
    exact = _exact(server)
    if dialect.driver != "psycopg" and server.type_name.removeprefix("_") not in _CUT_OFF_BY_ASYNCPG:
        return process
    return process if exact is None else _after(process, exact)


def _processor(column: Column[Any], dialect: Dialect) -> Encoder | None:
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _exact(server: ServerColumn) -> Encoder | None:
    if server.is_enum:
        return _exact_text
    found = _EXACT.get(server.type_name.removeprefix("_"))
    return _each(found) if found is not None and server.type_name.startswith("_") else found


def _after(process: Encoder | None, encode: Encoder) -> Encoder:
    """Return both in turn, and None for None."""

    def both(value: Any) -> Any:
        processed = value if process is None else process(value)
        return None if processed is None else encode(processed)

    return both


def _vector_encoder(server: ServerColumn) -> Encoder | None:
    dimensions, name = server.dimensions, server.name
    if server.is_dense:
        half = server.type_name == "halfvec"
        send: Encoder = halfvec_binary if half else vector_binary
        return lambda value: None if value is None else send(checked_dense(value, dimensions, name, half=half))
    if server.is_sparse:
        return lambda value: None if value is None else sparse_binary(checked_sparse(value, dimensions, name))
    if server.is_bits:
        return lambda value: None if value is None else bits_binary(value, dimensions, name)
    return None


def _after_decorator(column: Column[Any], dialect: Dialect, encode: Encoder) -> Encoder:
    """Let a TypeDecorator of the application turn its value into a vector first."""
    decorator = column.type
    if not isinstance(decorator, TypeDecorator) or isinstance(decorator, BIT):
        return encode
    prepare = before_sending(decorator, dialect)
    return lambda value: encode(prepare(value))
