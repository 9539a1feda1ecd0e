"""An assertion for tests: that a vector index can serve a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import CompoundSelect, Index, Select

from sqlalchemy_vecsearch.errors import VecSearchError
from sqlalchemy_vecsearch.measuring.connections import in_sync, sync_connection
from sqlalchemy_vecsearch.measuring.explaining import explained
from sqlalchemy_vecsearch.measuring.linting import lint
from sqlalchemy_vecsearch.measuring.passed_over import NO_OTHER_WAY

if TYPE_CHECKING:
    from sqlalchemy import Executable

    from sqlalchemy_vecsearch.measuring.connections import AsyncMeasured, Measured
    from sqlalchemy_vecsearch.measuring.findings import Finding
    from sqlalchemy_vecsearch.measuring.served import SearchPlan

__all__ = ["IndexNotServedError", "aassert_index_served", "assert_index_served"]


class IndexNotServedError(VecSearchError, AssertionError):
    """No vector index can serve a statement, or another one does.

    Attributes:
        plan: the plan that the assertion looked at.
    """

    def __init__(self, message: str, *, plan: SearchPlan) -> None:
        super().__init__(message)
        self.plan = plan


def assert_index_served(
    connection: Measured,
    statement: Executable,
    index: Index | str | None = None,
) -> SearchPlan:
    """Return the plan of a statement if a vector index can serve it, and raise an AssertionError that says why if none.

    It works on the few rows of a test, and on an empty table: there PostgreSQL rightly reads the whole table, so the
    statement is planned with sequential scans and sorts switched off, in a savepoint that is rolled back. What
    PostgreSQL does with the statement on a table as it is, :func:`explain` tells. It sends some five short statements
    and runs nothing.

    Args:
        connection: a ``Connection`` or a ``Session`` on a database that has the tables and their indexes;
            :func:`aassert_index_served` takes the async ones.
        statement: a Select.
        index: the index that must serve it, by name or as the ``Index``; None takes any vector index.

    Raises:
        IndexNotServedError: an ``AssertionError``: no vector index can serve it, no LIMIT ends the scan, or another
            index serves it.

    Example:
        ```text
        def test_the_search_page_uses_the_index(session):
            assert_index_served(session, search_page("words"), index="ix_document_embedding")
        ```
    """
    plan = explained(sync_connection(connection, "assert_index_served"), statement, settings=NO_OTHER_WAY)
    wanted = None if index is None else str(index.name) if isinstance(index, Index) else index
    problem = _problem(plan, wanted, _findings(statement))
    if problem is not None:
        raise IndexNotServedError(f"{problem}\n\n{plan.render()}", plan=plan)
    return plan


async def aassert_index_served(
    connection: AsyncMeasured, statement: Executable, index: Index | str | None = None
) -> SearchPlan:
    """Return or raise what :func:`assert_index_served` does, on an async connection or session."""
    plan: SearchPlan = await in_sync(connection, assert_index_served, statement, index)
    return plan


def _findings(statement: Executable) -> list[Finding]:
    return lint(statement) if isinstance(statement, Select | CompoundSelect) else []


def _problem(plan: SearchPlan, wanted: str | None, findings: list[Finding]) -> str | None:
    """Return what is wrong, and why: what lint finds, and without a finding what is left. Pure."""
    if plan.unseen:
        return (
            f"Whether an index serves the statement can not be seen here. Rows of {_listed(plan.unseen)} come from "
            "another server, whose plan EXPLAIN does not show. Assert it on a connection to that server."
        )
    found = " ".join(map(str, findings))
    if plan.invalid:
        return (
            f"No vector index can serve the statement. INVALID: {_listed(plan.invalid)}, which a build that did not "
            "finish has left, and which no search uses. Rebuild it by REINDEX INDEX CONCURRENTLY or "
            "op.rebuild_vector_index()."
        )
    if not plan.index_served:
        return "No vector index can serve the statement. " + (
            found
            or "PostgreSQL does without one even when sequential scans and sorts are switched off, so the index is "
            "missing in this database, or the ORDER BY is not by the bare distance that it is built for. Create the "
            "tables with their indexes, and search by nearest() without exact=True."
        )
    if plan.unlimited:
        return f"No LIMIT ends the scan of {_listed(plan.unlimited)}. " + (
            found
            or "PostgreSQL would read and sort a larger table whole, or return the few rows that one scan of the index "
            "finds. Add LIMIT at the level of the ORDER BY, as nearest(..., k=10) does."
        )
    if wanted is not None and wanted not in plan.indexes:
        return (
            f"The index {wanted!r} does not serve the statement. The planner chose {_listed(plan.indexes)} among those "
            "that can. Drop the other index, or assert that one."
        )
    return None


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(repr(name) for name in names)
