"""The ``bit`` type: binary vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from pgvector.sqlalchemy import BIT as _BIT

from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.types.adapters import BitWire, teach_connections
from sqlalchemy_vecsearch.types.bit_values import Bits, bits_binary, checked_bits, is_bit_text
from sqlalchemy_vecsearch.types.dimensions import checked_dimensions
from sqlalchemy_vecsearch.types.distances import FloatDistances
from sqlalchemy_vecsearch.types.naming import NamedByColumn
from sqlalchemy_vecsearch.types.sql import driver_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

__all__ = ["BIT"]

Processor: TypeAlias = Callable[[Any], Any]  # SQLAlchemy hands any Python value through


class _Comparator(FloatDistances, _BIT.comparator_factory):  # type: ignore[misc, valid-type]  # an attribute
    """The distances of pgvector-python, as floats on every driver."""


class BIT(NamedByColumn, _BIT):
    """A column of binary vectors of a fixed length, one bit a dimension.

    It replaces `pgvector.sqlalchemy.BIT`. A value is a string of 0 and 1, a list or numpy array of booleans, bytes or a
    `pgvector.Bit`; the result is a string of 0 and 1 with every driver.

    Args:
        length: the number of bits; None means 1, as in SQL.

    Example:
        >>> Column("signature", BIT(384))
    """

    cache_ok = True
    comparator_factory = _Comparator
    render_bind_cast = True  # asyncpg would take a parameter of unknown type for text; asked of the type in 0.4 only

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length)
        self.length = checked_dimensions(length, Storage.BIT)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.length is None else f'length={self.length}'})"

    @property
    def python_type(self) -> type[str]:
        """The class of a result, which libraries that make schemas and forms of models ask for."""
        return str

    # pgvector-python 0.4 has a type that knows only processors, 0.5 one that would call the process_ methods by itself.

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Return `process_bind_param` for a dialect, once the connections know what it makes."""
        if driver_of(dialect) == "psycopg":
            teach_connections(dialect)
        return lambda value: self.process_bind_param(value, dialect)

    def literal_processor(self, dialect: Dialect) -> Processor:
        """Return what writes a value into the statement."""
        return lambda value: f"'{self.process_literal_param(value, dialect)}'"

    def text_processor(self) -> Callable[[Any], str]:  # any value that the column takes
        """Return what turns a value into its text, for a place inside of another text."""
        return lambda value: checked_bits(value, self.length, self.column_name).to_text()

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002  # SQLAlchemy's signature
        """Return `process_result_value` for a dialect."""
        return lambda value: self.process_result_value(value, dialect)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return the best form that the driver can send."""
        if value is None:
            return None
        driver = driver_of(dialect)
        if driver == "asyncpg":
            return _asyncpg_bits(value, self.length, self.column_name)
        if is_bit_text(value, self.length):
            return value
        if driver == "psycopg":
            return BitWire(bits_binary(value, self.length, self.column_name))
        return checked_bits(value, self.length, self.column_name).to_text()

    def process_literal_param(self, value: Any, dialect: Dialect) -> str:  # noqa: ARG002  # SQLAlchemy's signature
        """Return the string of 0 and 1 that is quoted."""
        return checked_bits(value, self.length, self.column_name).to_text()

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002  # SQLAlchemy's signature
        """Return a string of 0 and 1, whichever class the driver uses."""
        if value is None or isinstance(value, str):
            return value
        return Bits(f"{value.to_int():0{len(value)}b}")


def _asyncpg_bits(value: Any, length: int | None, name: str | None) -> Any:  # asyncpg.BitString, which is not typed
    from asyncpg import BitString

    if is_bit_text(value, length):
        return BitString(value)
    if not isinstance(value, BitString):
        return BitString(checked_bits(value, length, name).to_text())
    checked_bits(f"{value.to_int():0{len(value)}b}", length, name)
    return value
