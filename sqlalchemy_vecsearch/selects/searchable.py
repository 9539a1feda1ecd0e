"""The Select that a search starts from, refused where it has already what the search must add."""

# ruff: noqa: SLF001  # SQLAlchemy offers no other way to look into a Select

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import FunctionFilter, Over, Select, WithinGroup, inspect, select
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.util import AliasedInsp
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import FromClause

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.selects.elements import Statement, parts, shown

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["as_select"]


_AGGREGATES: Final = frozenset(
    [
        *("array_agg", "avg", "bool_and", "bool_or", "count", "every", "json_agg", "json_object_agg"),
        *("jsonb_agg", "jsonb_object_agg", "max", "min", "string_agg", "sum"),
    ]
)


def as_select(source: Any) -> Statement:
    """Return the statement that a helper starts from: a Select as it is, an entity or a table selected whole.

    Raises:
        SearchError: the source is neither, or already has what a search must add.
    """
    if isinstance(source, Select):
        _refuse_shape(source)
        return source
    if isinstance(source, FromClause):
        return select(source)
    try:
        entity = inspect(source)
    except NoInspectionAvailable:
        entity = None
    if isinstance(entity, Mapper | AliasedInsp):
        return select(source)
    raise SearchError(
        f"{shown(source)} can not be searched. "
        "A search starts from a mapped class, an alias of one, a table, or a Select of them, and this is none. "
        "Pass the class, such as Document, or select(Document).where(...)."
    )


def _refuse_shape(statement: Statement) -> None:
    refused = (
        ("a LIMIT", statement._limit_clause is not None, "Leave .limit() out: k is the limit."),
        ("a FETCH", statement._fetch_clause is not None, "Leave .fetch() out: k is the limit."),
        ("a GROUP BY", bool(statement._group_by_clauses), "Group the rows of the search in an outer statement."),
        ("a HAVING", bool(statement._having_criteria), "Filter the rows of the search in an outer statement."),
        ("a DISTINCT", bool(statement._distinct), "Apply DISTINCT to the rows of the search in an outer statement."),
        (
            "a window function",
            _selects(statement, _is_window),
            "Apply it to the rows of the search in an outer statement.",
        ),
        ("an aggregate", _selects(statement, _is_aggregate), "Aggregate the rows of the search in an outer statement."),
    )
    for word, present, remedy in refused:
        if present:
            raise SearchError(
                f"The statement to search has {word}. "
                "At the level of the search it would hide the order that the index serves, and every row would be "
                "read. "
                f"{remedy}"
            )


def _selects(statement: Statement, wanted: Callable[[Any], bool]) -> bool:
    return any(wanted(part) for column in statement._raw_columns if not _is_plain(column) for part in parts(column))


def _is_plain(column: Any) -> bool:
    """Return whether an entry of the select list is a table or a column, whose parts need no look."""
    return isinstance(column, FromClause | ColumnClause) and not isinstance(column, FunctionElement)


def _is_window(part: Any) -> bool:
    return isinstance(part, Over)


def _is_aggregate(part: Any) -> bool:
    if isinstance(part, FunctionElement):
        return getattr(part, "name", "").lower() in _AGGREGATES
    return isinstance(part, FunctionFilter | WithinGroup)
