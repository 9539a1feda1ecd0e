"""What a build needs to know of its server: versions, limits, and the machine where it is this one."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, text

from alembic_ops.build_settings import BuildFacts
from alembic_ops.extension import version_number
from alembic_ops.statements import verbatim
from sqlalchemy_vecsearch.metrics import metric_of_operator_class

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from alembic_ops.state import IndexDefinition

__all__ = ["count_rows", "find_build_facts"]

_DIMENSIONS: Final = re.compile(r"(?:vector|halfvec|bit)\((\d+)\)")

_FACTS: Final = text(
    """
SELECT t.reltuples, t.relpages, pg_catalog.pg_relation_size(t.oid) / current_setting('block_size')::int AS pages,
       a.atttypmod AS dimensions,
       (SELECT s.setting::bigint FROM pg_catalog.pg_settings s WHERE s.name = 'maintenance_work_mem') AS memory,
       current_setting('max_parallel_maintenance_workers')::int AS maintenance_workers,
       current_setting('max_parallel_workers')::int AS parallel_workers,
       (SELECT e.extversion FROM pg_catalog.pg_extension e WHERE e.extname = 'vector') AS pgvector,
       inet_server_addr() IS NULL AS is_local
  FROM pg_catalog.pg_class t
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attname = :column AND a.attnum > 0
 WHERE t.oid = pg_catalog.to_regclass(:table)
""".replace("::", r"\:\:")
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
        pgvector_version=version_number(row.pgvector or "0"),
        machine_memory=_machine_memory() if row.is_local else None,
        processors=os.cpu_count() if row.is_local else None,
    )


def count_rows(connection: Connection, table: str) -> int:
    """Return the number of rows of a table, at the cost of a scan."""
    return int(connection.scalar(select(func.count()).select_from(verbatim(table))) or 0)


def _dimensions(definition: IndexDefinition, declared: int | None) -> int | None:
    if definition.expression is None:
        return declared if declared is not None and declared > 0 else None
    found = _DIMENSIONS.findall(definition.expression)
    return int(found[-1]) if found else None


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
