"""The judgement of a plan: whether a vector index serves the search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy_vecsearch.measuring.rendering import render_plan
from sqlalchemy_vecsearch.measuring.ways import taken, ways_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy_vecsearch.measuring.passed_over import PassedOver
    from sqlalchemy_vecsearch.measuring.plans import PlanNode
    from sqlalchemy_vecsearch.measuring.ways import PlanWay

__all__ = ["PlanRows", "SearchPlan", "judge"]

VectorIndexes = Mapping[tuple[str | None, str], str]
"""(schema, name) of an index -> the name that was declared."""

_READ_WHOLE: Final = frozenset({"Sort", "Aggregate", "WindowAgg", "Hash", "Unique", "Group", "SetOp"})
"""Steps that read all of their input, or may, whatever LIMIT stands above them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRows:
    """How many rows a search was asked for and gave.

    Attributes:
        asked: the LIMIT of the statement; None when it has none, or one of its sub-selects decides.
        returned: the rows that came back; None without ``analyze=True``.
        removed: the rows that filters dropped on the way; None without ``analyze=True``.
        estimated: the rows that the planner expected.
    """

    asked: int | None
    returned: int | None
    removed: int | None
    estimated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """How PostgreSQL runs a search.

    Attributes:
        root: the plan, as a tree of steps.
        indexes: the vector indexes that it scans in order, by their declared names: that of the parent for the
            indexes of partitions, without the shard's number on Citus. In the order of the plan, each once.
        unserved: the tables whose rows are sorted by the distance without an index.
        unlimited: those of ``indexes`` whose scan no LIMIT ends: it returns some ``ef_search`` rows, or those of
            ``probes`` lists, and the statement takes them for all.
        unseen: what is done by a plan that is not shown: foreign tables whose server is asked for rows in the order
            of the distance, and tasks of Citus whose plan could not be fetched. Whether an index serves that, only a
            plan made there can tell.
        ways: the ways to the nearest rows that the search holds, and with ``analyze=True`` which of them ran.
        invalid: the vector indexes on the tables of ``unserved`` that are INVALID, as a build that did not finish
            leaves them. No search uses them.
        passed_over: the vector indexes that can serve the tables of ``unserved`` and that the planner left for a way it
            reckons as cheaper, as it rightly does on a small table; None where none can, or none had to be left.
        rows: the rows asked for, returned and removed.
    """

    root: PlanNode
    indexes: tuple[str, ...]
    unserved: tuple[str, ...]
    unlimited: tuple[str, ...]
    unseen: tuple[str, ...]
    rows: PlanRows
    invalid: tuple[str, ...] = ()
    passed_over: PassedOver | None = None
    ways: tuple[PlanWay, ...] = ()

    @property
    def index_served(self) -> bool:
        """Whether a vector index orders the rows, and none are sorted by the distance without one."""
        return bool(self.indexes) and not self.unserved

    @property
    def verdict(self) -> str:
        """Which index serves the search, or what is done instead, and why where the catalog says it."""
        unknown = f"Not known: {_listed(self.unseen)} is searched by a plan that only its own server can show."
        if self.index_served:
            return f"Served by {_listed(self.indexes)}." + (f" {unknown}" if self.unseen else "")
        if self.indexes:
            sorted_whole = f"{_listed(self.unserved)} is sorted without an index"
            return f"Served by {_listed(self.indexes)} in part: {sorted_whole}.{self._reason()}"
        if self.unseen:
            return unknown
        return f"Not served by a vector index.{self._reason()}"

    def _reason(self) -> str:
        if not self.invalid:
            return "" if self.passed_over is None else f" {self.passed_over.describe()}"
        return (
            f" INVALID: {_listed(self.invalid)}, which a build that did not finish has left, and which no search uses. "
            "Rebuild it by REINDEX INDEX CONCURRENTLY or op.rebuild_vector_index()."
        )

    def render(self) -> str:
        """Return the plan as text: the verdict, the rows, and a line for each step with its conditions beneath."""
        return "\n".join([self.verdict, *self._rows_line(), *taken(self.ways), "", render_plan(self.root)])

    def __str__(self) -> str:
        return self.render()

    def _rows_line(self) -> Iterator[str]:
        asked = "" if self.rows.asked is None else f" of {self.rows.asked} asked for"
        if self.rows.returned is not None:
            yield f"{self.rows.returned} rows{asked}, {self.rows.removed} removed by filters."


def judge(root: PlanNode, vector_indexes: VectorIndexes, *, asked: int | None) -> SearchPlan:
    """Return what a plan says about a search. Pure.

    Args:
        root: the plan.
        vector_indexes: those of its indexes that are vector indexes: (schema, name) -> declared name.
        asked: how many rows the statement asks for, None when it does not say.
    """
    scans = list(_scans(root, vector_indexes, limited=False))
    analyzed = root.rows is not None
    return SearchPlan(
        root=root,
        indexes=tuple(dict.fromkeys(name for name, _ in scans)),
        unserved=tuple(dict.fromkeys(_unserved(root, vector_indexes))),
        unlimited=tuple(dict.fromkeys(name for name, limited in scans if not limited)),
        unseen=tuple(
            dict.fromkeys(
                node.relation or node.role or node.kind
                for node in root.walk()
                if node.remote_orders_by_distance or node.is_not_shown
            )
        ),
        ways=ways_of(root),
        rows=PlanRows(
            asked=asked,
            returned=root.rows,
            removed=sum(node.removed for node in root.walk()) if analyzed else None,
            estimated=root.estimated_rows,
        ),
    )


def _scans(node: PlanNode, vector_indexes: VectorIndexes, *, limited: bool) -> Iterator[tuple[str, bool]]:
    """Yield the vector indexes that are scanned in order, and whether a LIMIT stops the scan."""
    limited = node.kind == "Limit" or (limited and node.kind not in _READ_WHOLE)
    name = vector_indexes.get((node.schema, node.index or ""))
    if name is not None and node.orders_by_distance:
        yield name, limited
    for child in node.children:
        yield from _scans(child, vector_indexes, limited=limited and child.is_input)


def _unserved(root: PlanNode, vector_indexes: VectorIndexes) -> Iterator[str]:
    """Yield the tables that are sorted by distance; candidates that are ranked again have been limited before."""
    for sort in root.walk():
        if not sort.sorts_by_distance:
            continue
        inputs = list(sort.inputs())
        limited = any(node.kind in {"Limit", "CTE Scan"} for node in inputs)
        served = any((node.schema, node.index or "") in vector_indexes for node in inputs)
        if not limited and not served:
            yield from (node.relation for node in inputs if node.relation is not None)


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(repr(name) for name in names)
