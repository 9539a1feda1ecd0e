"""Finds the forms of a statement that no vector index serves, without a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import CompoundSelect, Select, TextClause
from sqlalchemy.sql.selectable import SelectBase

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.measuring.distances import distances_in
from sqlalchemy_vecsearch.measuring.findings import Finding
from sqlalchemy_vecsearch.measuring.index_rules import index_findings
from sqlalchemy_vecsearch.measuring.level_rules import beside_findings, row_findings, unordered_findings
from sqlalchemy_vecsearch.measuring.levels import levels
from sqlalchemy_vecsearch.measuring.order_rules import order_findings, text_findings
from sqlalchemy_vecsearch.measuring.result_rules import result_findings
from sqlalchemy_vecsearch.selects import select_list, tie_breaks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy_vecsearch.measuring.levels import Level

__all__ = ["lint"]


def lint(statement: Any) -> list[Finding]:  # Any: checked below, since users pass all kinds of statements
    """Return what keeps vector indexes from serving a statement, or makes it return fewer rows; empty when all is well.

    Every SELECT in the statement is looked at, in CTEs, sub-selects and unions too: how ORDER BY is written, what
    stands beside it, and whether an index that the metadata declares holds that expression for that operator. Text in
    ORDER BY is read where its meaning is certain, and is a finding where it is not. It sends nothing: what the planner
    then chooses on a table, :func:`explain` tells. Statements of ``nearest`` and its siblings have no findings. An
    order by ``distance + 0``, the form of ``exact=True``, is a full scan on purpose. A condition that was added to the
    result of a search is found, since it can only drop some of the ``k`` rows, and so is an inner join in which rows
    without a partner are dropped, as far as foreign keys tell: along one that is not NULL, to the parent, none is. The
    same is found round a search that stands as a sub-select, unless its distance is compared there, or the level has a
    LIMIT, groups or works something out.

    Args:
        statement: a Select or a union of them, with entities or tables.

    Raises:
        SearchError: the statement is text, or no Select.

    Example:
        ```text
        for finding in lint(statement):
            print(finding.rule, finding)
        ```
    """
    _refuse_unreadable(statement)
    found = [finding for level in levels(statement) for finding in _findings(level)]
    if isinstance(statement, CompoundSelect):
        found += _union_findings(statement)
    return list(dict.fromkeys(found))


def _findings(level: Level) -> Iterator[Finding]:
    yield from unordered_findings(level)
    yield from result_findings(level)
    yield from text_findings(level)
    if not level.terms or level.is_exact:
        return
    broken = list(order_findings(level))
    yield from broken
    yield from beside_findings(level)
    term = level.terms[0]
    if term.is_bare:
        yield from index_findings(term.distance)
        if not broken:
            yield from row_findings(level)


def _union_findings(statement: CompoundSelect[Any]) -> Iterator[Finding]:
    """Yield the finding for a union that is sorted as a whole by a distance that its branches only select."""
    if not tie_breaks(statement):
        return
    for level in levels(statement):
        selected = (found for column in select_list(level.statement) for found in distances_in(column))
        distance = next(selected, None)
        if distance is not None and level.statement in statement.selects and not level.terms:
            yield Finding(
                "union_order",
                f"A union is sorted by the distance of the column {distance.stored.column.name!r} as a whole. "
                "The order does not reach its branches, so every row of each is read.",
                "Give each branch its own ORDER BY and LIMIT, and sort the union of them.",
            )
            return


def _refuse_unreadable(statement: object) -> None:
    if isinstance(statement, Select | CompoundSelect):
        return
    if isinstance(statement, TextClause | str):
        raise SearchError(
            "lint() can not read a statement that is text. "
            "It looks at the expressions that SQLAlchemy builds, and text has none. "
            "Write the statement with select(), or ask the server: explain(connection, text(...))."
        )
    kind = "a sub-select" if isinstance(statement, SelectBase) else f"{type(statement).__name__}"
    raise SearchError(
        f"lint() can not read {kind}. It looks at the levels of a Select, and this is none. Pass the Select itself."
    )
