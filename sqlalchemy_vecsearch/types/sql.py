"""The SQL that stands round a vector parameter and round a vector that is read in binary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import BindParameter, ColumnElement

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.types import TypeEngine

__all__ = ["BinaryResult", "TypedParameter", "driver_of", "sends_casts"]

_CASTING_DRIVERS: Final = frozenset({"psycopg", "asyncpg"})  # the others send text, whose type the server infers


class TypedParameter(ColumnElement[Any]):
    """A bound vector with the cast that tells the server its type.

    psycopg sends the binary form of the type without an oid, so the cast decides. asyncpg asks the server for the type
    of each parameter, so it gets one that it can encode by itself, whether or not a codec for vectors is registered.

    Args:
        parameter: the bound vector.
        type_: its type.
        through: the type that asyncpg sends and the server casts from, None where it sends the type itself.
    """

    inherit_cache = False

    def __init__(self, parameter: BindParameter[Any], type_: TypeEngine[Any], *, through: str | None) -> None:
        self.parameter = parameter
        self.type = type_
        self.through = through


class BinaryResult(ColumnElement[Any]):
    """A selected vector in its binary form.

    ``record_send`` is in ``pg_catalog``, whatever schema holds pgvector, and returns a bytea on every driver; it calls
    the send function of the type.
    """

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], type_: TypeEngine[Any]) -> None:
        self.column = column
        self.type = type_


@compiles(TypedParameter)
def _parameter(element: TypedParameter, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.parameter, **options)
    if options.get("literal_binds") or not sends_casts(compiler.dialect):
        return text
    type_text = compiler.dialect.type_compiler_instance.process(element.type)
    if element.through is not None and driver_of(compiler.dialect) == "asyncpg":
        return f"{text}::{element.through}::{type_text}"
    return f"{text}::{type_text}"


@compiles(BinaryResult)
def _result(element: BinaryResult, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.column, **options)
    if compiler.dialect.name != "postgresql":
        return text
    if isinstance(element.column, BindParameter) and not sends_casts(compiler.dialect):
        text = f"{text}::{compiler.dialect.type_compiler_instance.process(element.type)}"
    return f"record_send(ROW({text}))"


def driver_of(dialect: Dialect) -> str:
    """Return the driver's name, empty for a dialect without one, such as that of ``str(statement)``."""
    return getattr(dialect, "driver", "")


def sends_casts(dialect: Dialect) -> bool:
    """Tell whether vector parameters of a dialect stand in a cast."""
    return driver_of(dialect) in _CASTING_DRIVERS
