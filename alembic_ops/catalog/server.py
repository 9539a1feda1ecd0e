"""What a build needs to know of its server: versions, limits, and the memory of its machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from alembic_ops.model.build_settings import BuildFacts
from alembic_ops.sql.statements import verbatim
from sqlalchemy_vecsearch.metrics import metric_of_operator_class

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from alembic_ops.model.index_state import IndexDefinition

__all__ = ["count_rows", "find_build_facts", "may_create_temporary_tables"]

_DIMENSIONS: Final = re.compile(r"(?:vector|halfvec|bit)\((\d+)\)")

_FACTS: Final = text(
    """
SELECT t.reltuples, t.relpages,
       pg_catalog.pg_relation_size(t.oid) OPERATOR(pg_catalog./)
           CAST(pg_catalog.current_setting('block_size') AS pg_catalog.int8) AS pages,
       a.atttypmod AS dimensions,
       (SELECT CAST(s.setting AS pg_catalog.int8) FROM pg_catalog.pg_settings s
         WHERE s.name OPERATOR(pg_catalog.=) 'maintenance_work_mem') AS memory,
       CAST(pg_catalog.current_setting('max_parallel_maintenance_workers') AS pg_catalog.int4) AS maintenance_workers,
       CAST(pg_catalog.current_setting('max_parallel_workers') AS pg_catalog.int4) AS parallel_workers,
       (SELECT e.extversion FROM pg_catalog.pg_extension e WHERE e.extname OPERATOR(pg_catalog.=) 'vector') AS pgvector,
       pg_catalog.inet_server_addr() IS NULL AS is_local
  FROM pg_catalog.pg_class t
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) t.oid
     AND a.attname OPERATOR(pg_catalog.=) CAST(:column AS pg_catalog.text) AND a.attnum OPERATOR(pg_catalog.>) 0
 WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table)
"""
)


# Others than superusers may be refused a file in the midst of a transaction, which the error would end.
_SERVER_FILES: Final = text(
    """
SELECT pg_catalog.pg_read_file(CAST('/proc/meminfo' AS pg_catalog.text),
                               CAST(0 AS pg_catalog.int8), CAST(4096 AS pg_catalog.int8), true) AS machine,
       pg_catalog.pg_read_file(CAST('/sys/fs/cgroup/memory.max' AS pg_catalog.text),
                               CAST(0 AS pg_catalog.int8), CAST(64 AS pg_catalog.int8), true) AS held
"""
)
_IS_SUPERUSER: Final = text(
    "SELECT CAST(pg_catalog.current_setting(CAST('is_superuser' AS pg_catalog.text)) AS pg_catalog.bool)"
)
_TOTAL: Final = re.compile(r"^MemTotal:\s+(\d+) kB$", re.MULTILINE)

_TEMPORARY: Final = text(
    "SELECT pg_catalog.has_database_privilege(CAST(pg_catalog.current_database() AS pg_catalog.text), 'TEMPORARY')"
)


def find_build_facts(connection: Connection, table: str, definition: IndexDefinition) -> BuildFacts | None:
    """Return what is known of a build, None where the table is gone.

    Costs one query, and a count of the rows where the table was never analysed.

    Args:
        connection: a connection to the server.
        table: the name of the table with its schema, quoted.
        definition: what is to be built.
    """
    row = connection.execute(_FACTS, {"table": table, "column": definition.column}).one_or_none()
    if row is None:
        return None
    known = metric_of_operator_class(definition.operator_class)
    if row.reltuples > 0 and row.relpages > 0:
        rows = round(row.reltuples / row.relpages * row.pages)
    else:
        rows = count_rows(connection, table)
    return BuildFacts(
        rows=rows,
        dimensions=_dimensions(definition, row.dimensions),
        storage=None if known is None else known[0],
        maintenance_memory=row.memory,
        maintenance_workers=row.maintenance_workers,
        parallel_workers=row.parallel_workers,
        pgvector=row.pgvector or "0",
        machine_memory=_machine_memory() if row.is_local else _memory_of_server(connection),
        processors=os.cpu_count() if row.is_local else None,
    )


def count_rows(connection: Connection, table: str) -> int:
    """Return the number of rows of a table, at the cost of a scan."""
    rows = verbatim(f"SELECT pg_catalog.count(*) FROM {table}")  # noqa: S608  # the name is quoted
    return int(connection.scalar(rows) or 0)


def may_create_temporary_tables(connection: Connection) -> bool:
    """Say whether the role may create temporary tables in the database."""
    return bool(connection.scalar(_TEMPORARY))


def _dimensions(definition: IndexDefinition, declared: int | None) -> int | None:
    if definition.expression is None:
        return declared if declared is not None and declared > 0 else None
    found = _DIMENSIONS.findall(definition.expression)
    return int(found[-1]) if found else None


def _memory_of_server(connection: Connection) -> int | None:
    """Return the memory of the server's machine in kB, where it runs Linux and a superuser asks; else None."""
    if not connection.scalar(_IS_SUPERUSER):  # a statement that only names the function is refused to others
        return None
    row = connection.execute(_SERVER_FILES).one()
    total = _TOTAL.search(row.machine or "")
    if total is None:
        return None
    held = (row.held or "").strip()
    return min(int(total[1]), int(held) // 1024) if held.isdigit() else int(total[1])


def _machine_memory() -> int | None:
    """Return the memory of this machine in kB, or what a container is held to."""
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # a system that does not tell
        return None
    machine = pages * size // 1024
    try:
        held = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:  # not Linux, or no control groups
        return machine
    return min(machine, int(held) // 1024) if held.isdigit() else machine
