"""PostgreSQL's plans as values: what ``EXPLAIN (FORMAT JSON)`` says, read into a tree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.metrics import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["PlanNode", "read_plan"]

Document = dict[str, Any]  # Any: a JSON object, whose values have no common type

_DETAILS: Final = (
    "Order By",
    "Sort Key",
    "Presorted Key",
    "Index Cond",
    "Recheck Cond",
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "Filter",
    "One-Time Filter",
    "Remote SQL",
    "Task Count",
    "Tasks Shown",
    "Error",
)
_REMOVED: Final = ("Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck")

_OPERATOR: Final = "|".join(re.escape(metric.operator) for metric in Metric)
_DISTANCE: Final = re.compile(rf"(?<![<>])(?:{_OPERATOR})(?![<>])")
_TEXT_DISTANCE: Final = re.compile(r"::(?:text|character varying)\b")
_REORDERED: Final = re.compile(r"\+ '0'::(?:double precision|real)")
_REMOTE_ORDER: Final = re.compile(r"\bORDER BY\b(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNode:
    """One step of a plan.

    Attributes:
        kind: what it does, such as "Index Scan".
        role: what it is to its parent where that is no plain input: "CTE nearest_1", "InitPlan 1", "Task on host=...".
        relation: the table that it reads, with ``schema``.
        source: the CTE or function that it reads.
        index: the index that it reads, by the name that was declared: without the shard's number on Citus.
        shard: the number of the Citus shard, None elsewhere.
        estimated_rows: how many rows the planner expected, each time the step is run.
        rows: how many rows it returned in all; None without ANALYZE, 0 when it was never run.
        loops: how often it was run; None without ANALYZE.
        removed: how many rows its filters dropped in all.
        subplans_removed: partitions that were pruned when the plan started.
        details: conditions and sort keys, by PostgreSQL's names for them.
        children: the steps that feed it.
    """

    kind: str
    role: str | None = None
    relation: str | None = None
    schema: str | None = None
    source: str | None = None
    index: str | None = None
    shard: str | None = None
    estimated_rows: int = 0
    rows: int | None = None
    loops: int | None = None
    removed: int = 0
    subplans_removed: int = 0
    details: tuple[tuple[str, str], ...] = ()
    children: tuple[PlanNode, ...] = ()

    def detail(self, name: str) -> str:
        """Return one of the details, such as "Filter"; the empty text when the step has none of that name."""
        return dict(self.details).get(name, "")

    def walk(self) -> Iterator[PlanNode]:
        """Yield this step and all beneath it, from the top."""
        yield self
        for child in self.children:
            yield from child.walk()

    def inputs(self) -> Iterator[PlanNode]:
        """Yield this step and what feeds it row by row."""
        yield self
        for child in self.children:
            if child.is_input:
                yield from child.inputs()

    @property
    def is_input(self) -> bool:
        """Whether the step feeds its parent row by row: no sub-select that is run once, and no CTE."""
        return self.role is None or self.role.startswith("Task")

    @property
    def orders_by_distance(self) -> bool:
        """Whether the step returns rows in the order of a vector distance, by an index."""
        return self.index is not None and bool(_DISTANCE.search(self.detail("Order By")))

    @property
    def sorts_by_distance(self) -> bool:
        """Whether the step sorts by a vector distance that an index could have served: not by ``distance + 0``."""
        keys = self.detail("Sort Key")
        return (
            self.kind in {"Sort", "Incremental Sort"}
            and bool(_DISTANCE.search(keys))
            and not _TEXT_DISTANCE.search(keys)
            and not _REORDERED.search(keys)
        )

    @property
    def sorts_every_row(self) -> bool:
        """Whether the step sorts by ``distance + 0``, the form that no vector index serves on purpose."""
        keys = self.detail("Sort Key")
        return self.kind == "Sort" and bool(_DISTANCE.search(keys)) and bool(_REORDERED.search(keys))

    @property
    def reads_a_table(self) -> bool | None:
        """Whether a table was read to feed the step; None without ANALYZE."""
        if self.loops is None:
            return None
        return any(node.relation is not None and bool(node.loops) for node in self.inputs())

    @property
    def is_not_shown(self) -> bool:
        """Whether another server does the step by a plan that could not be fetched."""
        return bool(self.detail("Error")) or self.detail("Tasks Shown").startswith("None")

    @property
    def remote_orders_by_distance(self) -> bool:
        """Whether another server is asked for rows in the order of a vector distance, by a plan not seen here."""
        found = _REMOTE_ORDER.search(self.detail("Remote SQL"))
        return found is not None and bool(_DISTANCE.search(found[1]))


def read_plan(document: Sequence[Mapping[str, Any]]) -> PlanNode:
    """Return the plan that ``EXPLAIN (FORMAT JSON)`` printed, as parsed JSON. Pure.

    It reads plain and partitioned plans, sub-selects and CTEs, foreign scans, and the plans that Citus nests under
    "Distributed Query".

    Raises:
        SearchError: it is no such document.
    """
    try:
        return _node(dict(document[0]["Plan"]))
    except (KeyError, IndexError, TypeError):
        raise SearchError(
            "The document is no plan. "
            "EXPLAIN (FORMAT JSON) prints a list that holds one object with the key 'Plan', and this is something "
            "else. "
            "Pass that output, parsed by json.loads."
        ) from None


def _node(plan: Document, *, role: str | None = None, remote: bool = False) -> PlanNode:
    index, shard = _without_shard(plan.get("Index Name"), plan.get("Relation Name")) if remote else (None, None)
    loops = plan.get("Actual Loops")
    return PlanNode(
        kind=_kind(plan),
        role=role or _role(plan),
        relation=plan.get("Relation Name"),
        schema=plan.get("Schema"),
        source=plan.get("CTE Name") or plan.get("Function Name"),
        index=index or plan.get("Index Name"),
        shard=shard,
        estimated_rows=round(plan.get("Plan Rows", 0)),
        rows=None if loops is None else round(plan.get("Actual Rows", 0) * loops),
        loops=None if loops is None else round(loops),
        removed=round(sum(plan.get(key, 0) for key in _REMOVED) * (loops or 0)),
        subplans_removed=plan.get("Subplans Removed", 0),
        details=tuple(_details(plan)),
        children=(
            *(_node(child, remote=remote) for child in plan.get("Plans", ())),
            *_distributed(plan.get("Distributed Query", {})),
        ),
    )


def _kind(plan: Document) -> str:
    provider = plan.get("Custom Plan Provider")
    strategy = {"Backward": " Backward"}.get(plan.get("Scan Direction", ""), "")
    return f"{plan['Node Type']} ({provider})" if provider else plan["Node Type"] + strategy


def _role(plan: Document) -> str | None:
    if plan.get("Parent Relationship") in {"InitPlan", "SubPlan"}:
        return str(plan.get("Subplan Name", plan["Parent Relationship"]))
    return None


def _details(plan: Document) -> Iterator[tuple[str, str]]:
    job = plan.get("Distributed Query", {}).get("Job", {})
    for name in _DETAILS:
        value = plan.get(name, job.get(name))
        if value is not None:
            yield name, ", ".join(value) if isinstance(value, list) else str(value)


def _distributed(query: Document) -> Iterator[PlanNode]:
    """Yield the plans that Citus shows: sub-selects that it ran first, and one task or all of them."""
    for number, subplan in enumerate(query.get("Subplans", ()), start=1):
        for planned in subplan.get("PlannedStmt", ()):
            yield _node(planned["Plan"], role=f"Distributed Subplan {number}")
    for task in query.get("Job", {}).get("Tasks", ()):
        if "Error" in task:
            role = f"Task on {task.get('Node', 'a worker')}"
            yield PlanNode(kind="Remote Plan", role=role, details=(("Error", str(task["Error"])),))
        for planned in _flattened(task.get("Remote Plan", ())):
            yield _node(planned["Plan"], role=f"Task on {task.get('Node', 'a worker')}", remote=True)


def _flattened(nested: Any) -> Iterator[Document]:  # Any: lists of lists of objects
    if isinstance(nested, dict):
        yield nested
    else:
        for item in nested:
            yield from _flattened(item)


def _without_shard(index: str | None, relation: str | None) -> tuple[str | None, str | None]:
    """Return the declared name of an index and the shard's number, where table and index end in the same one."""
    number = (relation or "").rpartition("_")[2]
    if index is None or not number.isdigit() or not index.endswith(f"_{number}"):
        return index, None
    return index.removesuffix(f"_{number}"), number
