"""The shapes that a nearest-neighbour Select can take, one function a shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, case

from sqlalchemy_vecsearch.search.building.arms import arms_of
from sqlalchemy_vecsearch.search.building.candidates import by_distance
from sqlalchemy_vecsearch.search.building.comparing import is_within
from sqlalchemy_vecsearch.search.building.deferred import number
from sqlalchemy_vecsearch.search.building.narrow_order import Carried, carried_ties, in_its_order, sorted_rows
from sqlalchemy_vecsearch.search.building.one_partition import partition_form
from sqlalchemy_vecsearch.search.building.ordering import unindexed
from sqlalchemy_vecsearch.search.building.row_keys import RowKeys, identity_of
from sqlalchemy_vecsearch.search.building.stages import staged
from sqlalchemy_vecsearch.search.building.subselects import materialized, shared
from sqlalchemy_vecsearch.selects import is_locking, is_stored, offset_of, tie_breaks, where_criteria

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.search.building.scan import Effort
    from sqlalchemy_vecsearch.search.building.stages import Stages
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["exact_form", "found_form"]


def exact_form(search: Search) -> Statement:
    """Return the form that no approximate index can serve: ``ORDER BY (distance) + 0``.

    It reads every row that passes the filter; plain indexes on the filter still serve. Rows that are locked, or have no
    key, are sorted whole.
    """
    identity = identity_of(search.statement, search.searched)
    if identity is None or is_locking(search.statement):
        return _sorted_whole(search)
    keys = RowKeys(identity)
    ties = carried_ties(search.statement, keys)
    if ties is None:
        return _sorted_whole(search)
    columns = (Carried("distance", unindexed(search.distance)), *ties)
    found = sorted_rows(search, keys, columns, limit=number(search.wanted))
    outer = in_its_order(search, keys, found, "distance", limit=number(search.k))
    if search.within is not None:
        outer = outer.where(is_within(found.columns["distance"], search.within))
    return outer.offset(offset) if (offset := offset_of(search.statement)) else outer


def _sorted_whole(search: Search) -> Statement:
    distance = search.distance
    statement = search.statement.where(*search.has_embedding)
    if search.within is not None:
        statement = statement.where(_of_those_that_pass(search, is_within(distance, search.within)))
    return (
        statement.add_columns(distance.label("distance"))
        .order_by(None)
        .order_by(unindexed(distance), *tie_breaks(search.statement))
        .limit(search.k)
    )


def _of_those_that_pass(search: Search, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return a condition that is evaluated after WHERE: a cast of a row that the filter keeps out may be an error."""
    criteria = where_criteria(search.statement)
    if is_stored(search.searched.element) or not criteria:
        return condition
    return case((and_(*criteria), condition))


def found_form(search: Search, effort: Effort, oversample: int | None = None, stages: Stages = ()) -> Statement:
    """Return the form that takes the nearest rows inside, by whichever way, and sorts and cuts them outside.

    ``ORDER BY distance + 0`` sorts for real: an iterative scan in relaxed order returns rows out of order, and
    PostgreSQL 17 and later removes a plain ``ORDER BY distance``, believing the index. It stands inside, so that only
    ``k`` rows are found again by their keys; the planner knows the order of what it has sorted, and keeps it outside.
    """
    if not stages and (rows_of_partition := partition_form(search, effort, oversample)) is not None:
        return rows_of_partition
    staged_rows = max((kept for _, kept in stages), default=0)
    locking = is_locking(search.statement) and search.searched.quantize is None
    # rows at one distance are told apart outside, and locked ones are those that are looked at
    best = not (stages or locking or tie_breaks(search.statement))
    arms = arms_of(
        search,
        effort,
        search.wanted,
        oversample=oversample,
        at_least=staged_rows,
        locking=locking,
        best=best,
    )
    found = shared(arms.rows, "nearest") if best else materialized(arms.rows, "candidates")
    rows = staged(search, arms.keys, found, stages)
    outer = by_distance(search, arms.keys, rows, limit=number(search.k), is_sorted=best)
    if search.within is not None:
        outer = outer.where(is_within(outer.selected_columns["distance"].element, search.within))
    return outer.offset(offset) if (offset := offset_of(search.statement)) else outer
