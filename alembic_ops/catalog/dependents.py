"""What goes on using columns whatever their names, and whether it can follow the names."""

# ruff: noqa: S608  # the parts of the queries are constants

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import ARRAY, Text, bindparam, text

from alembic_ops.catalog.columns import TREE
from alembic_ops.catalog.dependent_definitions import CARRIED, catalog_class
from sqlalchemy_vecsearch.names import CHECK_PROOF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

__all__ = [
    "DEPENDENTS",
    "TIED",
    "Check",
    "Dependent",
    "find_checks",
    "find_dependents",
    "find_proofs",
    "has_dependents",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """An object that goes on using a column whatever its name.

    ``used`` is what it uses, ``description`` what it is, in PostgreSQL's own words. ``drops`` and ``creates`` are the
    statements that let it mean, after the columns have exchanged names, the column that has the name then; where there
    are none, it cannot be carried. ``locks`` is the statement that locks a view, or another table, for them;
    ``unproven`` says that nothing proves yet that the rows of the other column keep it.
    """

    used: str
    description: str
    drops: tuple[str, ...] = ()
    creates: tuple[str, ...] = ()
    locks: str | None = None
    unproven: bool = False

    @property
    def is_carried(self) -> bool:
        """Whether it can follow the names."""
        return bool(self.creates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A valid CHECK constraint; ``relation`` is its table with its schema, quoted, ``proof`` the name of its proof."""

    relation: str
    name: str
    proof: str
    definition: str
    condition: str


_GIVEN: Final = (bindparam("names", type_=ARRAY(Text)), bindparam("ours", type_=ARRAY(Text)))

# What uses a view that has to be created again is to be created again, too. The column's own default and NOT NULL are
# carried as its settings, indexes are exchanged, and what partitions and children have inherited follows their table.
_OBJECTS: Final = f"""{TREE}, columns AS (
    SELECT a.attrelid, a.attnum, CAST(a.attname AS pg_catalog.text) AS name, a.attgenerated
      FROM tree JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) tree.oid
     WHERE a.attname OPERATOR(pg_catalog.=) ANY (:names) AND NOT a.attisdropped
), tied AS (
    SELECT d.classid, d.objid, d.objsubid, c.name AS used, 1 AS depth
      FROM columns c JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) {catalog_class("pg_class")}
       AND d.refobjid OPERATOR(pg_catalog.=) c.attrelid AND d.refobjsubid OPERATOR(pg_catalog.=) c.attnum
     UNION
    SELECT d.classid, d.objid, d.objsubid, CAST(CAST(v.oid AS pg_catalog.regclass) AS pg_catalog.text),
           tied.depth OPERATOR(pg_catalog.+) 1
      FROM tied JOIN pg_catalog.pg_rewrite r ON tied.classid OPERATOR(pg_catalog.=) {catalog_class("pg_rewrite")}
       AND r.oid OPERATOR(pg_catalog.=) tied.objid AND r.rulename OPERATOR(pg_catalog.=) '_RETURN'
      JOIN pg_catalog.pg_class v ON v.oid OPERATOR(pg_catalog.=) r.ev_class AND v.relkind OPERATOR(pg_catalog.=) 'v'
      JOIN pg_catalog.pg_type y ON y.oid OPERATOR(pg_catalog.=) v.reltype
      JOIN pg_catalog.pg_depend d
        ON d.refclassid OPERATOR(pg_catalog.=) {catalog_class("pg_class")} AND d.refobjid OPERATOR(pg_catalog.=) v.oid
        OR d.refclassid OPERATOR(pg_catalog.=) {catalog_class("pg_type")}
            AND d.refobjid OPERATOR(pg_catalog.=) ANY (ARRAY[v.reltype, y.typarray])
     WHERE NOT (d.classid OPERATOR(pg_catalog.=) {catalog_class("pg_rewrite")}
         AND d.objid OPERATOR(pg_catalog.=) r.oid)
       AND NOT (d.classid OPERATOR(pg_catalog.=) {catalog_class("pg_type")}
           AND d.objid OPERATOR(pg_catalog.=) ANY (ARRAY[v.reltype, y.typarray]))
       AND NOT (d.classid OPERATOR(pg_catalog.=) {catalog_class("pg_attrdef")} AND EXISTS (
               SELECT FROM pg_catalog.pg_attrdef f WHERE f.oid OPERATOR(pg_catalog.=) d.objid
                   AND f.adrelid OPERATOR(pg_catalog.=) v.oid))
       AND NOT (d.classid OPERATOR(pg_catalog.=) {catalog_class("pg_trigger")} AND EXISTS (
               SELECT FROM pg_catalog.pg_trigger g WHERE g.oid OPERATOR(pg_catalog.=) d.objid
                   AND g.tgrelid OPERATOR(pg_catalog.=) v.oid))
), objects AS (
    SELECT t.classid, t.objid, pg_catalog.max(t.objsubid) AS objsubid, pg_catalog.min(t.used) AS used,
           pg_catalog.max(t.depth) AS depth
      FROM tied t
     WHERE NOT (t.classid OPERATOR(pg_catalog.=) {catalog_class("pg_class")} AND EXISTS (
               SELECT FROM pg_catalog.pg_index x WHERE x.indexrelid OPERATOR(pg_catalog.=) t.objid))
       AND NOT (t.classid OPERATOR(pg_catalog.=) {catalog_class("pg_attrdef")} AND EXISTS (
               SELECT FROM pg_catalog.pg_attrdef f
                 JOIN columns c ON c.attrelid OPERATOR(pg_catalog.=) f.adrelid
                     AND c.attnum OPERATOR(pg_catalog.=) f.adnum
                WHERE f.oid OPERATOR(pg_catalog.=) t.objid
                    AND c.attgenerated OPERATOR(pg_catalog.=) CAST('' AS pg_catalog."char")))
       AND NOT (t.classid OPERATOR(pg_catalog.=) {catalog_class("pg_constraint")} AND EXISTS (
               SELECT FROM pg_catalog.pg_constraint k WHERE k.oid OPERATOR(pg_catalog.=) t.objid
                  AND (k.contype OPERATOR(pg_catalog.=) 'n'
                       OR k.conname OPERATOR(pg_catalog.=) ANY (CAST(:ours AS pg_catalog.text[]))
                       OR k.contype OPERATOR(pg_catalog.=) 'c'
                       AND k.conrelid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT tree.oid FROM tree))
                       AND (k.coninhcount OPERATOR(pg_catalog.>) 0 OR pg_catalog.starts_with(
                               CAST(k.conname AS pg_catalog.text), '{CHECK_PROOF}')))))
       AND NOT (t.classid OPERATOR(pg_catalog.=) {catalog_class("pg_trigger")} AND EXISTS (
               SELECT FROM pg_catalog.pg_trigger g
                WHERE g.oid OPERATOR(pg_catalog.=) t.objid
                    AND g.tgparentid OPERATOR(pg_catalog.<>) CAST(0 AS pg_catalog.oid)))
     GROUP BY t.classid, t.objid
)"""

_LABEL: Final = f"""pg_catalog.concat('the security label of ', pg_catalog.pg_describe_object(
               {catalog_class("pg_class")}, c.attrelid, CAST(c.attnum AS pg_catalog.int4)))"""
_IS_LABELLED: Final = f"""EXISTS (
               SELECT FROM pg_catalog.pg_seclabel l WHERE l.classoid OPERATOR(pg_catalog.=) {catalog_class("pg_class")}
                  AND l.objoid OPERATOR(pg_catalog.=) c.attrelid AND l.objsubid OPERATOR(pg_catalog.=) c.attnum)"""

# The definitions are planned for longer than all else takes, and most tables have none of them.
_ANY: Final = text(f"""{_OBJECTS}
SELECT EXISTS (SELECT FROM objects) OR EXISTS (SELECT FROM columns c WHERE {_IS_LABELLED})
""").bindparams(*_GIVEN)

TIED: Final = text(f"""{_OBJECTS}
SELECT o.used, pg_catalog.pg_describe_object(o.classid, o.objid, o.objsubid) AS description FROM objects o
 UNION ALL
SELECT c.name, {_LABEL} FROM columns c WHERE {_IS_LABELLED}
 ORDER BY 1, 2
""").bindparams(*_GIVEN)
"""What is tied to the columns, without a definition of any of it."""

_CHECKS: Final = text(f"""{_OBJECTS}
SELECT pg_catalog.format('%I.%I', n.nspname, t.relname) AS relation, k.conname AS name,
       pg_catalog.concat('{CHECK_PROOF}', k.oid) AS proof, pg_catalog.pg_get_constraintdef(k.oid) AS definition,
       pg_catalog.pg_get_expr(k.conbin, k.conrelid) AS condition
  FROM objects o JOIN pg_catalog.pg_constraint k ON o.classid OPERATOR(pg_catalog.=) {catalog_class("pg_constraint")}
   AND k.oid OPERATOR(pg_catalog.=) o.objid AND k.contype OPERATOR(pg_catalog.=) 'c' AND k.convalidated
  JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
 ORDER BY k.conname, 1
""").bindparams(*_GIVEN)

_PROOFS: Final = text(f"""{TREE}
SELECT pg_catalog.format('%I.%I', n.nspname, t.relname) AS relation, k.conname AS name, k.convalidated AS valid
  FROM tree JOIN pg_catalog.pg_constraint k ON k.conrelid OPERATOR(pg_catalog.=) tree.oid AND k.conislocal
   AND pg_catalog.starts_with(CAST(k.conname AS pg_catalog.text), '{CHECK_PROOF}')
  JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
""")

DEPENDENTS: Final = text(f"""{_OBJECTS},{CARRIED}
SELECT f.used, f.description, f.drops, f.creates, f.locks, f.unproven FROM (
    SELECT o.used,
           COALESCE(c.description, pg_catalog.pg_describe_object(o.classid, o.objid, o.objsubid)) AS description,
           COALESCE(c.drops, CAST('{{}}' AS pg_catalog.text[])) AS drops,
           COALESCE(c.creates, CAST('{{}}' AS pg_catalog.text[])) AS creates, c.locks,
           COALESCE(c.unproven, false) AS unproven, c.place, o.depth
      FROM objects o LEFT JOIN carried c ON c.classid OPERATOR(pg_catalog.=) o.classid
          AND c.objid OPERATOR(pg_catalog.=) o.objid
       AND NOT EXISTS (
               SELECT FROM pg_catalog.pg_depend e WHERE e.classid OPERATOR(pg_catalog.=) o.classid
                   AND e.objid OPERATOR(pg_catalog.=) o.objid
                  AND e.deptype OPERATOR(pg_catalog.=) ANY (CAST('{{e,x}}' AS pg_catalog."char"[])))
     UNION ALL
    SELECT c.name, {_LABEL},
           CAST('{{}}' AS pg_catalog.text[]), CAST('{{}}' AS pg_catalog.text[]), NULL, false, NULL, 0
      FROM columns c WHERE {_IS_LABELLED}) AS f
 ORDER BY f.place NULLS FIRST, f.depth, f.used, f.description
""").bindparams(*_GIVEN)


def find_dependents(
    connection: Connection, table: str, names: Sequence[str], *, except_constraints: Sequence[str]
) -> list[Dependent]:
    """Return what goes on using columns whatever their names, in the order of creation, at the cost of two queries.

    Args:
        connection: a connection; names in the statements are qualified as far as its search path makes it necessary.
        table: the name of the table with its schema, quoted.
        names: the columns, of the table and of its partitions and children.
        except_constraints: names of constraints that are left out.
    """
    given = {"table": table, "names": list(names), "ours": list(except_constraints)}
    if not has_dependents(connection, table, names, except_constraints=except_constraints):
        return []
    return [
        Dependent(
            used=row.used,
            description=row.description,
            drops=tuple(row.drops),
            creates=tuple(row.creates),
            locks=row.locks,
            unproven=row.unproven,
        )
        for row in connection.execute(DEPENDENTS, given)
    ]


def has_dependents(
    connection: Connection, table: str, names: Sequence[str], *, except_constraints: Sequence[str]
) -> bool:
    """Say whether anything goes on using columns whatever their names; see ``find_dependents``."""
    given = {"table": table, "names": list(names), "ours": list(except_constraints)}
    return bool(connection.scalar(_ANY, given))


def find_checks(
    connection: Connection, table: str, names: Sequence[str], *, except_constraints: Sequence[str]
) -> list[Check]:
    """Return the valid CHECK constraints that use columns, at the cost of one query; see ``find_dependents``."""
    given = {"table": table, "names": list(names), "ours": list(except_constraints)}
    return [
        Check(relation=row.relation, name=row.name, proof=row.proof, definition=row.definition, condition=row.condition)
        for row in connection.execute(_CHECKS, given)
    ]


def find_proofs(connection: Connection, table: str) -> dict[tuple[str, str], bool]:
    """Return the constraints that prove others: table, with its schema and quoted, and name -> whether it is valid."""
    return {(row.relation, row.name): row.valid for row in connection.execute(_PROOFS, {"table": table})}
