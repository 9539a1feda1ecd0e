"""A table as a worker needs it, read from the catalog by statements that no stranger's overload can answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, MetaData, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import (
    CHAR,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    NullType,
    Numeric,
    SmallInteger,
    String,
    Text,
    Time,
    Uuid,
)

from sqlalchemy_vecsearch.embedding.work_table import written_name
from sqlalchemy_vecsearch.expressions import Subvector
from sqlalchemy_vecsearch.indexes import vector_index
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat
from sqlalchemy_vecsearch.metrics import Metric, Storage, metric_of_operator_class
from sqlalchemy_vecsearch.storages import storage_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Row
    from sqlalchemy.types import TypeEngine

    from sqlalchemy_vecsearch.expressions import Quantize

__all__ = ["CatalogTable", "add_index", "quantize_of", "read_table"]

_COLUMNS: Final = text("""
SELECT a.attnum AS number, a.attname AS name, a.attnotnull AS not_null,
       COALESCE(b.typname, t.typname) AS type_name,
       CASE WHEN b.oid IS NULL THEN a.atttypmod ELSE t.typtypmod END AS modifier,
       (SELECT k.place FROM pg_catalog.pg_index AS i,
               LATERAL pg_catalog.unnest(CAST(i.indkey AS pg_catalog.int2[])) WITH ORDINALITY AS k (number, place)
         WHERE i.indrelid OPERATOR(pg_catalog.=) a.attrelid AND i.indisprimary
           AND k.number OPERATOR(pg_catalog.=) a.attnum) AS key_place
  FROM pg_catalog.pg_attribute AS a
  JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
  LEFT JOIN pg_catalog.pg_type AS b ON b.oid OPERATOR(pg_catalog.=) t.typbasetype
 WHERE a.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:name)
   AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
 ORDER BY a.attnum
""")

_INDEXES: Final = text("""
SELECT c.relname AS name, m.amname AS method, o.opcname AS operator_class, a.attname AS column,
       pg_catalog.pg_get_indexdef(i.indexrelid, 1, true) AS element,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
  JOIN pg_catalog.pg_am AS m ON m.oid OPERATOR(pg_catalog.=) c.relam
  JOIN pg_catalog.pg_opclass AS o ON o.oid OPERATOR(pg_catalog.=) i.indclass[0]
  JOIN pg_catalog.pg_depend AS d ON d.objid OPERATOR(pg_catalog.=) i.indexrelid
       AND d.refobjid OPERATOR(pg_catalog.=) i.indrelid
       AND d.refobjsubid OPERATOR(pg_catalog.>) 0::pg_catalog.int4
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
       AND CAST(a.attnum AS pg_catalog.int4) OPERATOR(pg_catalog.=) d.refobjsubid
 WHERE i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:name)
   AND m.amname OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['hnsw', 'ivfflat'] AS pg_catalog.name[]))
   AND i.indisvalid
 ORDER BY c.relname
""")


class CatalogTable:
    """A table, and what its names do not say.

    Attributes:
        table: its key and its columns, without their defaults; a type that no worker handles is a ``NullType``.
        numbers: number in ``pg_attribute`` -> name of a column.
    """

    def __init__(self, connection: Connection, name: str, schema: str | None) -> None:
        self.table = Table(name, MetaData(), schema=schema)
        self.numbers: dict[int, str] = {}
        found = {"name": written_name(connection, self.table)}
        rows = connection.execute(_COLUMNS, found).all()
        key = sorted((row.key_place, row.name) for row in rows if row.key_place is not None)
        in_order = {name: place for place, name in key}
        for row in sorted(rows, key=lambda one: (in_order.get(one.name, len(rows) + 1), one.number)):
            self.numbers[row.number] = row.name
            self.table.append_column(
                Column(row.name, _type(row), primary_key=row.name in in_order, nullable=not row.not_null)
            )
        self._indexes = connection.execute(_INDEXES, found).all()

    def add_indexes_of(self, column: Column[Any]) -> None:
        """Give a column of vectors the indexes that the database has on it, so that searches know their metric."""
        for row in self._indexes:
            if row.column == column.name:
                add_index(
                    column,
                    {
                        "name": row.name,
                        "method": row.method,
                        "operator_class": row.operator_class,
                        "expression": row.element,
                        "where": row.predicate,
                    },
                )


def read_table(connection: Connection, name: str, schema: str | None) -> CatalogTable | None:
    """Return a table of the database, None where it is not there."""
    found = CatalogTable(connection, name, schema)
    return found if len(found.table.columns) else None


def add_index(column: Column[Any], definition: dict[str, Any], metric: Metric | None = None) -> None:
    """Declare an index of the database for a column.

    Args:
        column: of vectors.
        definition: the arguments of ``op.create_vector_index``, as the journal has them.
        metric: of the column, where the index holds bits of vectors and does not say it; None takes the usual one.
    """
    known = metric_of_operator_class(definition["operator_class"])
    if known is None:
        return
    method: Any = {"hnsw": HNSW, "ivfflat": IVFFlat}[definition.get("method", "hnsw")]
    numbers = {name: value for name, value in (definition.get("with_") or {}).items() if isinstance(value, int)}
    where = definition.get("where")
    quantize = quantize_of(definition.get("expression") or "")
    vector_index(
        definition["name"],
        column,
        metric=known[1] if quantize != "binary" else metric or Metric.COSINE,
        method=method(**numbers),
        quantize=quantize,
        where=None if where is None else text(where.replace(":", r"\:")),
    )


def quantize_of(sql: str) -> Quantize | None:
    """Return what the SQL of an index holds instead of the whole vector."""
    if "binary_quantize" in sql:
        return "binary"
    if (part := re.search(r"subvector\(.*?,\s*(\d+)\s*,\s*(\d+)\s*\)", sql)) is not None:
        return Subvector(int(part[1]), int(part[2]))
    return "halfvec" if re.search(r"(::|\bAS\s)\s*(\w+\.)?halfvec\b", sql, re.IGNORECASE) else None


def _type(row: Row[Any]) -> TypeEngine[Any]:
    if row.type_name in _VECTORS:
        return storage_type(Storage.of(row.type_name), row.modifier if row.modifier > 0 else None)
    if row.type_name == "bpchar":
        return CHAR(row.modifier - _HEADER)
    return _TYPES.get(row.type_name, NullType)()


_HEADER: Final = 4  # of a varlena, which its type modifier counts
_VECTORS: Final = frozenset(storage.value for storage in Storage)
_TYPES: Final[dict[str, Callable[[], TypeEngine[Any]]]] = {
    "int2": SmallInteger,
    "int4": Integer,
    "int8": BigInteger,
    "numeric": Numeric,
    "float4": Float,
    "float8": Float,
    "text": Text,
    "varchar": String,
    "name": String,
    "citext": postgresql.CITEXT,
    "uuid": Uuid,
    "bool": Boolean,
    "json": postgresql.JSON,
    "jsonb": postgresql.JSONB,
    "date": Date,
    "time": Time,
    "timestamp": DateTime,
    "timestamptz": lambda: DateTime(timezone=True),
    "bytea": LargeBinary,
}
