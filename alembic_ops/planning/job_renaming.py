"""The names that are exchanged when searches are switched by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic_ops.model.column_exchange import ColumnExchange, Exchange
from sqlalchemy_vecsearch.embedding.declared import pending_index_name
from sqlalchemy_vecsearch.names import fitted
from sqlalchemy_vecsearch.provenance import Provenance
from sqlalchemy_vecsearch.quoting import PREPARER, qualified_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.catalog.reembedding import IndexPart
    from alembic_ops.planning.job_columns import JobColumns, JobFacts

__all__ = ["Renaming", "rename_statements", "renaming_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """Names that are exchanged, and names of the new column's provenance that take free ones, columns and indexes."""

    exchange: ColumnExchange
    columns: tuple[tuple[str, str], ...] = ()
    indexes: tuple[tuple[str, str], ...] = ()


def renaming_of(facts: JobFacts, columns: JobColumns, *, published: bool, forward: bool) -> Renaming:
    """Return what exchanges names when searches are switched by them, or switched back.

    Where the former column has no provenance, that of the new one takes the names that go with the name in use, if
    nothing else has them. A column that is NOT NULL, and gives its name to one that is not, is so no more: the server
    would read the table for it under the lock.
    """
    job = facts.job
    name_of_new = job.live if forward else job.replacement
    pairs = [Exchange(live=job.live, replacement=job.replacement)]
    renames: list[tuple[str, str]] = []
    if columns.old_provenance is not None and columns.new_provenance is not None:
        of_live, of_other = columns.old_provenance, columns.new_provenance
        if not forward:
            of_live, of_other = of_other, of_live
        pairs += [Exchange(live=one, replacement=two) for one, two in zip(of_live, of_other, strict=True)]
    elif columns.new_provenance is not None:
        wished = Provenance().named_for(name_of_new)
        if not set(wished) & set(facts.attributes):
            renames = list(zip(columns.new_provenance, wished, strict=True))
    index_of_new = pending_index_name(job.table_name, columns.new)
    index_of_old = pending_index_name(job.table_name, columns.old)
    index_pairs, index_renames = _index_names(
        facts, index_of_new, index_of_old, pending_index_name(job.table_name, name_of_new), forward=forward
    )
    return Renaming(
        exchange=ColumnExchange(
            table_name=job.table_name,
            pairs=tuple(pairs),
            indexes=index_pairs,
            alone=frozenset(old for old, _ in index_renames),
            nullable=frozenset(
                pair.live
                for pair in pairs
                if facts.attributes[pair.live].required and not facts.attributes[pair.replacement].required
            ),
            schema=facts.schema,
            published=published,
        ),
        columns=tuple(renames),
        indexes=index_renames,
    )


def rename_statements(renaming: Renaming, parts: Sequence[IndexPart] = ()) -> list[str]:
    """Return the statements that let provenance take free names, after the exchange.

    Args:
        renaming: which names.
        parts: the parts that the indexes have on partitions, which are named after the whole.
    """
    exchange = renaming.exchange
    renamed = dict(renaming.indexes)
    statements = [
        f"ALTER TABLE {exchange.table} RENAME COLUMN {PREPARER.quote(old)} TO {PREPARER.quote(new)}"
        for old, new in renaming.columns
    ]
    for old, new in renaming.indexes:
        index = qualified_name(exchange.schema, old)
        statements.append(f"ALTER INDEX {index} RENAME TO {PREPARER.quote(new)}")
    for part in parts:
        new = fitted(f"{part.table_name}_{renamed[part.whole]}")
        if part.name == fitted(f"{part.table_name}_{part.whole}"):
            index = qualified_name(part.schema, part.name)
            statements.append(f"ALTER INDEX {index} RENAME TO {PREPARER.quote(new)}")
    return statements


def _index_names(
    facts: JobFacts, of_new: str, of_old: str, wished: str, *, forward: bool
) -> tuple[tuple[Exchange, ...], tuple[tuple[str, str], ...]]:
    if of_new not in facts.index_names:
        return (), ()
    if of_old in facts.index_names:
        live, other = (of_old, of_new) if forward else (of_new, of_old)
        return (Exchange(live=live, replacement=other),), ()
    return (), ((of_new, wished),)
