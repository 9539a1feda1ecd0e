"""The ways to the nearest rows of a search, of which the statement takes one when it runs.

A statement cannot know, when it is built, how many rows pass near the query: a policy, a view, criteria of the session,
dead rows or many copies of one vector can hide what the index finds. So it looks: ``first`` scans the index once, for a
bounded number of rows; ``way`` counts what came of it, and says which arm is to go on:

- none, when enough rows came, or when the planner did not use a vector index and ``first`` read all that pass;
- ``scan``, an iterative scan, when it will visit few rows for each that the exact way reads;
- ``exact``, every row that passes, sorted: also when the scan yields fewer rows than it should.

An arm that is not taken costs a one-time filter. All stand under one LIMIT, which the first fills, and LIMIT of the
exact arm is an expression: so the planner counts little of what that arm would cost, and PostgreSQL does not compile
the statement (JIT) for it on large tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Float, Integer, and_, case, cast, column, literal_column, or_, select, true, union_all

from sqlalchemy_vecsearch.search.building.arithmetic import minus, times
from sqlalchemy_vecsearch.search.building.arm_choice import ArmChoice
from sqlalchemy_vecsearch.search.building.decided import ALL, EXACT, FIRST, LISTS, SCAN
from sqlalchemy_vecsearch.search.building.ordering import order_by_form, unindexed
from sqlalchemy_vecsearch.search.building.row_keys import row_keys
from sqlalchemy_vecsearch.search.building.scan import UNBOUNDED_SCAN, Reach, first_settings, scan_settings
from sqlalchemy_vecsearch.search.building.subselects import count_of, count_rows, inline, materialized
from sqlalchemy_vecsearch.search.building.table_statistics import entries_read
from sqlalchemy_vecsearch.selects import locking_as, only_columns
from sqlalchemy_vecsearch.settings import constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import CTE, BindParameter, ColumnElement, CompoundSelect, FromClause

    from sqlalchemy_vecsearch.search.building.decided import Shape
    from sqlalchemy_vecsearch.search.building.deferred import Numbers
    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.search.building.subselects import Selected
    from sqlalchemy_vecsearch.selects import Statement
    from sqlalchemy_vecsearch.settings import Amount, CarriedSettings

__all__ = ["Ways"]

_MOST_READ: Final = literal_column("CAST(2 AS DOUBLE PRECISION)", Float(53))
"""Entries that a scan of lists may read for each row that it yields: the others were hidden from it."""


class Ways:
    """The ways to the rows of one search."""

    def __init__(
        self,
        shape: Shape,
        numbers: Numbers,
        search: Search,
        scanned: Sequence[Statement],
        columns: tuple[Any, ...],
        exclude: tuple[Any, ...],
        outer: FromClause | None = None,
    ) -> None:
        self.shape = shape
        self.numbers = numbers
        self.search = search
        self.columns = columns
        self.exclude = exclude
        self.outer = outer
        self.choice = ArmChoice(shape, numbers, search, outer)
        self.keys = row_keys(search.statement, search.searched)
        self.distance = search.distance.label("distance")
        self.order = order_by_form(search, search.searched.quantize)
        self.scanned = tuple(self._selected(one, self.distance).order_by(self.order) for one in scanned)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, the last of which is ``distance``."""
        return (*self.keys.names, *(column.name for column in self.columns), "distance")

    def rows(self) -> Selected:
        """Return the rows of the way that is taken."""
        if self.shape.way == EXACT:
            return self.exact(self.numbers["wanted"])
        form = {FIRST: self.first_then_exact, SCAN: self.scan_then_exact, LISTS: self.lists_then_exact, ALL: self.all}
        looked_at, ways = form[self.shape.way]()
        found = self._nearest_of(looked_at) if self.shape.sort else looked_at
        return found if self.outer is None else found.add_cte(*ways, nest_here=True)

    def all(self) -> tuple[CompoundSelect[Any], tuple[CTE, ...]]:
        """Return the first scan, and what goes on from it as the rows that came say."""
        before = self.choice.before()
        first = self._first(before)
        way = materialized(self.choice.arm_after(first, before), "way")
        most = self.choice.most_visited(first, before)
        settings = self._scan_settings(most, optional=self.shape.bounded)  # the way is not this one without such scans
        scan = materialized(
            self._scanned(settings.clause_if(_taken(way) == constant(SCAN)), self.numbers["scan"]), SCAN
        )
        short = [way.c.taken == constant(SCAN), count_of(scan) < self.numbers["scan"], *self.choice.affordable()]
        arm = materialized(select(case((and_(*short), constant(EXACT)), else_=way.c.taken).label("taken")), "arm")
        ways = (first, way, scan, arm) if before is None else (before, first, way, scan, arm)
        return self._together({FIRST: first, SCAN: scan}, arm, SCAN), ways

    def first_then_exact(self) -> tuple[CompoundSelect[Any], tuple[CTE, ...]]:
        """Return the first scan, and every row where it comes short."""
        first = self._first(None)
        return self._or_exact(first, FIRST, "enough")

    def lists_then_exact(self) -> tuple[CompoundSelect[Any], tuple[CTE, ...]]:
        """Return the scan of most lists, and every row where it comes short, or passes over more than it yields.

        Rows that are hidden from it lie in the nearest lists, and those that are not lie in farther ones the more.
        """
        before = materialized(self.choice.for_each(entries_read(self.search.table)), "before")
        first = self._first(before)
        seen = inline(select(count_rows().label("passed")).select_from(first), "seen")
        after = self.choice.for_each(entries_read(self.search.table)).scalar_subquery()
        short = seen.c.passed < self.numbers["enough"]
        hidden = minus(after, before.c.entries) > times(cast(seen.c.passed, Float(53)), _MOST_READ)
        uncounted = before.c.entries.is_(None)  # so that nobody knows what was hidden
        taken = case(
            (and_(or_(short, uncounted, hidden), *self.choice.affordable()), constant(EXACT)), else_=constant(FIRST)
        )
        arm = materialized(select(taken.label("taken")).select_from(seen.outerjoin(before, true())), "arm")
        return self._together({FIRST: first}, arm, FIRST), (before, first, arm)

    def scan_then_exact(self) -> tuple[CompoundSelect[Any], tuple[CTE, ...]]:
        """Return the iterative scan, and every row where it comes short."""
        most = self.numbers["max_scan_tuples"] if self.shape.visits else UNBOUNDED_SCAN
        scan = materialized(
            self._scanned(self._clause(self._scan_settings(most, optional=False)), self.numbers["scan"]), SCAN
        )
        return self._or_exact(scan, SCAN, "scan")

    def exact(self, limit: Any) -> Statement:
        """Return every row that passes, the nearest first, by an order that no approximate index serves."""
        distance = unindexed(self.search.distance).label("distance")
        return self._locked(self._selected(self.search.statement, distance).order_by(distance).limit(limit))

    def _nearest_of(self, looked_at: CompoundSelect[Any]) -> Statement:
        kept: list[ColumnElement[Any]] = [column(name) for name in self.names[:-1]]
        distance = unindexed(column("distance", Float(53))).label("distance")
        found = select(*kept, distance).select_from(inline(looked_at, "looked_at"))
        return found.order_by(distance).limit(self.numbers["wanted"])

    def _or_exact(self, rows: CTE, name: str, enough: str) -> tuple[CompoundSelect[Any], tuple[CTE, ...]]:
        short = and_(count_of(rows) < self.numbers[enough], *self.choice.affordable())
        arm = materialized(select(case((short, constant(EXACT)), else_=constant(name)).label("taken")), "arm")
        return self._together({name: rows}, arm, name), (rows, arm)

    def _together(self, rows: dict[str, CTE], arm: CTE, most: str) -> CompoundSelect[Any]:
        chosen = _taken(arm)
        parts = [_all_of(found).where(chosen == constant(taken)) for taken, found in rows.items()]
        limit = case((arm.c.taken == constant(EXACT), self.numbers["wanted"]), else_=literal_column("0", Integer))
        exact = inline(self.exact(select(limit.label("rows")).scalar_subquery()), EXACT)
        return union_all(*parts, _all_of(exact)).limit(self.numbers[most])

    def _first(self, before: CTE | None) -> CTE:
        reach = Reach(ef_search=self.choice.ef_search(before), probes=self.numbers["probes_to_look"])
        settings = first_settings(self.search.searched, self.shape.given, reach)
        if before is None:
            return materialized(self._scanned(self._clause(settings), self.numbers["first"]), FIRST)
        if not self.shape.filtered:
            seen = before.c.entries if self.shape.way == LISTS else before.c.scans
            clause = settings.clause_after(before, seen, outer=self.outer)
            return materialized(self._scanned(clause, self.numbers["first"]), FIRST)
        large = (before.c.small.is_not(true()),) if "small" in before.c else ()
        clause = settings.clause_after(before, before.c.scans, *large, outer=self.outer)
        # planned for the values of the filter each time: of how many rows pass a generic plan knows nothing
        return materialized(self._scanned(clause, self.numbers.bound("first")), FIRST)

    def _scan_settings(self, most: Amount, *, optional: bool) -> CarriedSettings:
        reach = Reach(
            ef_search=self.numbers["ef_search_on"],
            probes=self.numbers["probes_to_scan"],
            max_scan_tuples=most,
        )
        return scan_settings(self.search.searched, self.shape.given, reach, optional=optional)

    def _clause(self, settings: CarriedSettings) -> ColumnElement[bool]:
        if self.outer is None:
            return settings.clause()
        return settings.clause_for_each(self.outer, self.outer.c.vector)

    def _selected(self, statement: Statement, distance: ColumnElement[float]) -> Statement:
        found = only_columns(statement, *self.keys.labelled, *self.columns, distance)
        found = found.where(*self.search.has_embedding, *self.exclude)
        return found if self.outer is None else found.correlate(self.outer)

    def _locked(self, found: Statement) -> Statement:
        return locking_as(found, self.search.statement) if self.shape.locking else found

    def _scanned(self, settings: ColumnElement[bool], limit: BindParameter[int]) -> Statement:
        """Return the sub-select that takes a number of rows from the index.

        Where several partial indexes hold the rows, each is scanned for as many rows, and the nearest of all are
        taken. Rows are locked where they are taken, so that SKIP LOCKED passes over a row before it counts.
        """
        scans = [self._locked(rows.where(settings).limit(limit)) for rows in self.scanned]
        if len(scans) == 1:
            return scans[0]
        scans = [scan.add_columns(self.order.label("scan_order")) for scan in scans]
        if self.shape.locking:  # PostgreSQL locks no rows of a SELECT that UNION names itself
            scans = [inline(scan, "scan").select() for scan in scans]
        together = inline(union_all(*scans), "scans")
        wanted = [column for column in together.c if column.key != "scan_order"]
        return select(*wanted).order_by(unindexed(together.c.scan_order)).limit(limit)


def _all_of(rows: FromClause) -> Statement:
    return select(literal_column("*")).select_from(rows)


def _taken(way: CTE) -> ColumnElement[str]:
    return select(way.c.taken).scalar_subquery()
