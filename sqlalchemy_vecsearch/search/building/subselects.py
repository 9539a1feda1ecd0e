"""Sub-selects under names that can be read in a log, such as ``candidates_1``, and that nothing else can have.

A fixed name would clash when two searches meet in one statement, since each name after WITH must be of one sub-select.
SQLAlchemy's own anonymous names do not clash and are numbered, but say nothing (``anon_7``), and that of a CTE is made
of the address of an object that ``prefix_with`` replaces: the next CTE can get the same address, and so the same name.
The names here are of SQLAlchemy's kind, made of the address of the select itself, which the sub-select keeps alive.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnClause, Integer, func, literal_column, select

from sqlalchemy_vecsearch.selects import is_stored, numbered

if TYPE_CHECKING:
    from sqlalchemy import CTE, ColumnElement, FromClause, Select, Subquery, TextualSelect
    from sqlalchemy.sql.selectable import CompoundSelect
    from sqlalchemy.types import TypeEngine

    # Any: the columns of a level between are known by their names; the last is what a deferred sub-select is
    Selected = Select[Any] | CompoundSelect[Any] | TextualSelect

__all__ = [
    "column_of",
    "count_of",
    "count_rows",
    "filtered_first",
    "inline",
    "lateral",
    "materialized",
    "narrow",
    "numbered",
    "shared",
]


def materialized(statement: Selected, name: str) -> CTE:
    """Return ``name AS MATERIALIZED (SELECT ...)``: run once, and planned apart from what reads it."""
    return shared(statement, name).prefix_with("MATERIALIZED")


def shared(statement: Selected, name: str) -> CTE:
    """Return ``name AS (SELECT ...)``."""
    return statement.cte(numbered(statement, name))


def inline(statement: Selected, name: str) -> Subquery:
    """Return ``(SELECT ...) AS name``."""
    return statement.subquery(numbered(statement, name))


def narrow(statement: Select[Any], name: str) -> Subquery:
    """Return ``(SELECT ... OFFSET 0) AS name``: planned apart, so that what it does not select is not carried further.

    PostgreSQL would take the sub-select into the level above, and sort whole rows there, with their vectors, before it
    works out a distance: 1.5 GB of temporary files for a million rows x 384, and 31 MB with keys and distances alone.
    """
    return inline(statement.offset(literal_column("0")), name)


def filtered_first(statement: Select[Any], vector: Any) -> Select[Any]:  # Any: an attribute or an expression
    """Return a SELECT of a vector, on which conditions are to stand outside: none is evaluated before those within.

    PostgreSQL takes a sub-select into the level above, where it evaluates the cheaper condition first, and ``=`` last
    of those that cost the same. In a column without dimensions that is a cast of rows which the filter is to keep out,
    and an error. ``OFFSET 0`` plans the sub-select apart; a vector as it is stored needs no such thing.
    """
    return statement if is_stored(vector) else statement.offset(literal_column("0"))


def column_of(rows: FromClause, name: str, type_: TypeEngine[Any]) -> ColumnClause[Any]:
    """Return ``rows.name``, made alone: for ``rows.c`` SQLAlchemy makes all columns, a fifth of what a search costs."""
    found = _ColumnOf(name, type_)
    found.table = rows
    return found


class _ColumnOf(ColumnClause[Any]):
    """A column that was made alone: SQLAlchemy is told what it stands for when a statement with it is copied."""

    inherit_cache = True
    _constructor = ColumnClause  # of the column of a sub-select that stands for this one

    @property
    def _proxies(self) -> list[Any]:  # Any: an attribute there, of columns
        return [] if self.table is None else [self.table.c[self.name]]


def lateral(statement: Select[Any] | TextualSelect, name: str) -> FromClause:
    """Return ``LATERAL (SELECT ...) AS name``."""
    return statement.lateral(numbered(statement, name))


@cache
def count_rows() -> ColumnElement[int]:
    """Return ``count(*)``."""
    return func.pg_catalog.count(literal_column("*"), type_=Integer)


def count_of(rows: FromClause) -> ColumnElement[int]:
    """Return the number of rows of a sub-select, as a scalar sub-select of its own."""
    return select(count_rows().label("rows")).select_from(rows).scalar_subquery()
