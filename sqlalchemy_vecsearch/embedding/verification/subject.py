"""What a verification looks at: a column that was embedded anew, beside the one that searches use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import BigInteger, func, literal_column, select

from sqlalchemy_vecsearch.errors import MetricError
from sqlalchemy_vecsearch.metrics import Metric, Storage
from sqlalchemy_vecsearch.search.building.column import searched_column
from sqlalchemy_vecsearch.search.building.query_vector import can_be_compared
from sqlalchemy_vecsearch.storages import storage_of

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Connection, Select, TextClause

    from sqlalchemy_vecsearch.embedding.declared import EmbeddedColumn

__all__ = ["COUNT", "NO_ROWS", "Progress", "Subject", "metric_of", "usable"]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is measured, how much of it is done, and how much there is."""

COUNT: Final[Any] = func.pg_catalog.count(literal_column("*"), type_=BigInteger)  # Any: filter() is not typed
NO_ROWS: Final = "no row has a vector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A new column beside the live one, on some rows or all.

    Args:
        found: the column that was embedded anew.
        live: the column that searches use.
        index: the name of the new column's index, None where none was built.
        index_where: the predicate of that index.
        where: the rows that are looked at, None for all.
    """

    found: EmbeddedColumn
    live: Column[Any]
    index: str | None = None
    index_where: TextClause | None = None
    where: ColumnElement[bool] | TextClause | None = None

    @property
    def rows(self) -> tuple[Any, ...]:
        """The conditions of the rows that are looked at; Any: expressions or texts."""
        return () if self.where is None else (self.where,)

    @property
    def searched(self) -> Select[Any]:
        """What searches look through: the keys of the rows that the index holds."""
        held = () if self.index_where is None else (self.index_where,)
        return select(*self.found.key).where(*self.rows, *held)

    def count(self, connection: Connection) -> int:
        """Return how many of the rows have a vector of the new column."""
        counted = select(COUNT).select_from(self.found.table).where(self.found.column.is_not(None), *self.rows)
        return connection.scalar(counted) or 0


def metric_of(column: Column[Any]) -> Metric:
    """Return the metric that searches of a column use: that of its declaration or its index, else the usual one."""
    try:
        return searched_column(column).metric
    except MetricError:
        return Metric.HAMMING if storage_of(column.type) is Storage.BIT else Metric.COSINE


def usable(column: Column[Any]) -> ColumnElement[bool]:
    """Return the condition that the vector of a row can be compared with others."""
    return can_be_compared(column, searched_column(column, metric_of(column), exact=True))
