"""Arrays of vectors: what SQLAlchemy's ``ARRAY`` sends and reads when its items are of our types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import ARRAY, Column, event
from sqlalchemy.dialects.postgresql import ARRAY as POSTGRESQL_ARRAY
from sqlalchemy.dialects.postgresql import asyncpg, pg8000, psycopg, psycopg2
from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch.types.array_text import array_of_text, array_text
from sqlalchemy_vecsearch.types.decorators import before_sending
from sqlalchemy_vecsearch.types.equality import same_vectors
from sqlalchemy_vecsearch.types.naming import NamedByColumn, without_decorators
from sqlalchemy_vecsearch.types.sql import TypedParameter

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import BindParameter, ColumnElement
    from sqlalchemy.sql.schema import SchemaItem
    from sqlalchemy.types import TypeEngine

__all__ = ["holds_vectors", "serve_arrays"]

Processor: TypeAlias = Callable[[Any], Any]  # SQLAlchemy hands any Python value through

_DIALECTS = (psycopg.dialect, psycopg2.dialect, asyncpg.dialect, pg8000.dialect)


def serve_arrays() -> None:
    """Let the dialects of all drivers implement ``ARRAY`` by ours where the items are vectors.

    A driver knows an array of vectors only by an oid that differs from database to database. So both ways go through
    the text of the whole array, which needs nothing on a connection. Other arrays keep the class of the dialect.
    """
    for dialect in _DIALECTS:
        if ARRAY in dialect.colspecs and not issubclass(dialect.colspecs[ARRAY], _VectorArray):
            dialect.colspecs = {**dialect.colspecs, ARRAY: _implementation(dialect.colspecs[ARRAY])}


def holds_vectors(type_: TypeEngine[Any]) -> bool:
    """Tell whether a type is an array of one of our types."""
    type_ = without_decorators(type_)
    return isinstance(type_, ARRAY) and _is_vector(type_.item_type)


@event.listens_for(Column, "after_parent_attach")
def _compare_as_vectors(column: Column[Any], _parent: SchemaItem) -> None:
    """Let the ORM compare the values of a column of arrays, which ``==`` cannot where an element is a numpy array.

    SQLAlchemy asks the type that was declared, which is its own class; so this one instance gets another answer.
    """
    if holds_vectors(column.type):
        array: Any = without_decorators(column.type)
        array.compare_values = same_vectors


class _VectorArray(POSTGRESQL_ARRAY[Any]):
    """The implementation of an array of vectors."""

    render_bind_cast = False  # the cast stands in bind_expression

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Return what turns a sequence of vectors into the text of an array."""
        write = self._writer(dialect)
        return lambda value: None if value is None else write(value)

    def literal_processor(self, dialect: Dialect) -> Processor:
        """Return what turns a sequence of vectors into a quoted SQL literal with its type."""
        write = self._writer(dialect)
        type_text = dialect.type_compiler_instance.process(self)
        return lambda value: f"'{write(value)}'::{type_text}"  # digits and brackets: nothing to escape

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        """Return what turns a result into lists, whether or not the driver knows the items."""
        process: Processor = super().result_processor(dialect, coltype)
        return lambda value: process(array_of_text(value) if isinstance(value, str) else value)

    def bind_expression(self, bindvalue: BindParameter[Any]) -> ColumnElement[Any]:
        """Return the parameter with the cast that makes its type certain."""
        return TypedParameter(bindvalue, self, through="TEXT")

    def _writer(self, dialect: Dialect) -> Callable[[Any], str]:
        write = _text_of(self.item_type, dialect)
        name = getattr(self.item_type, "column_name", None)
        return lambda value: array_text(value, write, dimensions=self.dimensions, column=name)


def _text_of(type_: Any, dialect: Dialect) -> Callable[[Any], str]:  # one of our types, or a decorator round it
    """Return what turns a value into the text of the type, after the decorators of the application."""
    if isinstance(type_, TypeDecorator) and not isinstance(type_, NamedByColumn):
        inner = _text_of(type_.impl_instance, dialect)
        prepare = before_sending(type_, dialect)
        return lambda value: inner(prepare(value))
    write: Callable[[Any], str] = type_.text_processor()
    return write


def _implementation(plain: Any) -> Any:  # classes of the dialects, whose constructors are not typed
    """Return the class that gives a `_VectorArray` for vectors, and the dialect's own for everything else."""

    class VectorArray(_VectorArray, plain):  # type: ignore[misc]  # a class that is known at run time only
        def __new__(cls, item_type: Any, *arguments: Any, **options: Any) -> Any:  # SQLAlchemy's constructor
            return super().__new__(cls) if _is_vector(item_type) else plain(item_type, *arguments, **options)

    return VectorArray


def _is_vector(type_: Any) -> bool:  # a type or a class of types
    return isinstance(without_decorators(type_), NamedByColumn)
