"""The SQL that stands round a vector parameter and round a vector that is read in binary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import BindParameter, ColumnElement
from sqlalchemy.types import UserDefinedType

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


class _ElementType(UserDefinedType[Any]):
    """The type of the elements of ``IN (...)``: sent as ever, each in its cast.

    SQLAlchemy would put the cast of a bind_expression round the text of an empty list, too.
    """

    cache_ok = True
    render_bind_cast = True

    def __init__(self, sent: TypeEngine[Any], cast: str) -> None:
        self.sent = sent
        self.cast = cast

    def get_col_spec(self, **_: Any) -> str:
        """Return what stands behind the first ``::``."""
        return self.cast

    def bind_processor(self, dialect: Dialect) -> Any:  # whatever SQLAlchemy calls a processor
        """Return that of the vector type, after the decorators of the application."""
        return self.sent.dialect_impl(dialect).bind_processor(dialect)

    def literal_processor(self, dialect: Dialect) -> Any:  # as above
        """Return that of the vector type, after the decorators of the application."""
        return self.sent.dialect_impl(dialect).literal_processor(dialect)


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
    parameter = element.parameter
    if options.get("literal_binds") or not sends_casts(compiler.dialect):
        return compiler.process(parameter, **options)
    cast = compiler.dialect.type_compiler_instance.process(element.type)
    is_literal = parameter.literal_execute or options.get("literal_execute")
    if element.through is not None and driver_of(compiler.dialect) == "asyncpg" and not is_literal:
        cast = f"{element.through}::{cast}"
    if not parameter.expanding:
        return f"{compiler.process(parameter, **options)}::{cast}"
    elements = parameter._clone(maintain_key=True)  # noqa: SLF001  # a copy that SQLAlchemy knows for the same parameter
    elements.type = _ElementType(parameter.type, cast)
    return compiler.process(elements, **options)


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
