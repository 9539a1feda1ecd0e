"""Copies of a Select with other clauses than it has."""

# ruff: noqa: SLF001  # SQLAlchemy offers no other way to look into a Select

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import true
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import LoaderCriteriaOption, RelationshipProperty
from sqlalchemy.sql.util import join_condition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, FromClause

    from sqlalchemy_vecsearch.selects.elements import Statement

__all__ = [
    "cross_joined",
    "left_of_joins",
    "locking_as",
    "on_foreign_keys",
    "only_columns",
    "prepended",
    "with_criteria",
    "without_filter",
]


def with_criteria(statement: Statement, criteria: tuple[ColumnElement[bool], ...]) -> Statement:
    """Return a copy with other conditions in WHERE."""
    copy = statement.where()
    copy._where_criteria = criteria
    return copy


def without_filter(
    statement: Statement,
    criteria: Iterable[ColumnElement[bool]] = (),
    *columns: Any,
    order: Iterable[Any] = (),
    limit: ColumnElement[int] | None = None,
) -> Statement:
    """Return a copy for joining to rows that have passed the filter already.

    Args:
        statement: whose WHERE, ORDER BY and OFFSET are left out.
        criteria: the conditions that stand in WHERE instead.
        columns: columns to select besides its own.
        order: what it is ordered by instead.
        limit: how many rows to return, None for all.
    """
    copy = _pinned(statement)._generate()
    copy._where_criteria = tuple(criteria)
    copy._raw_columns = [*copy._raw_columns, *columns]
    copy._order_by_clauses = tuple(order)
    copy._offset_clause = None
    copy._limit_clause = limit
    return copy


def only_columns(statement: Statement, *columns: Any) -> Statement:
    """Return a copy that selects other columns from the same tables, without locks and options that load entities."""
    copy = _pinned(statement).with_only_columns(*columns)
    copy._order_by_clauses = ()
    copy._offset_clause = None
    copy._with_options = tuple(option for option in copy._with_options if isinstance(option, LoaderCriteriaOption))
    copy._for_update_arg = None
    return copy


def prepended(statement: Statement, *columns: Any) -> Statement:
    """Return a copy that selects other columns before its own."""
    return _pinned(statement).with_only_columns(*columns, *statement._raw_columns)


def locking_as(statement: Statement, locking: Statement) -> Statement:
    """Return a copy that locks rows as another statement does, which may be not at all."""
    copy = statement._generate()
    copy._for_update_arg = locking._for_update_arg
    return copy


def cross_joined(statement: Statement) -> Statement:
    """Return a copy that names everything it reads in one join.

    The comma between two tables in a LATERAL sub-select makes SQLAlchemy warn of a cartesian product, whatever WHERE
    says: it looks for the conditions in the statement outside.
    """
    if statement._setup_joins or statement._from_obj:
        return statement
    joined, *others = statement.get_final_froms()
    if not others:
        return statement
    for source in others:
        joined = joined.join(source, true())
    return statement.select_from(joined)


def _pinned(statement: Statement) -> Statement:
    """Return a copy whose joins start where they start now, whatever columns it will select."""
    if statement._setup_joins and not statement._from_obj:
        return statement.select_from(left_of_joins(statement))
    return statement


def left_of_joins(statement: Statement) -> FromClause:
    """Return which of the sources of what is selected the first ``.join()`` starts from, as SQLAlchemy chooses it."""
    first, *others = statement.columns_clause_froms
    if not others:
        return first
    joined: tuple[Any, ...] = statement._setup_joins[0]
    target, condition, left, _ = joined
    for attribute in (target, condition):
        if isinstance(getattr(attribute, "property", None), RelationshipProperty):
            left = attribute.parent.selectable
    named = () if left is not None or condition is None else condition._from_objects
    joined_to = getattr(target, "selectable", target)
    for source in (one for one in (first, *others) if hash(one) != hash(joined_to)):  # as of one with annotations
        if source is left or source in named:
            return source
        if left is None and condition is None and on_foreign_keys(source, joined_to) is not None:
            return source
    return first


def on_foreign_keys(source: FromClause, target: FromClause) -> ColumnElement[bool] | None:
    """Return the ON of a join that foreign keys give, None where there is none between the two, or several."""
    try:
        return join_condition(source, target)
    except ArgumentError:
        return None
