"""The ``sparsevec`` type: the non-zero elements of a long vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from pgvector import SparseVector
from pgvector.sqlalchemy import SPARSEVEC as _SPARSEVEC
from sqlalchemy.dialects.postgresql.base import ischema_names

from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.types.adapters import SparsevecWire, teach_connections
from sqlalchemy_vecsearch.types.dimensions import checked_dimensions
from sqlalchemy_vecsearch.types.distances import FloatDistances
from sqlalchemy_vecsearch.types.naming import NamedByColumn
from sqlalchemy_vecsearch.types.sparse_values import SparseParts, checked_sparse
from sqlalchemy_vecsearch.types.sql import TypedParameter, driver_of
from sqlalchemy_vecsearch.types.wire import sparse_binary, sparse_of_result, sparse_text

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import BindParameter, ColumnElement

__all__ = ["SPARSEVEC"]

Processor: TypeAlias = Callable[[Any], Any]  # SQLAlchemy hands any Python value through


class _TextOrCodec(str, SparseVector):  # noqa: SLOT000  # the other base has a dictionary anyway
    """The text form, which is also the value that a codec registered with asyncpg expects."""

    parts: SparseParts

    def __new__(cls, parts: SparseParts) -> _TextOrCodec:  # noqa: PYI034  # Self would promise more than is needed
        self = super().__new__(cls, sparse_text(parts))
        self.parts = parts
        return self

    def __init__(self, parts: SparseParts) -> None:
        """Leave the lists of the codec's class empty: only its binary form is asked for."""

    def to_binary(self) -> bytes:
        return sparse_binary(self.parts)


def _psycopg(parts: SparseParts) -> SparsevecWire:
    return SparsevecWire(sparse_binary(parts))


class _Comparator(FloatDistances, _SPARSEVEC.comparator_factory):  # type: ignore[misc, valid-type]  # an attribute
    """The distances of pgvector-python, as floats."""


class SPARSEVEC(NamedByColumn, _SPARSEVEC):
    """A column of sparse vectors, up to 16,000 non-zero elements, 8 bytes each and 16 more.

    It replaces `pgvector.sqlalchemy.SPARSEVEC`, and returns `pgvector.SparseVector` as that does. Values travel in
    binary with psycopg 3, and with asyncpg when a codec is registered on the connection; else as text, which is short
    because only the elements that are not zero are written.

    Args:
        dim: the number of dimensions, None to accept any; an index needs it.

    Example:
        >>> Column("terms", SPARSEVEC(30522))
    """

    cache_ok = True
    comparator_factory = _Comparator

    def __init__(self, dim: int | None = None) -> None:
        super().__init__(checked_dimensions(dim, Storage.SPARSEVEC))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.dim is None else f'dim={self.dim}'})"

    @property
    def python_type(self) -> type[SparseVector]:
        """The class of a result, which libraries that make schemas and forms of models ask for."""
        return SparseVector

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Return what turns a value into the best form that the driver can send."""
        send: Callable[[SparseParts], Any] = sparse_text
        if driver_of(dialect) == "psycopg":
            teach_connections(dialect)
            send = _psycopg
        elif driver_of(dialect) == "asyncpg":
            send = _TextOrCodec
        dimensions = self.dim

        def process(value: Any) -> Any:
            return None if value is None else send(checked_sparse(value, dimensions, self.column_name))

        return process

    def literal_processor(self, dialect: Dialect) -> Processor:  # noqa: ARG002  # SQLAlchemy's signature
        """Return what turns a value into a quoted SQL literal."""
        write = self.text_processor()
        return lambda value: f"'{write(value)}'"  # digits and brackets: nothing to escape

    def text_processor(self) -> Callable[[Any], str]:  # any value that the column takes
        """Return what turns a value into its shortest text, for a place inside of another text."""
        dimensions = self.dim
        return lambda value: sparse_text(checked_sparse(value, dimensions, self.column_name))

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002  # SQLAlchemy's signature
        """Return what turns a result of any driver, with or without a codec, into a `pgvector.SparseVector`."""
        return sparse_of_result

    def bind_expression(self, bindvalue: BindParameter[Any]) -> ColumnElement[Any]:
        """Return the parameter with the cast that makes its type certain."""
        return TypedParameter(bindvalue, self, through=None)


ischema_names["sparsevec"] = SPARSEVEC
