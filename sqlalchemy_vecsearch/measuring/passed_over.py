"""The vector indexes that can serve a search where PostgreSQL reckons another way as cheaper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from sqlalchemy_vecsearch.measuring.plans import PlanNode

__all__ = ["NO_OTHER_WAY", "PassedOver", "TableSize", "table_sizes"]

NO_OTHER_WAY: Final = {"enable_seqscan": "off", "enable_sort": "off", "max_parallel_workers_per_gather": "0"}
"""With these the planner scans a vector index wherever one can serve, however few rows the table has.

A plain index on the filter goes the way of the sorts: what it finds has to be sorted by the distance. The outer sort of
a search in two levels is in every plan alike, so that it does not matter.
"""

_SIZES: Final = text(
    """
    SELECT CASE WHEN seen.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
                THEN CAST('pg_temp' AS pg_catalog.name)
                ELSE namespace.nspname END,
           seen.relname, seen.reltuples,
           pg_catalog.pg_relation_size(CAST(seen.oid AS regclass)) OPERATOR(pg_catalog./)
             CAST(pg_catalog.current_setting(CAST('block_size' AS pg_catalog.text)) AS bigint)
    FROM pg_catalog.pg_class AS seen
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid OPERATOR(pg_catalog.=) seen.relnamespace
    WHERE seen.relname OPERATOR(pg_catalog.=) ANY (CAST(:names AS name[]))
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """How large a table is, and how much of it the planner expects to compare.

    Attributes:
        name: of the table, or of the partition.
        rows: as the catalog knows them; None before the first ANALYZE.
        pages: that it takes now.
        compared: the rows whose distance the planner expects to work out.
    """

    name: str
    rows: int | None
    pages: int
    compared: int

    def describe(self) -> str:
        """Return it in words, with what makes the planner know more where it knows too little."""
        pages = f"{self.pages:,} page{'' if self.pages == 1 else 's'}"
        if self.rows is None:
            return f"{self.name!r} has {pages} and was never analysed (run ANALYZE)"
        return f"{self.name!r} has {self.rows:,} rows on {pages}, {self.compared:,} of them to be compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """The vector indexes that can serve a search, and what PostgreSQL compares instead of asking them.

    Attributes:
        indexes: by their declared names: those of the plan without sequential scans and sorts.
        tables: what is compared row by row.
    """

    indexes: tuple[str, ...]
    tables: tuple[TableSize, ...]

    def describe(self) -> str:
        """Return it in a sentence that says what is known, and how to ask for more."""
        names = " and ".join(map(repr, self.indexes))
        sizes = "; ".join(table.describe() for table in self.tables)
        cheaper = f"{names} can serve it, and PostgreSQL reckons comparing row by row as cheaper"
        evidence = f": {sizes}" if sizes else ""
        return f"{cheaper}{evidence}. assert_index_served() asks whether an index can."


def table_sizes(connection: Connection, root: PlanNode, names: tuple[str, ...]) -> tuple[TableSize, ...]:
    """Return the sizes of the tables of a plan that have these names, as the catalog knows them."""
    compared = dict(_compared(root, names))
    rows: Any = connection.execute(_SIZES, {"names": list(names)})  # Any: rows of text have no types
    sizes = {(schema, name): (known, pages) for schema, name, known, pages in rows}
    return tuple(
        TableSize(name=name, rows=None if known < 0 else round(known), pages=pages, compared=compared[schema, name])
        for (schema, name), (known, pages) in sizes.items()
        if (schema, name) in compared
    )


def _compared(root: PlanNode, names: tuple[str, ...]) -> Iterator[tuple[tuple[str | None, str], int]]:
    """Yield each table beneath a sort by the distance, and how many of its rows are expected there."""
    for sort in root.walk():
        if sort.sorts_by_distance:
            for node in sort.inputs():
                if node.relation in names:
                    yield (node.schema, node.relation), node.estimated_rows
