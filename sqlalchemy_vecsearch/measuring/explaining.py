"""The plan that PostgreSQL makes for a search, with the values and the settings that the search has."""

from __future__ import annotations

import json
import textwrap
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Select, event, text
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.measuring.connections import in_sync, sync_connection, undone
from sqlalchemy_vecsearch.measuring.passed_over import NO_OTHER_WAY, PassedOver, table_sizes
from sqlalchemy_vecsearch.measuring.plans import read_plan
from sqlalchemy_vecsearch.measuring.served import judge
from sqlalchemy_vecsearch.measuring.single_statement import what_follows
from sqlalchemy_vecsearch.selects import rows_asked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Executable, Result
    from sqlalchemy.orm import ORMExecuteState, Session

    from sqlalchemy_vecsearch.measuring.connections import AsyncMeasured, Measured
    from sqlalchemy_vecsearch.measuring.plans import PlanNode
    from sqlalchemy_vecsearch.measuring.served import SearchPlan

__all__ = ["aexplain", "explain", "explained"]

# VERBOSE adds the schemas of tables and what foreign servers are sent
_EXPLAIN: Final = {
    False: "EXPLAIN (FORMAT JSON, VERBOSE) ",
    True: "EXPLAIN (FORMAT JSON, VERBOSE, ANALYZE, TIMING OFF) ",
}

_VECTOR_INDEXES: Final = text(
    """
    SELECT CASE WHEN held.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
                THEN CAST('pg_temp' AS pg_catalog.name)
                ELSE namespace.nspname END,
           held.relname, coalesce(parent.relname, held.relname)
    FROM pg_catalog.pg_class AS held
    JOIN pg_catalog.pg_am AS method ON method.oid OPERATOR(pg_catalog.=) held.relam
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid OPERATOR(pg_catalog.=) held.relnamespace
    LEFT JOIN pg_catalog.pg_class AS parent
      ON parent.oid OPERATOR(pg_catalog.=) CAST(pg_catalog.pg_partition_root(CAST(held.oid AS regclass)) AS oid)
    WHERE method.amname OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['hnsw', 'ivfflat'] AS name[]))
      AND held.relname OPERATOR(pg_catalog.=) ANY (CAST(:names AS name[]))
    """
)

_INVALID_INDEXES: Final = text(
    """
    SELECT DISTINCT index.relname
    FROM pg_catalog.pg_class AS seen
    JOIN pg_catalog.pg_index AS held
      ON held.indrelid OPERATOR(pg_catalog.=) seen.oid
      OR held.indrelid OPERATOR(pg_catalog.=) ANY (ARRAY(
           SELECT CAST(above.relid AS oid) FROM pg_catalog.pg_partition_ancestors(CAST(seen.oid AS regclass)) AS above
         ))
    JOIN pg_catalog.pg_class AS index ON index.oid OPERATOR(pg_catalog.=) held.indexrelid
    JOIN pg_catalog.pg_am AS method ON method.oid OPERATOR(pg_catalog.=) index.relam
    WHERE NOT held.indisvalid
      AND method.amname OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['hnsw', 'ivfflat'] AS name[]))
      AND seen.relname OPERATOR(pg_catalog.=) ANY (CAST(:tables AS name[]))
    ORDER BY index.relname
    """
)

_SET: Final = text("SELECT pg_catalog.set_config(CAST(:name AS text), CAST(:value AS text), true)")

_STANDARD_STRINGS: Final = text(
    "SELECT pg_catalog.current_setting(CAST('standard_conforming_strings' AS pg_catalog.text))"
)

_NO_CURSOR: Final = {"stream_results": False, "yield_per": None}
"""EXPLAIN can not be declared as a server-side cursor."""


def explain(connection: Measured, statement: Executable, *, analyze: bool = False) -> SearchPlan:
    """Return the plan of a statement, and whether a vector index serves it.

    The statement is compiled, cached and bound as it is when it runs, with the hooks of the session
    (``do_orm_execute``) applied, and sent with EXPLAIN in front. It costs the planning, and one look into the catalog
    at which of its indexes are vector indexes. Where rows are sorted without one it is planned once more, with
    sequential scans and sorts switched off, to say whether an index can serve it.

    Without ``analyze`` it is planned in a read-only transaction, or in a read-only part of the open one. Planning works
    out functions that are declared ``IMMUTABLE``, and one that is so falsely may take an advisory lock of the session,
    which no end of a transaction gives back. The connection is the caller's, with locks of its own, so that nothing is
    released here; ``vecsearch explain`` closes its own.

    Args:
        connection: a ``Connection`` or a ``Session``; :func:`aexplain` takes the async ones.
        statement: a Select, or any other statement that EXPLAIN takes.
        analyze: True runs the statement, to count rows, and rolls back what it did: changed rows as well as the
            settings that it carries. What no roll-back of PostgreSQL takes back stays: the values that were taken from
            sequences, advisory locks of the session.

    Raises:
        SearchError: the text holds a second statement, the server answers with something that is no plan, or the
            connection is async.

    Example:
        ```text
        plan = explain(session, nearest(Document, Document.embedding, vector, k=10))
        assert plan.index_served, plan.render()
        ```
    """
    return explained(sync_connection(connection, "explain"), statement, analyze=analyze)


async def aexplain(connection: AsyncMeasured, statement: Executable, *, analyze: bool = False) -> SearchPlan:
    """Return what :func:`explain` returns, on an async connection or session."""
    plan: SearchPlan = await in_sync(connection, explain, statement, analyze=analyze)
    return plan


def explained(
    connection: Connection | Session,
    statement: Executable,
    *,
    analyze: bool = False,
    settings: Mapping[str, str] | None = None,
) -> SearchPlan:
    """Return the plan of a statement under further settings of the planner, which are taken back."""

    def planned(used: Connection, executable: Executable) -> SearchPlan:
        plan = _judged(used, executable, analyze=analyze, settings=settings or {})
        if not plan.unserved:
            return plan
        plan = replace(plan, invalid=_invalid_indexes(used, plan.unserved))
        return plan if settings else replace(plan, passed_over=_passed_over(used, executable, plan))

    if isinstance(connection, Connection):
        return planned(connection, statement)
    return _planned_in_session(connection, statement, planned)


def _judged(used: Connection, executable: Executable, *, analyze: bool, settings: Mapping[str, str]) -> SearchPlan:
    asked = rows_asked(executable) if isinstance(executable, Select) else None
    with undone(used, read_only=not analyze):
        for name, value in settings.items():
            used.execute(_SET, {"name": name, "value": value})
        root = _plan_of(used, executable, analyze=analyze)
    return judge(root, _vector_indexes(used, root), asked=asked)


def _passed_over(used: Connection, executable: Executable, plan: SearchPlan) -> PassedOver | None:
    """Return the indexes that serve the statement where nothing else is left to the planner, None where none does."""
    able = _judged(used, executable, analyze=False, settings=NO_OTHER_WAY)
    if not able.index_served:
        return None
    return PassedOver(indexes=able.indexes, tables=table_sizes(used, plan.root, plan.unserved))


def _planned_in_session(
    session: Session, statement: Executable, planned: Callable[[Connection, Executable], SearchPlan]
) -> SearchPlan:
    """Plan what the session would send to the connection it would take, after its hooks have had their say.

    What it has pending is flushed first, as it would be: a roll-back of ours must not undo it.
    """
    found: list[SearchPlan] = []

    def plan_instead(state: ORMExecuteState) -> Result[Any]:  # Any: a result without columns
        used = state.session.connection(bind_arguments={**state.bind_arguments, "clause": state.statement})
        found.append(planned(used, state.statement))
        return IteratorResult(SimpleResultMetaData([]), iter(()))

    if session.autoflush:
        session.flush()
    event.listen(session, "do_orm_execute", plan_instead)
    try:
        session.execute(statement)
    finally:
        event.remove(session, "do_orm_execute", plan_instead)
    return found[0]


def _plan_of(connection: Connection, statement: Executable, *, analyze: bool) -> PlanNode:
    """Return the plan of the statement as this connection sends it, at the last moment with EXPLAIN in front.

    psycopg 2, pg8000 and psycopg 3 send a text without values by a protocol that runs all its statements. So it is read
    before, and psycopg 3 is asked for binary results, for which it has only the protocol of a single statement.
    """
    standard = str(connection.scalar(_STANDARD_STRINGS)) == "on"

    def explain_it(_connection: Any, cursor: Any, sql: str, values: Any, _context: Any, _many: bool) -> Any:
        _require_single(sql, standard_strings=standard)
        if connection.dialect.driver == "psycopg" and hasattr(cursor, "format"):
            with suppress(AttributeError):  # read only by the async cursors of SQLAlchemy 2.0: the text was read above
                cursor.format = 1  # psycopg.pq.Format.BINARY
        return _EXPLAIN[analyze] + sql, values

    event.listen(connection, "before_cursor_execute", explain_it, retval=True)
    try:
        result = connection.execute(statement, execution_options=_NO_CURSOR)
    finally:
        event.remove(connection, "before_cursor_execute", explain_it)
    # the columns of the result are those of the statement, of which EXPLAIN has none
    ((document,),) = result.cursor.fetchall()
    result.close()
    return read_plan(json.loads(document) if isinstance(document, str | bytes) else document)


def _require_single(sql: str, *, standard_strings: bool) -> None:
    rest = what_follows(sql, standard_strings=standard_strings)
    if rest is None:
        return
    raise SearchError(
        f"explain() was given more than one statement: a semicolon, and then {textwrap.shorten(rest, 60)!r}. "
        "EXPLAIN stands for the first alone, so that the server would run what follows. "
        "Pass one statement."
    )


def _vector_indexes(connection: Connection, root: PlanNode) -> dict[tuple[str | None, str], str]:
    names = sorted({node.index for node in root.walk() if node.index is not None})
    if not names:
        return {}
    rows = connection.execute(_VECTOR_INDEXES, {"names": names})
    return {(schema, name): declared for schema, name, declared in rows}


def _invalid_indexes(connection: Connection, tables: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(connection.scalars(_INVALID_INDEXES, {"tables": list(tables)}))
