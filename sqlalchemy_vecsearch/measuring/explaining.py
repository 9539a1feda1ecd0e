"""The plan that PostgreSQL makes for a search, with the values and the settings that the search has."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Select, bindparam, event, func, select, text
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.orm import Session, scoped_session

from sqlalchemy_vecsearch.measuring.plans import read_plan
from sqlalchemy_vecsearch.measuring.served import judge
from sqlalchemy_vecsearch.measuring.wanted import rows_asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Executable, Result
    from sqlalchemy.orm import ORMExecuteState

    from sqlalchemy_vecsearch.measuring.plans import PlanNode
    from sqlalchemy_vecsearch.measuring.served import SearchPlan

__all__ = ["explain", "explained"]

# VERBOSE adds the schemas of tables and what foreign servers are sent
_EXPLAIN: Final = {
    False: "EXPLAIN (FORMAT JSON, VERBOSE) ",
    True: "EXPLAIN (FORMAT JSON, VERBOSE, ANALYZE, TIMING OFF) ",
}

_VECTOR_INDEXES: Final = text(
    """
    SELECT CASE WHEN index.relnamespace = pg_my_temp_schema() THEN 'pg_temp' ELSE namespace.nspname END,
           index.relname, coalesce(parent.relname, index.relname)
    FROM pg_class AS index
    JOIN pg_am AS method ON method.oid = index.relam
    JOIN pg_namespace AS namespace ON namespace.oid = index.relnamespace
    LEFT JOIN pg_class AS parent ON parent.oid = pg_partition_root(index.oid)
    WHERE method.amname IN ('hnsw', 'ivfflat') AND index.relname IN :names
    """
).bindparams(bindparam("names", expanding=True))

_NO_CURSOR: Final = {"stream_results": False, "yield_per": None}
"""EXPLAIN can not be declared as a server-side cursor."""


def explain(
    connection: Connection | Session | scoped_session[Session], statement: Executable, *, analyze: bool = False
) -> SearchPlan:
    """Return the plan of a statement, and whether a vector index serves it.

    The statement is compiled, cached and bound as it is when it runs, with the hooks of the session
    (``do_orm_execute``) applied, and sent with EXPLAIN in front. It costs the planning, and one look into the catalog
    at which of its indexes are vector indexes.

    Args:
        connection: a ``Connection`` or a ``Session``; for the async ones write
            ``await session.run_sync(explain, statement)``.
        statement: a Select, or any other statement that EXPLAIN takes.
        analyze: True runs the statement, to count rows, and rolls back what it did: changed rows as well as the
            settings that it carries.

    Raises:
        SearchError: the server answers with something that is no plan.

    Example:
        ```text
        plan = explain(session, nearest(Document, Document.embedding, vector, k=10))
        assert plan.index_served, plan.render()
        ```
    """
    return explained(connection, statement, analyze=analyze)


def explained(
    connection: Connection | Session | scoped_session[Session],
    statement: Executable,
    *,
    analyze: bool = False,
    settings: Mapping[str, str] | None = None,
) -> SearchPlan:
    """Return the plan of a statement under further settings of the planner, which are taken back."""

    def planned(used: Connection, executable: Executable) -> SearchPlan:
        asked = rows_asked(executable) if isinstance(executable, Select) else None
        if not (analyze or settings):
            root = _plan_of(used, executable, analyze=False)
        else:
            with _undone(used):
                for name, value in (settings or {}).items():
                    used.execute(select(func.set_config(name, value, True)))  # noqa: FBT003  # set_config's own order
                root = _plan_of(used, executable, analyze=analyze)
        return judge(root, _vector_indexes(used, root), asked=asked)

    if isinstance(connection, Connection):
        return planned(connection, statement)
    session = connection() if isinstance(connection, scoped_session) else connection
    return _planned_in_session(session, statement, planned)


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
    """Return the plan of the statement as this connection sends it, at the last moment with EXPLAIN in front."""

    def explain_it(_connection: Any, _cursor: Any, sql: str, values: Any, _context: Any, _many: bool) -> Any:
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


def _vector_indexes(connection: Connection, root: PlanNode) -> dict[tuple[str | None, str], str]:
    names = sorted({node.index for node in root.walk() if node.index is not None})
    if not names:
        return {}
    rows = connection.execute(_VECTOR_INDEXES, {"names": names})
    return {(schema, name): declared for schema, name, declared in rows}


@contextmanager
def _undone(connection: Connection) -> Iterator[None]:
    """Run a block and roll back what it did, settings included, and nothing from before it."""
    if getattr(connection.connection.dbapi_connection, "autocommit", False):
        connection.exec_driver_sql("BEGIN")
        try:
            yield
        finally:
            connection.exec_driver_sql("ROLLBACK")
        return
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()
