"""What PostgreSQL accepts in an index: columns that have one text, calls of functions that are immutable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import JSON, Boolean, Enum, Float, Integer, Numeric, String, TextClause, Uuid
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import FunctionElement

from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.types.decorators import undecorated

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Table

__all__ = ["own_column", "refuse_volatile", "text_column"]


def own_column(table: Table, name: str) -> Column[Any]:
    """Return the column of a name or key.

    Raises:
        DeclarationError: the table has none.
    """
    for column in table.c:
        if name in {column.name, column.key}:
            return column
    raise DeclarationError(
        f"The table {table.name!r} has no column {name!r}, which the source of an embedding names. "
        "An index finds the rows whose text has changed, and an index covers columns of its own table only. "
        f"Name columns of {table.name!r}: {', '.join(column.name for column in table.c)}."
    )


def text_column(table: Table, name: str) -> Column[Any]:
    """Return the column of a name or key, whose text is the same in every session.

    Raises:
        DeclarationError: the table has none, or its text depends on settings or may change with its type.
    """
    column = own_column(table, name)
    kind = undecorated(column.type)
    native_enum = isinstance(kind, Enum) and kind.native_enum
    if isinstance(kind, _IMMUTABLE_TEXT) and not native_enum:
        return column
    raise DeclarationError(
        f"The column {table.name}.{column.name} of type {column.type!r} can not be part of the source of an embedding. "
        "How PostgreSQL writes such a value as text may change with the settings of a session or with the type, so it "
        "refuses it in the index that finds the rows whose text has changed. "
        "Name columns of text, numbers, booleans, UUIDs or JSON, or write one SQL expression that is immutable."
    )


_IMMUTABLE_TEXT: Final = (String, Integer, Numeric, Float, Boolean, Uuid, JSON)
"""Types that PostgreSQL writes as text by immutable functions; a native enum is not, and a String to SQLAlchemy."""


_NOT_IMMUTABLE: Final = frozenset(
    {
        *("concat", "concat_ws", "format", "convert_to", "convert_from", "to_char", "to_date", "to_timestamp"),
        *("now", "clock_timestamp", "statement_timestamp", "random", "current_setting", "unaccent", "to_json"),
        *("to_jsonb", "array_to_string", "date_trunc", "quote_nullable", "string_agg", "gen_random_uuid"),
    }
)
"""Functions that people write texts with, and that PostgreSQL refuses in an index because they are not immutable."""


def refuse_volatile(source: ColumnElement[Any] | TextClause) -> None:
    """Refuse an expression that calls what is known not to be immutable.

    Raises:
        DeclarationError: it does.
    """
    if isinstance(source, TextClause):
        called = {name.lower() for name in re.findall(r"(\w+)\s*\(", source.text)}
    else:
        called = {one.name.lower() for one in visitors.iterate(source) if isinstance(one, FunctionElement)}
    refused = sorted(called & _NOT_IMMUTABLE)
    if refused:
        raise DeclarationError(
            f"The source {str(source)!r} calls {refused[0]}(), which is not immutable. "
            "PostgreSQL refuses such a function in an index, and an index finds the rows whose text has changed. "
            "Write || and coalesce() instead, or wrap it in a function of your own that is declared IMMUTABLE."
        )
