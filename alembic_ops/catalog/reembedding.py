"""What the catalog says about the table of a job of re-embedding: its columns, its key, its indexes of pending rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import ARRAY, Text, bindparam, text

from alembic_ops.sql.statements import verbatim
from sqlalchemy_vecsearch.metrics import metric_of_operator_class
from sqlalchemy_vecsearch.quoting import PREPARER, qualified_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from alembic_ops.catalog.tables import Facts
    from sqlalchemy_vecsearch.embedding.journal import Reembedding
    from sqlalchemy_vecsearch.metrics import Metric

__all__ = [
    "READERS",
    "VECTOR_CLASSES",
    "BeginFacts",
    "FoundAttribute",
    "FoundPredicate",
    "IndexPart",
    "find_attributes",
    "find_metric",
    "find_model",
    "find_parts",
    "find_predicate",
    "find_primary_key",
    "find_schemas",
    "find_space",
    "has_other_relatives",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAttribute:
    """A column: ``type`` as SQL writes it, ``base`` the bare name of its type, or of the type below a domain."""

    name: str
    number: int
    type: str
    base: str
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPredicate:
    """The condition of a partial index, and whether queries may use the index."""

    condition: str
    usable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPart:
    """The index of a partition, of which ``whole`` is the name of the index that it is a part of at any depth."""

    name: str
    schema: str
    table_name: str
    whole: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginFacts:
    """What the next step of the begin of a job depends on.

    ``facts`` are the table, its partitions and their indexes; ``job`` is what the journal has of the job's name, and
    ``others`` are the other jobs on the table. ``condition`` is that of the pending index that is there, None where
    there is none, and ``wished_condition`` that of the one that is asked for, in the server's form.
    """

    facts: Facts
    attributes: Mapping[str, FoundAttribute] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    job: Reembedding | None = None
    others: tuple[Reembedding, ...] = ()
    metric: Metric | None = None
    previous_model: str | None = None
    publications: tuple[str, ...] = ()
    is_part: bool = False
    condition: str | None = None
    wished_condition: str | None = None


_SCHEMAS: Final = text("""
SELECT g.name, n.nspname AS schema FROM pg_catalog.unnest(CAST(:names AS pg_catalog.text[])) AS g (name)
  LEFT JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(g.name)
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
""").bindparams(bindparam("names", type_=ARRAY(Text)))

_ATTRIBUTES: Final = text("""
SELECT a.attname AS name, a.attnum AS number, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       COALESCE(b.typname, t.typname) AS base, a.attnotnull AS required
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
  LEFT JOIN pg_catalog.pg_type b ON b.oid OPERATOR(pg_catalog.=) t.typbasetype
 WHERE a.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table)
   AND a.attnum OPERATOR(pg_catalog.>) CAST(0 AS pg_catalog.int2) AND NOT a.attisdropped
""")

_KEY: Final = text("""
SELECT a.attname
  FROM pg_catalog.pg_index x
 CROSS JOIN ROWS FROM (pg_catalog.unnest(CAST(x.indkey AS pg_catalog.int2[]))) WITH ORDINALITY AS k (number, place)
  JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) x.indrelid
   AND a.attnum OPERATOR(pg_catalog.=) k.number
 WHERE x.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table) AND x.indisprimary
 ORDER BY k.place
""")

_RELATIVES: Final = text("""
SELECT t.relispartition OR EXISTS (
           SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid OPERATOR(pg_catalog.=) t.oid
               OR (h.inhparent OPERATOR(pg_catalog.=) t.oid
                   AND t.relkind OPERATOR(pg_catalog.<>) CAST('p' AS pg_catalog."char")))
  FROM pg_catalog.pg_class t WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table)
""")

PREDICATE: Final = text("""
SELECT pg_catalog.pg_get_expr(x.indpred, x.indrelid, true) AS condition,
       x.indisvalid AND x.indisready AND x.indislive AS usable
  FROM pg_catalog.pg_index x
 WHERE x.indexrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:index)
   AND x.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table) AND x.indpred IS NOT NULL
""")

VECTOR_CLASSES: Final = text("""
SELECT o.opcname
  FROM pg_catalog.pg_index x
  JOIN pg_catalog.pg_class i ON i.oid OPERATOR(pg_catalog.=) x.indexrelid
  JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) i.relam
   AND m.amname OPERATOR(pg_catalog.=) ANY (CAST('{hnsw,ivfflat}' AS pg_catalog.name[]))
  JOIN pg_catalog.pg_opclass o ON o.oid OPERATOR(pg_catalog.=) x.indclass[0]
  JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) i.oid
   AND d.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
   AND d.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
   AND d.refobjid OPERATOR(pg_catalog.=) x.indrelid
  JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) x.indrelid
   AND a.attnum OPERATOR(pg_catalog.=) d.refobjsubid
   AND a.attname OPERATOR(pg_catalog.=) CAST(:column AS pg_catalog.text)
 WHERE x.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table) AND x.indisvalid
 ORDER BY x.indkey[0] OPERATOR(pg_catalog.=) CAST(0 AS pg_catalog.int2), i.relname
""")

_SPACE: Final = text("""
SELECT (SELECT COALESCE(pg_catalog.sum(greatest(t.reltuples, CAST(0 AS pg_catalog.float4))),
                        CAST(0 AS pg_catalog.float4))
          FROM pg_catalog.pg_class t
         WHERE t.oid OPERATOR(pg_catalog.=) ANY (CAST(:tables AS pg_catalog.oid[]))) AS rows,
       (SELECT COALESCE(pg_catalog.sum(pg_catalog.pg_relation_size(CAST(i.oid AS pg_catalog.regclass))),
                        CAST(0 AS pg_catalog.numeric))
          FROM pg_catalog.pg_class i WHERE i.oid OPERATOR(pg_catalog.=) ANY (CAST(:indexes AS pg_catalog.oid[])))
           AS index_bytes
""")


_PARTS: Final = text("""
WITH RECURSIVE part AS (
    SELECT CAST(t.oid AS pg_catalog.oid) AS oid FROM pg_catalog.pg_class t
     WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:index)
     UNION
    SELECT h.inhrelid FROM part JOIN pg_catalog.pg_inherits h ON h.inhparent OPERATOR(pg_catalog.=) part.oid
)
SELECT i.relname AS name, n.nspname AS schema, t.relname AS table_name
  FROM part JOIN pg_catalog.pg_class i ON i.oid OPERATOR(pg_catalog.=) part.oid AND i.relispartition
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) i.relnamespace
  JOIN pg_catalog.pg_index x ON x.indexrelid OPERATOR(pg_catalog.=) i.oid
  JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) x.indrelid
""")

# An app that may read the rows follows the journal, in mode pointer, to the column that it searches.
READERS: Final = text("""
SELECT DISTINCT CASE WHEN x.grantee OPERATOR(pg_catalog.=) CAST(0 AS pg_catalog.oid) THEN 'PUBLIC'
                     ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END
  FROM pg_catalog.pg_class t
 CROSS JOIN LATERAL (
       SELECT a.grantee, a.privilege_type FROM pg_catalog.aclexplode(t.relacl) a
        UNION ALL
       SELECT a.grantee, a.privilege_type FROM pg_catalog.pg_attribute c, pg_catalog.aclexplode(c.attacl) a
        WHERE c.attrelid OPERATOR(pg_catalog.=) t.oid) x
 WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table)
   AND x.privilege_type OPERATOR(pg_catalog.=) 'SELECT' AND x.grantee OPERATOR(pg_catalog.<>) t.relowner
 ORDER BY 1
""")


def find_schemas(connection: Connection, names: Mapping[str, str]) -> dict[str, str | None]:
    """Return the schemas of tables, None for one that is not there, at the cost of one query.

    Args:
        connection: a connection.
        names: what the caller calls a table -> its name, with its schema where it is not the default one, quoted.
    """
    rows = connection.execute(_SCHEMAS, {"names": list(names.values())})
    found = {row.name: row.schema for row in rows}
    return {called: found[name] for called, name in names.items()}


def find_attributes(connection: Connection, table: str) -> dict[str, FoundAttribute]:
    """Return the columns of a table by name, none where there is no such table.

    Args:
        connection: a connection, as below.
        table: the name of the table with its schema, quoted, as below.
    """
    return {
        row.name: FoundAttribute(name=row.name, number=row.number, type=row.type, base=row.base, required=row.required)
        for row in connection.execute(_ATTRIBUTES, {"table": table})
    }


def find_primary_key(connection: Connection, table: str) -> tuple[str, ...]:
    """Return the columns of the primary key in their order."""
    return tuple(connection.scalars(_KEY, {"table": table}))


def has_other_relatives(connection: Connection, table: str) -> bool:
    """Say whether a table is a partition, or inherits or is inherited from as a partitioned one does not."""
    return bool(connection.scalar(_RELATIVES, {"table": table}))


def find_predicate(connection: Connection, table: str, index: str) -> FoundPredicate | None:
    """Return the condition of a partial index of a table, None where it has no such index."""
    row = connection.execute(PREDICATE, {"table": table, "index": index}).one_or_none()
    return None if row is None else FoundPredicate(condition=row.condition, usable=row.usable)


def find_metric(connection: Connection, table: str, column: str) -> Metric | None:
    """Return how the vector index of a column measures, that of the bare column first, None where it has none."""
    for name in connection.scalars(VECTOR_CLASSES, {"table": table, "column": column}):
        if (known := metric_of_operator_class(name)) is not None:
            return known[1]
    return None


def find_model(connection: Connection, table: str, column: str) -> str | None:
    """Return the model that the first thousand rows with one agree on, None where they do not.

    Args:
        connection: a connection.
        table: the name of the table with its schema, quoted.
        column: the column of the models' names.
    """
    name = PREPARER.quote(column)
    some = f"SELECT {name} AS model FROM {table} WHERE {name} IS NOT NULL LIMIT 1000"  # noqa: S608  # quoted names
    models = connection.scalars(verbatim(f"SELECT DISTINCT model FROM ({some}) AS first_rows LIMIT 2")).all()  # noqa: S608  # as above
    return str(models[0]) if len(models) == 1 else None


def find_parts(connection: Connection, schema: str | None, renamed: Sequence[tuple[str, str]]) -> list[IndexPart]:
    """Return the parts that indexes have on partitions, at the cost of one query for each index.

    Args:
        connection: a connection.
        schema: the schema of the indexes, None for the default one.
        renamed: the names of the indexes, each with its new one.
    """
    return [
        IndexPart(name=row.name, schema=row.schema, table_name=row.table_name, whole=whole)
        for whole, _ in renamed
        for row in connection.execute(_PARTS, {"index": qualified_name(schema, whole)})
    ]


def find_space(connection: Connection, tables: Sequence[int], indexes: Sequence[int]) -> tuple[int, int]:
    """Return about how many rows tables have by their statistics, and how many bytes indexes take, all by oid."""
    row = connection.execute(_SPACE, {"tables": list(tables), "indexes": list(indexes)}).one()
    return int(row.rows), int(row.index_bytes)
