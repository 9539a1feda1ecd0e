"""What the catalog says about a table and all that is below it: some of their columns, the indexes on these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import ARRAY, Text, bindparam, text

from alembic_ops.catalog.columns import TREE, columns_of_tree
from sqlalchemy_vecsearch.quoting import PREPARER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from alembic_ops.catalog.columns import FoundColumn

__all__ = ["INDEXES", "RELATIONS", "ColumnIndex", "FoundRelation", "find_relations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnIndex:
    """An index that uses columns.

    ``definition`` is what follows USING, ``parent`` the oid of the partitioned index that it is a part of.
    """

    oid: int
    name: str
    operator_class: str
    valid: bool
    of_vectors: bool
    unique: bool
    definition: str
    columns: tuple[str, ...]
    comment: str | None = None
    parent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRelation:
    """A table, a partition or a child of it, at any depth, with its columns by name and the indexes that use them.

    ``name`` has its schema and is quoted, and so has ``schema``. ``other_parent`` is a table that it inherits from and
    that is not below the given one; ``kind`` is PostgreSQL's letter.
    """

    oid: int
    name: str
    schema: str
    bare_name: str
    kind: str
    is_root: bool
    other_parent: str | None
    columns: Mapping[str, FoundColumn]
    indexes: tuple[ColumnIndex, ...]


_NAMES: Final = bindparam("names", type_=ARRAY(Text))

RELATIONS: Final = text(f"""{TREE}
SELECT t.oid, pg_catalog.quote_ident(n.nspname) AS schema, t.relname AS bare_name,
       CAST(t.relkind AS pg_catalog.text) AS kind,
       t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:table) AS is_root,
       (SELECT CAST(CAST(h.inhparent AS pg_catalog.regclass) AS pg_catalog.text) FROM pg_catalog.pg_inherits h
         WHERE h.inhrelid OPERATOR(pg_catalog.=) t.oid
           AND NOT EXISTS (SELECT FROM tree o WHERE o.oid OPERATOR(pg_catalog.=) h.inhparent)
           AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) h.inhparent
                          AND a.attname OPERATOR(pg_catalog.=) ANY (:names) AND NOT a.attisdropped)
         LIMIT 1) AS other_parent
  FROM tree JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) tree.oid
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
 ORDER BY is_root DESC, t.oid
""").bindparams(_NAMES)  # noqa: S608  # the parts are constants

# An index depends on its plain columns and on those of its expressions; a constraint's index belongs to the constraint.
INDEXES: Final = text(f"""{TREE}
SELECT a.attrelid AS relation, i.oid, i.relname AS name, o.opcname AS operator_class,
       x.indisvalid AND x.indisready AND x.indislive AS valid, x.indisunique AS unique_,
       m.amname OPERATOR(pg_catalog.=) ANY (CAST('{{hnsw,ivfflat}}' AS pg_catalog.name[])) AS of_vectors,
       pg_catalog.substr(
           pg_catalog.pg_get_indexdef(i.oid),
           pg_catalog.strpos(pg_catalog.pg_get_indexdef(i.oid), pg_catalog.concat(' USING ', m.amname, ' ('))
               OPERATOR(pg_catalog.+) 7) AS definition,
       pg_catalog.obj_description(i.oid, 'pg_class') AS comment, h.inhparent AS parent,
       pg_catalog.array_agg(DISTINCT CAST(a.attname AS pg_catalog.text)) AS columns
  FROM tree JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) tree.oid
  JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
     AND d.refobjid OPERATOR(pg_catalog.=) a.attrelid AND d.refobjsubid OPERATOR(pg_catalog.=) a.attnum
     AND d.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
  JOIN pg_catalog.pg_index x ON x.indexrelid OPERATOR(pg_catalog.=) d.objid
  JOIN pg_catalog.pg_class i ON i.oid OPERATOR(pg_catalog.=) x.indexrelid
  JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) i.relam
  JOIN pg_catalog.pg_opclass o ON o.oid OPERATOR(pg_catalog.=) x.indclass[0]
  LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid OPERATOR(pg_catalog.=) i.oid
 WHERE a.attname OPERATOR(pg_catalog.=) ANY (:names)
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
 ORDER BY 1, 4, 3
""").bindparams(_NAMES)  # noqa: S608  # the parts are constants


def find_relations(connection: Connection, table: str, names: Sequence[str]) -> list[FoundRelation]:
    """Return a table first, then its partitions and children, with some columns, at the cost of four queries.

    Args:
        connection: a connection.
        table: the name of the table with its schema, quoted; where there is none, nothing is returned.
        names: the columns.
    """
    given = {"table": table, "names": list(names)}
    columns = columns_of_tree(connection, given)
    indexes: dict[int, list[ColumnIndex]] = {}
    for row in connection.execute(INDEXES, given):
        found = ColumnIndex(
            oid=row.oid,
            name=row.name,
            operator_class=row.operator_class,
            valid=row.valid,
            of_vectors=row.of_vectors,
            unique=row.unique_,
            definition=row.definition,
            columns=tuple(row.columns),
            comment=row.comment,
            parent=row.parent,
        )
        indexes.setdefault(row.relation, []).append(found)
    return [
        FoundRelation(
            oid=row.oid,
            name=f"{row.schema}.{PREPARER.quote(row.bare_name)}",
            schema=row.schema,
            bare_name=row.bare_name,
            kind=row.kind,
            is_root=row.is_root,
            other_parent=row.other_parent,
            columns=columns.get(row.oid, {}),
            indexes=tuple(indexes.get(row.oid, ())),
        )
        for row in connection.execute(RELATIONS, given)
    ]
