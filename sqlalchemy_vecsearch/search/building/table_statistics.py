"""What the catalog knows of a searched table when the statement runs: its rows, and the scans of its indexes.

The sub-selects hold no values, only the table, so each is made once for a table: that is half of what a search costs
to build.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import (
    Boolean,
    Float,
    Integer,
    Numeric,
    Table,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    not_,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import OID
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import visitors
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.types import Text

from sqlalchemy_vecsearch.quoting import literal
from sqlalchemy_vecsearch.settings import constant, current_setting

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = [
    "INDEX",
    "Conditions",
    "either_or",
    "entries_read",
    "index_is_of",
    "index_scans",
    "is_partitioned",
    "known_before",
    "known_rows",
    "may_be_read_whole",
    "or_unknown",
    "rows_of",
    "rows_of_largest_partition",
]

Conditions: TypeAlias = "tuple[ColumnElement[bool], ...]"
"""Conditions that all hold; none holds always."""

_ROWS_UNKNOWN: Final = "CAST(1000000 AS REAL)"
"""Rows that a table is taken to have whose number the catalog does not know: before the first ANALYZE or CREATE INDEX,
for a view, or for a table whose rows are on other servers."""


_CLASS = table("pg_class", column("oid"), column("reltuples", Float(24)), schema="pg_catalog").alias("t")
INDEX = table("pg_index", column("indexrelid"), column("indrelid"), schema="pg_catalog").alias("i")
"""The indexes of all tables."""
_WHOLE: Final[ColumnElement[bool]] = literal_column("t.relkind = 'r' AND NOT t.relhassubclass", Boolean)
_FOREIGN: Final[ColumnElement[bool]] = literal_column("t.relkind = 'f'", Boolean)
_APPROXIMATE: Final[ColumnElement[bool]] = literal_column(
    "NOT pg_catalog.pg_index_has_property(i.indexrelid, 'bitmap_scan')", Boolean
)
_NONE: Final = literal_column("CAST(0 AS REAL)", Float(24))


class _NameOf(ColumnElement[str]):
    """The name of a table as SQL text, quoted and with its schema, ``schema_translate_map`` applied."""

    inherit_cache = True
    _traverse_internals = [("table", visitors.InternalTraversal.dp_has_cache_key)]  # noqa: RUF012  # as the base declares it
    type = Text()

    def __init__(self, table: Table) -> None:
        self.table = table


@compiles(_NameOf)
def _compile_name(element: _NameOf, compiler: SQLCompiler, **_: Any) -> str:  # Any: SQLAlchemy's own arguments
    return literal(compiler.preparer.format_table(element.table))


@lru_cache(maxsize=512)
def rows_of(searched: Any) -> ColumnElement[float]:
    """Return how many rows the table and its partitions have by ``pg_class.reltuples``; a million where it is unknown.

    It counts the whole table, whatever a policy hides.
    """
    return or_unknown(known_rows(searched))


@lru_cache(maxsize=512)
def known_rows(searched: Any) -> ColumnElement[float]:
    """Return how many rows the table and its partitions have by ``pg_class.reltuples``; NULL where it is unknown."""
    known = _CLASS.c.reltuples
    if is_partitioned(searched):
        return _of_leaves(searched, func.pg_catalog.sum(known, type_=Float(53)))
    of_table = select(known).select_from(_CLASS)
    found = of_table.where(_CLASS.c.oid == _oid(searched), _CLASS.c.reltuples > _NONE)
    scalar: ColumnElement[float] = found.scalar_subquery()
    return scalar


@lru_cache(maxsize=512)
def rows_of_largest_partition(searched: Any) -> ColumnElement[float]:
    """Return how many rows the largest partition of a partitioned table has; a million where it is unknown."""
    return or_unknown(_of_leaves(searched, func.pg_catalog.max(_CLASS.c.reltuples, type_=Float(24))))


def _of_leaves(searched: Any, number: ColumnElement[float]) -> ColumnElement[float]:
    """Return a number that is made of those of the partitions that hold the rows."""
    tree = func.pg_catalog.pg_partition_tree(_oid(searched)).table_valued("relid", "isleaf", name="p")
    leaves = tree.join(_CLASS, and_(_CLASS.c.oid == cast(tree.c.relid, OID), _CLASS.c.reltuples > _NONE))
    scalar: ColumnElement[float] = select(number).select_from(leaves).where(tree.c.isleaf).scalar_subquery()
    return scalar


def or_unknown(rows: ColumnElement[Any]) -> ColumnElement[float]:
    """Return a number of rows, or a million where it is NULL."""
    return func.coalesce(rows, literal_column(_ROWS_UNKNOWN, Float(24)), type_=Float(24))


def may_be_read_whole(searched: Any, most_rows: int | None) -> Conditions:
    """Return the condition under which every row of a table may be read: none where the caller has set no bound."""
    if most_rows is None:
        return ()
    # a literal that is no part of the compiled statement, so that other bounds share it
    return (rows_of(searched) <= cast(bindparam(None, most_rows, Integer, literal_execute=True), Float(53)),)


def either_or(enough: ColumnElement[bool], whole: Conditions) -> ColumnElement[bool]:
    """Return whether what the index found is the answer: it is enough, or no more may be read."""
    return or_(enough, *(not_(condition) for condition in whole)) if whole else enough


@lru_cache(maxsize=512)
def index_scans(searched: Any) -> Select[Any]:
    """Return one row with how often the transaction has scanned a vector index of the table or of its partitions.

    PostgreSQL counts as scans begin (``pg_stat_get_xact_numscans``), so the same number before and after says that all
    rows were read by other means. Vector indexes are told by what they alone lack: bitmap scans.
    """
    scans = func.pg_catalog.sum(func.pg_catalog.pg_stat_get_xact_numscans(INDEX.c.indexrelid), type_=Numeric)
    counted = func.coalesce(scans, literal_column("CAST(0 AS NUMERIC)", Numeric), type_=Numeric)  # of no index: none
    return select(counted.label("scans")).where(index_is_of(searched), _APPROXIMATE)


@lru_cache(maxsize=512)
def entries_read(searched: Any) -> Select[Any]:
    """Return one row with how many entries of vector indexes of the table the transaction has read, as ``entries``.

    Those of a dead row, and of one that the statement may not see, count as those of any other: so the number before a
    scan and the number behind it say how many rows were hidden from it. NULL where counting is off.
    """
    read = func.pg_catalog.sum(func.pg_catalog.pg_stat_get_xact_tuples_returned(INDEX.c.indexrelid), type_=Numeric)
    every = func.coalesce(read, literal_column("CAST(0 AS NUMERIC)", Numeric), type_=Numeric)  # of no index: none
    counted = case((current_setting("track_counts") == constant("on"), cast(every, Float(53))))
    return select(counted.label("entries")).where(index_is_of(searched), _APPROXIMATE)


def index_is_of(searched: Any) -> ColumnElement[bool]:
    """Return whether an index is of the table, or of one of its partitions."""
    if is_partitioned(searched):
        tree = func.pg_catalog.pg_partition_tree(_oid(searched)).table_valued("relid", name="p").render_derived()
        return INDEX.c.indrelid.in_(select(cast(tree.c.relid, OID)))
    # looked up once; written as it is, PostgreSQL takes it for dearer than the property, and asks that of all indexes
    return INDEX.c.indrelid == select(_oid(searched)).scalar_subquery()


def known_before(searched: Any, small: ColumnElement[float]) -> Select[Any]:
    """Return one row with what is known of a table before it is read; none where the catalog has no rows of it.

    ``rows`` is ``reltuples``, of the table alone. ``scans`` is :func:`index_scans`, NULL where they do not tell all:
    counting can be off, or rows can be in tables of which this one knows nothing, in partitions and children, or on
    other servers (a distributed table has no rows here). ``small`` says whether the table, of which the catalog knows
    all, has at most so many rows.
    """
    known = _CLASS.c.reltuples
    told = and_(_WHOLE, current_setting("track_counts") == constant("on"))
    scans = case((told, index_scans(searched).scalar_subquery())).label("scans")
    found = select(known.label("rows"), scans, and_(_WHOLE, known <= small).label("small"))
    return found.where(_CLASS.c.oid == _oid(searched), known > _NONE)


def known_of_partitions(searched: Any) -> Select[Any]:
    """Return one row with :func:`index_scans` of a partitioned table as ``scans``, as :func:`known_before` has it.

    NULL where counting is off, or where a partition is on another server, which has indexes of its own.
    """
    tree = func.pg_catalog.pg_partition_tree(_oid(searched)).table_valued("relid", name="p").render_derived()
    foreign = tree.join(_CLASS, and_(_CLASS.c.oid == cast(tree.c.relid, OID), _FOREIGN))
    elsewhere = select(_CLASS.c.oid).select_from(foreign).exists()
    told = and_(current_setting("track_counts") == constant("on"), ~elsewhere)
    return select(case((told, index_scans(searched).scalar_subquery())).label("scans"))


def is_partitioned(searched: Any) -> bool:
    """Return whether a table is declared as one whose rows are in its partitions."""
    return searched.dialect_options["postgresql"]["partition_by"] is not None


def _oid(searched: Any) -> ColumnElement[int]:
    """Return the oid of a table: for ``oid = regclass`` pg_catalog has no operator, and a stranger may have one."""
    return cast(func.pg_catalog.to_regclass(_NameOf(searched)), OID)
