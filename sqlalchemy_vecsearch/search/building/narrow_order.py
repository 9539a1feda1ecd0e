"""The order of the rows of a search, in which their keys are sorted before the rows themselves are read.

A sort carries all that is selected beside it. So a level of its own sorts the keys with what the order needs, and the
rows are found again by their keys, in the order that the planner knows from that sort. Of what WITH materialises, as it
does all that carries settings, PostgreSQL knows the order from 17 on; the sort stands in a sub-select that it inlines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnClause, Label, TextClause, UnaryExpression, select
from sqlalchemy.sql import operators

from sqlalchemy_vecsearch.search.building.deferred import Deferred
from sqlalchemy_vecsearch.search.building.request import search_of_parts
from sqlalchemy_vecsearch.search.building.row_keys import row_keys
from sqlalchemy_vecsearch.search.building.rows_found import found_again, rows_found
from sqlalchemy_vecsearch.search.building.subselects import column_of, shared
from sqlalchemy_vecsearch.selects import as_clause, is_locking, named_by, only_columns, tie_breaks, without_filter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, FromClause

    from sqlalchemy_vecsearch.search.building.column import Declared
    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.search.building.row_keys import RowKeys
    from sqlalchemy_vecsearch.search.building.subselects import Selected
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["ASCENDING", "DESCENDING", "Carried", "InOrder", "carried_ties", "in_its_order", "in_order", "sorted_rows"]

Modifiers = tuple[Any, ...]  # Any: SQLAlchemy's operators around a term of ORDER BY, the innermost first
ASCENDING: Final[Modifiers] = ()
DESCENDING: Final[Modifiers] = (operators.desc_op,)
_MODIFIERS: Final = {operators.asc_op, operators.desc_op, operators.nulls_first_op, operators.nulls_last_op}


@dataclass(frozen=True, slots=True)
class Carried:
    """A column that is sorted beside the keys, and how it is ordered by: None is not at all."""

    name: str
    expression: ColumnElement[Any]
    modifiers: Modifiers | None = ASCENDING


def carried_ties(statement: Statement, keys: RowKeys) -> tuple[Carried, ...] | None:
    """Return what the caller's ORDER BY needs, None where that is text, or where rows are locked in their order.

    A key goes by its own name: of one column under two names the planner knows the order by the first.
    """
    terms = tie_breaks(statement)
    if not terms:
        return ()
    if is_locking(statement):
        return None
    named = [(name, as_clause(key)) for name, (key, _) in zip(keys.names, keys.columns, strict=True)]
    found = [_term(f"tie_{number}", term, named) for number, term in enumerate(terms)]
    told = tuple(term for term in found if term is not None)
    return told if len(told) == len(found) else None


def _term(name: str, clause: Any, keys: Sequence[tuple[str, Any]]) -> Carried | None:  # Any: a clause of ORDER BY
    """Return a term of ORDER BY, its modifiers apart."""
    modifiers: list[Any] = []
    while True:
        if isinstance(clause, UnaryExpression) and clause.modifier in _MODIFIERS:
            modifiers.append(clause.modifier)
            clause = clause.element
        elif (meant := named_by(clause, {})) is not clause:
            clause = meant
        elif isinstance(clause, Label):
            clause = clause.element
        elif clause is None or isinstance(clause, TextClause) or _is_name(clause):
            return None
        else:
            own = next((own for own, key in keys if clause.compare(key)), name)
            return Carried(own, clause, tuple(reversed(modifiers)))


@dataclass(frozen=True, slots=True)
class InOrder:
    """A sub-select in the order of a search, its columns by name, and that order in terms of its own columns."""

    rows: FromClause
    columns: Mapping[str, ColumnElement[Any]]
    order: tuple[ColumnElement[Any], ...]
    is_cut: bool = False


def in_order(
    search: Search,
    keys: RowKeys,
    rows: FromClause,
    columns: Sequence[Carried],
    *,
    limit: ColumnElement[int] | None = None,
    offset: ColumnElement[int] | None = None,
    by_keys: bool = False,
    of_rows: bool = False,
) -> InOrder:
    """Return the rows of a sub-select sorted by some columns, then by the caller's ORDER BY.

    Where that can not be told apart, they are as they were, to be sorted and cut outside.
    """
    ties = carried_ties(search.statement, keys)
    if ties is not None:
        of_rows = of_rows and not ties
        cut = {"limit": limit, "offset": offset}
        return sorted_rows(search, keys, (*columns, *ties), rows=rows, by_keys=by_keys, of_rows=of_rows, **cut)
    last = (column_of(rows, *key) for key in keys.typed) if by_keys else ()
    order = (*_order(columns), *tie_breaks(search.statement), *last)
    return InOrder(rows, {one.name: one.expression for one in columns}, order)


def in_its_order(
    search: Search, keys: RowKeys, found: InOrder, *names: str, limit: ColumnElement[int] | None = None
) -> Statement:
    """Return the caller's statement for the rows of such a sub-select, in its order, with some of its columns."""
    shown = (found.columns[name].label(name) for name in names)
    again = found_again(search, keys, found.rows)
    return without_filter(search.statement, again, *shown, order=found.order, limit=limit)


def sorted_rows(
    search: Search,
    keys: RowKeys,
    columns: Sequence[Carried],
    *,
    rows: FromClause | None = None,
    limit: ColumnElement[int] | None = None,
    offset: ColumnElement[int] | None = None,
    by_keys: bool = False,
    of_rows: bool = False,
) -> InOrder:
    """Return the keys of rows with some columns, sorted, as a sub-select to be read once.

    Args:
        search: the search.
        keys: what tells the rows apart, and finds them again.
        columns: what is carried: columns of the sub-select, or of the rows themselves.
        rows: the sub-select whose rows are sorted; None sorts all that pass the filter.
        limit: how many rows to keep, None for all.
        offset: how many to pass over before.
        by_keys: True lets the keys decide in the end.
        of_rows: True where all columns are of the sub-select, so that nothing is read besides it.
    """
    parts = [search.statement, as_clause(search.searched.element), *(one.expression for one in columns)]
    cut = {"rows": rows, "limit": limit, "offset": offset}
    given = {name: clause for name, clause in cut.items() if clause is not None}
    order = tuple((one.name, one.modifiers) for one in columns)
    form = _Sorted(declared=search.searched.declared, order=order, given=tuple(given), by_keys=by_keys, of_rows=of_rows)
    named = dict([*keys.typed, *((one.name, one.expression.type) for one in columns)])
    found = shared(Deferred(form, [*parts, *given.values()], [*named.items()]), "sorted")
    own = [Carried(one.name, column_of(found, one.name, one.expression.type), one.modifiers) for one in columns]
    last = (column_of(found, *key) for key in keys.typed) if by_keys else ()
    return InOrder(found, {one.name: one.expression for one in own}, (*_order(own), *last), is_cut=True)


def _order(columns: Sequence[Carried]) -> list[ColumnElement[Any]]:
    return [_modified(one.expression, one.modifiers) for one in columns if one.modifiers is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sorted:
    """How the keys of some rows are sorted."""

    declared: Declared
    order: tuple[tuple[str, Modifiers | None], ...]
    given: tuple[str, ...]
    by_keys: bool
    of_rows: bool

    def __call__(self, statement: Any, element: Any, *others: Any) -> Selected:
        """Return the SELECT of them."""
        search = search_of_parts(self.declared, statement, element, None)
        keys, count = row_keys(search.statement, search.searched), len(self.order)
        given = dict(zip(self.given, others[count:], strict=True))
        own = [one.label(name) for (name, _), one in zip(self.order, others[:count], strict=True)]
        by = [_modified(one, way) for (_, way), one in zip(self.order, own, strict=True) if way is not None]
        found = self._selected(search, keys, given.get("rows"), [one for one in own if one.name not in keys.names])
        last = list(found.selected_columns)[: len(keys.names)] if self.by_keys else ()
        return found.order_by(*by, *last).limit(given.get("limit")).offset(given.get("offset"))

    def _selected(self, search: Search, keys: RowKeys, rows: FromClause | None, own: list[Label[Any]]) -> Statement:
        if rows is None:
            return only_columns(search.statement.where(*search.has_embedding), *keys.labelled, *own)
        if self.of_rows:
            return select(*(column_of(rows, *key) for key in keys.typed), *own)
        return only_columns(rows_found(search, keys, rows), *keys.labelled, *own)


def _is_name(clause: Any) -> bool:
    """Return whether a term is a bare name, which may be that of a label, or SQL that is written as text."""
    return isinstance(clause, ColumnClause) and (clause.is_literal or clause.table is None)


def _modified(column: ColumnElement[Any], modifiers: Modifiers) -> ColumnElement[Any]:
    for modifier in modifiers:
        column = UnaryExpression(column, modifier=modifier)
    return column
