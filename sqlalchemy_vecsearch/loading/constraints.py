"""Which columns of the table the constraint is about that a row violates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from sqlalchemy_vecsearch.loading.target import quoted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sqlalchemy_vecsearch.loading.refusals import Refusal
    from sqlalchemy_vecsearch.loading.target import CopyTarget

__all__ = ["with_columns"]

# A unique index is no constraint; what its expressions and its predicate read stands in pg_depend. The constraint may
# be that of a partition, but not that of a table which a trigger writes.
_COLUMNS: Final = text(
    """
SELECT a.attname
FROM pg_attribute a
WHERE a.attrelid = to_regclass(:relation) AND a.attnum > 0
AND (
    a.attrelid = to_regclass(:target)
    OR pg_partition_root(a.attrelid) = pg_partition_root(to_regclass(:target))
)
AND (
    EXISTS (
        SELECT FROM pg_constraint k
        WHERE k.conrelid = a.attrelid AND k.conname = :constraint AND a.attnum = ANY (k.conkey)
    )
    OR EXISTS (
        SELECT FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass
        WHERE i.indrelid = a.attrelid AND c.relname = :constraint
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
    )
)
ORDER BY a.attnum
"""
)


def with_columns(connection: Connection, target: CopyTarget, refusal: Refusal) -> Refusal:
    """Return the refusal with all columns of the constraint or index that it names; one statement runs.

    A refusal that names none, or one of another table, comes back as it is.
    """
    if refusal.constraint is None or refusal.relation is None:
        return refusal
    names = {
        "relation": quoted(*refusal.relation),
        "target": target.name,
        "constraint": refusal.constraint,
    }
    columns = tuple(connection.execute(_COLUMNS, names).scalars())
    return replace(refusal, columns=columns) if columns else refusal
