"""Which arm of a search goes on: what the statement asks of the catalog first, and how it decides when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Float, Integer, and_, case, cast, func, literal_column, select, true

from sqlalchemy_vecsearch.search.building.arithmetic import divided, times
from sqlalchemy_vecsearch.search.building.decided import EXACT, FIRST, SCAN, small_table
from sqlalchemy_vecsearch.search.building.plain_indexes import columns_compared, lead_plain_indexes
from sqlalchemy_vecsearch.search.building.scan import UNBOUNDED_SCAN, ef_search_of, links_of, may_be_hnsw
from sqlalchemy_vecsearch.search.building.subselects import count_rows, inline, materialized
from sqlalchemy_vecsearch.search.building.table_statistics import (
    index_scans,
    is_partitioned,
    known_before,
    known_of_partitions,
    known_rows,
    or_unknown,
    rows_of,
    rows_of_largest_partition,
)
from sqlalchemy_vecsearch.settings import constant, current_setting

if TYPE_CHECKING:
    from sqlalchemy import CTE, ColumnElement, FromClause

    from sqlalchemy_vecsearch.search.building.decided import Shape
    from sqlalchemy_vecsearch.search.building.deferred import Numbers
    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.selects import Statement
    from sqlalchemy_vecsearch.settings import Amount

__all__ = ["ArmChoice"]

_LEAST_SEEN: Final = literal_column("2", Integer)
"""Rows that must pass near the query before a scan goes on for more: with none or one the share of rows that pass is
not known, and a scan for rows that are not there visits the whole graph, at 40 times the cost of the exact way."""

_LEAST_PART: Final = literal_column("CAST(30 AS DOUBLE PRECISION)", Float(53))
"""One in so many rows at the most may pass for all of them to be read by a plain index."""

_ONE: Final = literal_column("CAST(1 AS DOUBLE PRECISION)", Float(53))


@dataclass(frozen=True, slots=True)
class ArmChoice:
    """How one search decides which arm goes on.

    Attributes:
        shape: of the search.
        numbers: that stand in its SQL.
        search: what is read, and through which column.
        outer: the rows of queries, where there are many.
    """

    shape: Shape
    numbers: Numbers
    search: Search
    outer: FromClause | None = None

    def ef_search(self, before: CTE | None) -> ColumnElement[int]:
        """Return the candidates of the first scan: more in a large table, unless the caller has named them.

        Each partition has an index of its own, of which the table's rows say nothing; and what a quantised index holds
        decides how many candidates it takes.
        """
        told = self.shape.given.ef_search or self._is_quantized or is_partitioned(self.search.table)
        if told or not may_be_hnsw(self.search.searched):
            return self.numbers["ef_search"]
        rows = known_rows(self.search.table) if before is None else before.c.rows
        return func.greatest(
            self.numbers["ef_search"], ef_search_of(rows, links_of(self.search.searched)), type_=Integer
        )

    def before(self) -> CTE | None:
        """Return what is asked of the catalog first: of an index of the whole vectors nothing for each of many queries.

        Nor is it without a filter, where such an index answers in a few milliseconds, or of partitions.
        """
        if not self._is_quantized and (self.outer is not None or not self.shape.filtered):
            return None
        if self._is_partitioned and self._is_quantized:
            return materialized(self.for_each(known_of_partitions(self.search.table)), "before")
        least = self.numbers.double("small") if self.shape.bounded else _double(small_table(self.search.searched))
        return materialized(self.for_each(known_before(self.search.table, least)), "before")

    def arm_after(self, first: CTE, before: CTE | None) -> Statement:
        """Return which arm is to go on."""
        passed, source = self._passed(first, before)
        answered = passed >= self.numbers["enough"]
        last = constant(EXACT)
        if affordable := self.affordable():
            last = case((and_(*affordable), last), else_=constant(SCAN))
        choices: list[tuple[ColumnElement[bool], Any]] = []
        if before is not None and self.shape.filtered and "small" in before.c:
            choices.append((before.c.small, constant(EXACT)))
        if before is not None and self._is_quantized:
            # read by other means, and in the order of what the index holds, which tells less than the whole vectors
            whole = and_(passed >= self.numbers["first"], self._scans_now() == before.c.scans)
            choices.append((and_(whole, *self.affordable()), constant(EXACT)))
        if may_be_hnsw(self.search.searched):
            choices.append((answered, constant(FIRST)))
        if before is not None:
            choices.append((self._scans_now() == before.c.scans, constant(FIRST)))
        if before is not None and (columns := self._led_by_plain_indexes()):
            sooner = and_(self._few(passed, before), lead_plain_indexes(self.search.table, columns))
            choices.append((and_(sooner, *self.affordable()), constant(EXACT)))
        if may_be_hnsw(self.search.searched):
            likely = times(cast(passed, Float(53)), self._rows(before)) >= self.numbers.double("likely")
            choices.append((and_(_iterates(), passed >= _LEAST_SEEN, likely), constant(SCAN)))
        else:
            choices.append((answered, constant(SCAN)))
        return select(case(*choices, else_=last).label("taken")).select_from(source)

    def most_visited(self, first: CTE, before: CTE | None) -> Amount:
        """Return how many rows a scan that goes on visits at the most, which it looks up when it begins.

        The few rows that passed may be all there are, near the query and nowhere else, such as the chunks of one
        document: a scan for more would visit the whole graph, at 30 to 75 times the cost of the exact way.
        """
        if self.shape.visits:
            return self.numbers["max_scan_tuples"]
        if not may_be_hnsw(self.search.searched):
            return UNBOUNDED_SCAN
        passed, source = self._passed(first, before)
        worth = self._worth_visiting(passed, before)
        if affordable := self.affordable():
            worth = case((and_(*affordable), worth), else_=literal_column(UNBOUNDED_SCAN, Integer))
        return select(worth).select_from(source).scalar_subquery()

    def _worth_visiting(self, passed: ColumnElement[int], before: CTE | None) -> ColumnElement[int]:
        """Return how many rows to visit before every row is read: what the share that passed makes likely."""
        candidates = times(cast(self.ef_search(before), Float(53)), self.numbers.double("scan"))
        passing = func.greatest(cast(passed, Float(53)), _ONE, type_=Float(53))
        likely = divided(times(candidates, self.numbers.double("tuples")), passing)
        # each partition has a graph of its own, and the bound is that of each scan
        rows = rows_of_largest_partition(self.search.table) if self._is_partitioned else self._rows(before)
        part = divided(cast(rows, Float(53)), self.numbers.double("part"))
        return cast(func.greatest(func.least(likely, part, type_=Float(53)), _ONE, type_=Float(53)), Integer)

    def _led_by_plain_indexes(self) -> tuple[str, ...]:
        """Return the columns whose plain indexes may lead to the rows sooner than a scan that goes on."""
        if self._is_quantized or not (self.shape.filtered and may_be_hnsw(self.search.searched)):
            return ()
        return columns_compared(self.search.statement, self.search.table)

    def _few(self, passed: ColumnElement[int], before: CTE) -> ColumnElement[bool]:
        """Return whether so few rows passed near the query that all that pass are read sooner by a plain index.

        To read them costs what their share does, and to scan on what its inverse does: so the square of it counts.
        """
        part = func.pg_catalog.sqrt(divided(cast(self._rows(before), Float(53)), self.numbers.double("few")))
        least = times(cast(passed, Float(53)), func.greatest(_LEAST_PART, part, type_=Float(53)))
        return least <= cast(self.ef_search(before), Float(53))

    def _passed(self, first: CTE, before: CTE | None) -> tuple[ColumnElement[int], FromClause]:
        """Return how many rows the first scan found, and where that and what was known before it stand."""
        if before is None:
            return count_rows(), first
        seen = inline(select(count_rows().label("passed")).select_from(first), "seen")
        return seen.c.passed, seen.outerjoin(before, true())

    def _scans_now(self) -> ColumnElement[int]:
        """Return how often vector indexes have been scanned by now."""
        return self.for_each(index_scans(self.search.table)).scalar_subquery()

    @property
    def _is_partitioned(self) -> bool:
        return is_partitioned(self.search.table)

    @property
    def _is_quantized(self) -> bool:
        return self.search.searched.quantize not in {None, "halfvec"}

    def for_each(self, statement: Statement) -> Statement:
        """Return a statement that is run again for each of many queries, if they are many."""
        if self.outer is None:
            return statement
        return statement.where(self.outer.c.vector.is_not(None)).correlate(self.outer)

    def _rows(self, before: CTE | None) -> ColumnElement[float]:
        """Return how many rows the table has."""
        if before is None or is_partitioned(self.search.table):
            return rows_of(self.search.table)
        return or_unknown(before.c.rows)

    def affordable(self) -> tuple[ColumnElement[bool], ...]:
        """Return the condition under which the exact way is allowed, if the caller has bounded it."""
        if not self.shape.bounded:
            return ()
        return (rows_of(self.search.table) <= self.numbers.double("max_exact_rows"),)


@cache
def _iterates() -> ColumnElement[bool]:
    """Return whether the server's pgvector knows iterative scans."""
    return current_setting("hnsw.iterative_scan").is_not(None)


def _double(value: int) -> ColumnElement[float]:
    return cast(literal_column(str(value), Integer), Float(53))
