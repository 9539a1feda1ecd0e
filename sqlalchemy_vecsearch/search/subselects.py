"""Sub-selects under names that can be read in a log, such as ``candidates_1``, and that nothing else can have.

A fixed name would clash when two searches meet in one statement, since each name after WITH must be of one sub-select.
SQLAlchemy's own anonymous names do not clash and are numbered, but say nothing (``anon_7``), and that of a CTE is made
of the address of an object that ``prefix_with`` replaces: the next CTE can get the same address, and so the same name.
The names here are of SQLAlchemy's kind, made of the address of the select itself, which the sub-select keeps alive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.sql.elements import _anonymous_label  # 2.0 and 2.1 have no public name for a name that is numbered

if TYPE_CHECKING:
    from sqlalchemy import CTE, FromClause, Select, Subquery
    from sqlalchemy.sql.selectable import CompoundSelect

    Selected = Select[Any] | CompoundSelect[Any]  # Any: the columns of a level between are known by their names

__all__ = ["inline", "lateral", "materialized", "numbered", "shared"]


def materialized(statement: Selected, name: str) -> CTE:
    """Return ``name AS MATERIALIZED (SELECT ...)``: run once, and planned apart from what reads it."""
    return shared(statement, name).prefix_with("MATERIALIZED")


def shared(statement: Selected, name: str) -> CTE:
    """Return ``name AS (SELECT ...)``."""
    return statement.cte(numbered(statement, name))


def inline(statement: Selected, name: str) -> Subquery:
    """Return ``(SELECT ...) AS name``."""
    return statement.subquery(numbered(statement, name))


def lateral(statement: Select[Any], name: str) -> FromClause:
    """Return ``LATERAL (SELECT ...) AS name``."""
    return statement.lateral(numbered(statement, name))


def numbered(source: Selected | FromClause, name: str) -> str:
    """Return a name to which a number is added when the statement is compiled.

    Args:
        source: what is named; it has to live as long as the name.
        name: the name without its number.
    """
    return _anonymous_label.safe_construct(id(source), name)
