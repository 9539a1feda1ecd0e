"""What ``vector`` and ``halfvec`` columns have in common: elements for every dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

import numpy as np
from pgvector import HalfVector
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import UserDefinedType

from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.types.adapters import HalfvecWire, VectorWire, teach_connections
from sqlalchemy_vecsearch.types.dense_values import Floats, checked_dense
from sqlalchemy_vecsearch.types.dimensions import checked_dimensions
from sqlalchemy_vecsearch.types.naming import NamedByColumn
from sqlalchemy_vecsearch.types.sql import BinaryResult, TypedParameter, driver_of
from sqlalchemy_vecsearch.types.wire import (
    dense_literal,
    dense_text,
    floats_of_result,
    halfvec_binary,
    halfvector_of_result,
    list_of_result,
    vector_binary,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import BindParameter, ColumnElement

__all__ = ["DenseType", "Returns", "class_of_results"]

Returns: TypeAlias = Literal["list", "numpy"]
Processor: TypeAlias = Callable[[Any], Any]  # SQLAlchemy hands any Python value through

_CLASSES: Final[dict[str | None, type[Any]]] = {"list": list, "numpy": np.ndarray}


def _psycopg_vector(floats: Floats) -> VectorWire:
    return VectorWire(vector_binary(floats))


def _psycopg_halfvec(floats: Floats) -> HalfvecWire:
    return HalfvecWire(halfvec_binary(floats))


_PSYCOPG: Final[dict[Storage, Callable[[Floats], Any]]] = {
    Storage.VECTOR: _psycopg_vector,
    Storage.HALFVEC: _psycopg_halfvec,
}


_RESULTS: Final[dict[type[Any], Processor]] = {
    list: list_of_result,
    np.ndarray: floats_of_result,
    HalfVector: halfvector_of_result,
}


def class_of_results(stock: UserDefinedType[Any]) -> type[Any]:
    """Return what a type of the installed pgvector-python reads: 0.4 gives arrays and `HalfVector`, 0.5 lists."""
    read: Processor | None = stock.result_processor(DefaultDialect(), None)
    return list if read is None else type(read("[1]"))


class DenseType(NamedByColumn, UserDefinedType[Any]):
    """The wire behaviour of `VECTOR` and `HALFVEC`, over pgvector's comparator and DDL."""

    storage: ClassVar[Storage]
    dim: int | None
    returns: Returns | None
    published_class: ClassVar[type[Any]]  # of the results of the type that this one replaces

    # `returns` is not keyword-only here: SQLAlchemy copies and caches a type by its positional argument names.
    def __init__(self, dim: int | None = None, returns: Returns | None = None) -> None:
        if returns is not None and returns not in _CLASSES:
            raise DeclarationError(
                f"A {type(self).__name__} cannot return {returns!r}. "
                "Vectors are read as 'list', a list of floats, or as 'numpy', a float32 array. "
                "Write returns='list' or returns='numpy'."
            )
        super().__init__()
        self.dim = checked_dimensions(dim, self.storage)
        self.returns = returns

    def __repr__(self) -> str:
        arguments = [] if self.dim is None else [f"dim={self.dim}"]
        if self.python_type is not self.published_class:
            arguments.append(f"returns={self.returns!r}")
        return f"{type(self).__name__}({', '.join(arguments)})"

    @property
    def python_type(self) -> type[Any]:
        """The class of a result, which libraries that make schemas and forms of models ask for."""
        return _CLASSES.get(self.returns, self.published_class)

    @property
    def reads_binary(self) -> bool:
        """Whether the column is selected in binary."""
        return self.python_type is np.ndarray

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Return what turns a value into the best form that the driver can send."""
        if driver_of(dialect) == "psycopg":
            teach_connections(dialect)
            send = _PSYCOPG[self.storage]
        elif driver_of(dialect) == "asyncpg":
            send = np.ndarray.tolist
        else:
            send = dense_text
        dimensions, half = self.dim, self.storage is Storage.HALFVEC

        def process(value: Any) -> Any:
            return None if value is None else send(checked_dense(value, dimensions, self.column_name, half=half))

        return process

    def literal_processor(self, dialect: Dialect) -> Processor:  # noqa: ARG002  # SQLAlchemy's signature
        """Return what turns a value into a quoted SQL literal."""
        write = self._writer(dense_literal)
        return lambda value: f"'{write(value)}'"  # digits and brackets: nothing to escape

    def text_processor(self) -> Callable[[Any], str]:  # any value that the column takes
        """Return what turns a value into its shortest text, for a place inside of another text."""
        return self._writer(dense_text)

    def _writer(self, write: Callable[[Floats], str]) -> Callable[[Any], str]:
        dimensions, half = self.dim, self.storage is Storage.HALFVEC
        return lambda value: write(checked_dense(value, dimensions, self.column_name, half=half))

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002  # SQLAlchemy's signature
        """Return what turns a result of any driver, with or without a codec, into the declared form."""
        return _RESULTS[self.python_type]

    def bind_expression(self, bindvalue: BindParameter[Any]) -> ColumnElement[Any]:
        """Return the parameter with the cast that makes its type certain."""
        return TypedParameter(bindvalue, self, through="REAL[]")

    def column_expression(self, colexpr: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return the column as it is selected: in binary when arrays are asked for."""
        return BinaryResult(colexpr, colexpr.type) if self.reads_binary else colexpr  # a decorator keeps its say
