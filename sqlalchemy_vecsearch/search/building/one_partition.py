"""The shape of a search that reads one list partition whole, such as all rows of a tenant.

PostgreSQL plans each level that names the table, so a short statement counts here: on 256 partitions the general shape
has 45 plan nodes, of which 20 only decide, and this one 12 or 13. It needs no iterative scan, since no
condition but that of the partition drops rows; where others are hidden (by a policy, as dead rows, behind copies), the
partition is read whole, which is no more than the tenant's own rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, Integer, any_, case, func, literal_column

from sqlalchemy_vecsearch.search.building.comparing import equal_to_any, is_within
from sqlalchemy_vecsearch.search.building.counts import counts_of
from sqlalchemy_vecsearch.search.building.deferred import DeferredExpression, Numbers, number
from sqlalchemy_vecsearch.search.building.ordering import order_by_form, unindexed
from sqlalchemy_vecsearch.search.building.partition_keys import key_within_partition
from sqlalchemy_vecsearch.search.building.request import search_of_parts
from sqlalchemy_vecsearch.search.building.scan import Given, Reach, first_settings, probes_of
from sqlalchemy_vecsearch.search.building.subselects import materialized
from sqlalchemy_vecsearch.selects import as_clause, is_locking, offset_of, only_columns, tie_breaks

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from sqlalchemy_vecsearch.search.building.column import Declared
    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.search.building.scan import Effort
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["partition_form"]


def partition_form(search: Search, effort: Effort, oversample: int | None) -> Statement | None:
    """Return the shape for one list partition, None for a search of another kind, or told its way.

    The keys of the nearest rows travel as arrays: those of the first scan, and, where these are too few, those of all
    rows sorted. A key that is in both is found once.

    A LIMIT of 0 keeps the second way from running, and the planner counts its cost all the same: from some hundred
    thousand rows in one partition on, PostgreSQL compiles the statement where ``jit`` is on. A LIMIT below the sort, or
    both ways under one, would hide the cost for two or three nodes more.
    """
    key = key_within_partition(search)
    told = effort.strategy is not None or effort.max_exact_rows is not None or is_locking(search.statement)
    if key is None or told:
        return None
    counts = counts_of(search.searched, effort, search.wanted, filtered=False, oversample=oversample)
    probes, _ = probes_of(search.searched, effort, filtered=False)
    numbers = {
        "first": counts.first,
        "enough": counts.enough,
        "wanted": counts.wanted,
        "ef_search": counts.ef_search,
        "probes": probes,
    }
    declared, column = search.searched.declared, as_clause(key)
    parts = [
        Numbers.parameter(numbers),
        search.statement,
        as_clause(search.searched.element),
        search.vector,
        column,
    ]
    found = DeferredExpression(_Nearest(declared, Given.of(effort)), parts, ARRAY(column.type))
    rows = search.statement.where(equal_to_any(key, any_(found)))
    if search.within is not None:
        rows = rows.where(is_within(search.distance, search.within))
    rows = rows.add_columns(search.distance.label("distance"))
    rows = rows.order_by(None).order_by(unindexed(search.distance), *tie_breaks(search.statement))
    rows = rows.limit(number(search.k))
    return rows.offset(offset) if (offset := offset_of(search.statement)) else rows


@dataclass(frozen=True, slots=True)
class _Nearest:
    """How the keys of the nearest rows are found."""

    declared: Declared
    given: Given

    def __call__(self, given: Any, statement: Any, element: Any, vector: Any, key: Any) -> ColumnElement[Any]:
        """Return the array of them."""
        search, numbers = search_of_parts(self.declared, statement, element, vector), Numbers(given)
        keys = only_columns(search.statement, key.label("key")).where(*search.has_embedding)
        reach = Reach(ef_search=numbers.bound("ef_search"), probes=numbers.bound("probes"))
        settings = first_settings(search.searched, self.given, reach)
        order = order_by_form(search, search.searched.quantize)
        first = materialized(keys.where(settings.clause()).order_by(order).limit(numbers["first"]), "first")
        found = _array(first.select(), key)
        enough = func.pg_catalog.cardinality(found, type_=Integer) >= numbers.bound("enough")
        wanted = case((enough, literal_column("0", Integer)), else_=numbers.bound("wanted"))
        exact = _array(keys.order_by(unindexed(search.distance)).limit(wanted), key)
        both: ColumnElement[Any] = found.op("OPERATOR(pg_catalog.||)", return_type=found.type)(exact)
        return both


def _array(keys: Statement, key: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.array(keys.scalar_subquery(), type_=ARRAY(key.type))
