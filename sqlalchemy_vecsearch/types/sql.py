"""The SQL that stands round a vector parameter and round a vector that is read in binary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, Select, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.operators import distinct_op
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import NullType, UserDefinedType

from sqlalchemy_vecsearch.selects import output_types_named
from sqlalchemy_vecsearch.types.decorators import undecorated

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.elements import BindParameter
    from sqlalchemy.types import TypeEngine

__all__ = ["BinaryResult", "ParameterArray", "TypedParameter", "driver_of"]


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
    """A selected vector in its binary form, where nothing but the client reads the select list.

    ``record_send`` is in ``pg_catalog``, whatever schema holds pgvector, and returns a bytea on every driver; it calls
    the send function of the type. Bytes have another order than vectors and are of another type, so the column is
    selected as it is in a set operation, under DISTINCT, where ORDER BY or GROUP BY may name it, and in the text of a
    statement that is to be stored, such as that of a view.
    """

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], type_: TypeEngine[Any]) -> None:
        self.column = column
        self.type = type_


class ParameterArray(ColumnElement[Any]):
    """An array of bound vectors, each sent in the form in which the driver sends one: ``ARRAY[$1::vector, ...]``.

    A driver sends an array of vectors as text only, which costs ten times as much. The statement is compiled once for
    any number of vectors, at least one.

    Args:
        name: of the parameter, which takes a list.
        type_: of the vectors.
    """

    __visit_name__ = "parameter_array"
    _traverse_internals = [("parameter", InternalTraversal.dp_clauseelement)]  # noqa: RUF012  # fixed by SQLAlchemy

    def __init__(self, name: str, type_: TypeEngine[Any]) -> None:
        self.parameter: BindParameter[Any] = bindparam(name, type_=type_, expanding=True)
        self.type = ARRAY(type_)


@compiles(ParameterArray)
def _array(element: ParameterArray, compiler: SQLCompiler, **options: Any) -> str:
    listed = compiler.process(element.parameter, **options)
    return f"ARRAY[{listed.removeprefix('(').removesuffix(')')}]"


@compiles(TypedParameter)
def _parameter(element: TypedParameter, compiler: SQLCompiler, **options: Any) -> str:
    parameter = element.parameter
    if options.get("literal_binds") or not driver_of(compiler.dialect):
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
    if compiler.dialect.name != "postgresql" or options.get("literal_binds") or _sql_reads_outputs(element, compiler):
        return text
    return f"pg_catalog.record_send(ROW({text}))"


def _sql_reads_outputs(element: BinaryResult, compiler: SQLCompiler) -> bool:
    """Tell whether the statement at hand uses its own select list, by a name or as a part of a greater one."""
    if len(compiler.stack) != 1 or getattr(element.column, "operator", None) is distinct_op:
        return True
    statement = compiler.stack[0]["selectable"]
    return isinstance(statement, Select) and any(
        isinstance(type_, NullType) or _reads_in_binary(type_) for type_ in output_types_named(statement)
    )


def _reads_in_binary(type_: TypeEngine[Any]) -> bool:
    """Tell whether a type, or the one that a decorator stands round, asks for arrays."""
    return bool(getattr(undecorated(type_), "reads_binary", False))


def driver_of(dialect: Dialect) -> str:
    """Return the driver's name, empty for a dialect without one, such as that of ``str(statement)``."""
    return getattr(dialect, "driver", "")
