"""The errors that both packages raise.

Each message is three sentences: what happened, why, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "DeclarationError",
    "DimensionError",
    "LoadingError",
    "LoadingValueError",
    "MetricError",
    "ModelError",
    "SearchError",
    "SearchPathError",
    "ServerError",
    "SettingsError",
    "UnsupportedServerError",
    "VecSearchError",
    "VectorValueError",
]


class VecSearchError(Exception):
    """The base of every error that sqlalchemy_vecsearch and alembic_ops raise on purpose."""


class DeclarationError(VecSearchError, ValueError):
    """A column, index or mixin is declared in a way that PostgreSQL or pgvector would refuse."""


class MetricError(VecSearchError, ValueError):
    """A metric is unknown, or the column's index cannot serve it."""


class VectorValueError(VecSearchError, ValueError):
    """A value is not a vector that the column can hold."""


class DimensionError(VectorValueError):
    """A vector has another length than the column declares.

    Attributes:
        expected: the declared number of dimensions.
        actual: the number of dimensions of the value.
    """

    def __init__(self, message: str, *, expected: int, actual: int) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class SearchError(VecSearchError, ValueError):
    """A search is asked for in a way that has no sensible answer."""


class SearchPathError(VecSearchError, LookupError):
    """SQL text names an operator, function or type of pgvector that the search path does not lead to.

    Attributes:
        schema: the schema of the extension, quoted where it must be.
    """

    def __init__(self, message: str, *, schema: str) -> None:
        super().__init__(message)
        self.schema = schema


class ModelError(SearchError):
    """A question is of another model than the column that is searched."""


class SettingsError(VecSearchError, ValueError):
    """A search setting is out of its range, or could not hold."""


class LoadingError(VecSearchError):
    """Rows could not be loaded; none of them is in the table.

    Where the rows or the arguments are to blame it is a `LoadingValueError`. Else the server would not have taken any
    rows: the connection was lost, a privilege is missing, the server only reads, a lock or a timeout stopped it.

    Attributes:
        row: the number of the row that is to blame, counted from 0; None when it is no single row.
        column: the name of the column that is to blame; None when it is no single column.
        columns: the names of all columns of the rule that the row violates, such as those of a key; empty when they
            are not known.
        constraint: the name of the constraint or unique index that the row violates, None when there is none.
        sqlstate: the server's code, such as ``"40001"`` for a transaction that may be run again; None where the server
            said nothing.
        orig: the exception of the driver or of the column's type, None where there is none.
    """

    def __init__(
        self,
        message: str,
        *,
        row: int | None = None,
        column: str | None = None,
        columns: Sequence[str] = (),
        constraint: str | None = None,
        sqlstate: str | None = None,
        orig: BaseException | None = None,
    ) -> None:
        super().__init__(message)
        self.row = row
        self.column = column
        self.columns = tuple(columns) if column is None else (column,)
        self.constraint = constraint
        self.sqlstate = sqlstate
        self.orig = orig


class LoadingValueError(LoadingError, ValueError):
    """The rows, the table or the arguments of a load are not as they must be; none of the rows is in the table."""


class ServerError(VecSearchError, RuntimeError):
    """A PostgreSQL server for tests or the demo could not be started or used."""


class UnsupportedServerError(VecSearchError, RuntimeError):
    """The server's PostgreSQL or pgvector is older than a feature needs."""
