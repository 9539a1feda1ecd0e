"""The server's plan of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import Executable
from sqlalchemy.sql.expression import ClauseElement

from sqlalchemy_vecsearch.demo.summary import Plan

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["plan_of"]


class _Explain(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:  # Any: the columns do not matter
        self.statement = statement


@compiles(_Explain, "postgresql")
def _write_explain(element: _Explain, compiler: SQLCompiler, **options: Any) -> str:  # Any: SQLAlchemy's own options
    return "EXPLAIN (COSTS OFF) " + compiler.process(element.statement, **options)


def plan_of(session: Session, statement: Select[*tuple[Any, ...]], index: str) -> Plan:
    """Return the plan of a statement, which is not run.

    Args:
        session: of the application.
        statement: a search.
        index: the name of the vector index.
    """
    lines = [str(line) for line in session.execute(_Explain(statement)).scalars()]
    served = any(f"Index Scan using {index} " in line for line in lines)
    return Plan(index_served=served, indexes=[index] if served else [], lines=lines)
