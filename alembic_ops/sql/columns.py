"""Columns as they stand in DDL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.schema import CreateColumn

from sqlalchemy_vecsearch.quoting import DIALECT

if TYPE_CHECKING:
    from sqlalchemy import Column

__all__ = ["column_sql", "column_type"]


def column_sql(column: Column[Any]) -> str:  # Any: a column of any type
    """Return a column, which need not be in a table, with its type, default and NOT NULL."""
    return str(CreateColumn(column).compile(dialect=DIALECT))


def column_type(column: Column[Any]) -> str:  # Any: as above
    """Return the type of a column."""
    return str(column.type.compile(dialect=DIALECT))
