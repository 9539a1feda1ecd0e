"""The nearest rows of a search, as a sub-select whose ways to them are built when it is compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy_vecsearch.search.building.decided import decided
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE, Deferred, Numbers
from sqlalchemy_vecsearch.search.building.index_predicates import literal_forms
from sqlalchemy_vecsearch.search.building.request import search_of_parts
from sqlalchemy_vecsearch.search.building.row_keys import row_keys
from sqlalchemy_vecsearch.search.building.ways import Ways
from sqlalchemy_vecsearch.selects import as_clause, cross_joined

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    from sqlalchemy_vecsearch.search.building.counts import Counts
    from sqlalchemy_vecsearch.search.building.decided import Shape
    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.search.building.row_keys import RowKeys
    from sqlalchemy_vecsearch.search.building.scan import Effort
    from sqlalchemy_vecsearch.search.building.subselects import Selected

__all__ = ["Arms", "arms_of"]


@dataclass(frozen=True, slots=True)
class Arms:
    """The rows that the arms yield together, nearest first where ``sort`` was asked for.

    ``rows`` has the columns ``key_0`` ..., those asked for, and ``distance``, which is that of the full vectors.
    """

    rows: Deferred
    keys: RowKeys
    counts: Counts


def arms_of(
    search: Search,
    effort: Effort,
    wanted: int,
    *columns: Any,  # Any: labelled columns of any type
    oversample: int | None = None,
    at_least: int = 0,
    exact: bool = False,
    locking: bool = False,
    exclude: ColumnElement[bool] | None = None,
    outer: FromClause | None = None,
    best: bool = True,
    keys: RowKeys | None = None,
) -> Arms:
    """Return the ways to the ``wanted`` nearest rows.

    Args:
        search: the search; its ``k`` does not matter here.
        effort: how thoroughly to search, and by which way.
        wanted: how many rows.
        columns: labelled columns to read besides the keys.
        oversample: candidates for each row wanted of a quantised index; None takes what is usual.
        at_least: candidates that are looked at in any case.
        exact: True leaves the exact way alone.
        locking: True locks the rows where they are taken, if the statement locks, and takes no more than are wanted.
        exclude: a condition that may name columns of ``outer``.
        outer: for a LATERAL sub-select, the rows whose columns it names, one of them ``vector``.
        best: False leaves in whatever more was looked at, in any order.
        keys: what tells the rows of the statement apart, where that is known already.
    """
    searched = search.searched
    keys = row_keys(search.statement, searched) if keys is None else keys
    known = decided(
        searched.declared,
        effort,
        wanted,
        oversample,
        at_least,
        len(columns),
        exact=exact,
        filtered=exclude is not None or search.is_filtered,
        locking=locking,
        best=best,
        excludes=exclude is not None,
        correlates=outer is not None,
    )
    whole, scanned = literal_forms(search.statement, searched)
    if scanned == (whole,):  # part of the cache key once
        scanned = ()
    parts = (
        Numbers.parameter(known.numbers),
        whole,
        as_clause(searched.element),
        search.vector,
        *columns,
        *(() if exclude is None else (exclude,)),
        *(() if outer is None else (outer,)),
        *scanned,
    )
    named = [*keys.typed, *((one.name, one.type) for one in columns), ("distance", DOUBLE)]
    return Arms(Deferred(_Recipe(known.shape), parts, named), keys, known.counts)


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How the sub-select is built from its parts."""

    shape: Shape

    def __call__(self, numbers: Any, statement: Any, element: Any, vector: Any, *others: Any) -> Selected:
        """Return the SELECT of the rows."""
        columns, others = others[: self.shape.columns], others[self.shape.columns :]
        exclude, others = others[: self.shape.excludes], others[self.shape.excludes :]
        outer, scanned = others[: self.shape.correlates], others[self.shape.correlates :] or (statement,)
        search = search_of_parts(self.shape.declared, cross_joined(statement) if outer else statement, element, vector)
        statements = [cross_joined(one) for one in scanned] if outer else scanned
        return Ways(self.shape, Numbers(numbers), search, statements, columns, exclude, *outer).rows()
