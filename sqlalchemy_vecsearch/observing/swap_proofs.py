"""The constraints that a swap of columns, which has not come yet, has left on a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from sqlalchemy_vecsearch.names import CHECK_PROOF, NOT_NULL_PROOF

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["SwapProof", "swap_proofs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapProof:
    """A constraint by which the server has made sure, before a swap of columns, that the rows keep another one.

    The swap lets it take the place of that one. Where no swap comes it goes on refusing rows.

    Args:
        table: the table with its schema, quoted where it must be.
        name: of the constraint, quoted where it must be.
        definition: what it holds, as SQL.
    """

    table: str
    name: str
    definition: str


_PROOFS = text(f"""
SELECT pg_catalog.format('%I.%I', n.nspname, t.relname) AS table_, pg_catalog.quote_ident(k.conname) AS name,
       pg_catalog.pg_get_constraintdef(k.oid) AS definition
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
 WHERE k.contype OPERATOR(pg_catalog.=) CAST('c' AS pg_catalog."char") AND k.conislocal
   AND (pg_catalog.starts_with(CAST(k.conname AS pg_catalog.text), '{CHECK_PROOF}')
        OR pg_catalog.right(CAST(k.conname AS pg_catalog.text), {len(NOT_NULL_PROOF)})
           OPERATOR(pg_catalog.=) '{NOT_NULL_PROOF}')
 ORDER BY 1, 2
""")  # noqa: S608  # the parts are constants


def swap_proofs(connection: Connection) -> list[SwapProof]:
    """Return the proofs of swaps on all tables, those of a swap under way among them, at the cost of one query."""
    rows = connection.execute(_PROOFS)
    return [SwapProof(table=row.table_, name=row.name, definition=row.definition) for row in rows]
