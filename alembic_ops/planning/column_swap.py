"""The exchange of names between columns of a table: what refuses it, and its statements."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from alembic_ops.errors import DependentsError, MigrationError
from alembic_ops.model.column_exchange import ColumnExchange, Exchange
from alembic_ops.planning.column_settings import not_null_statements, settings_statements, too_long_to_be_plain
from alembic_ops.planning.index_pairs import index_renames
from sqlalchemy_vecsearch.names import fitted
from sqlalchemy_vecsearch.quoting import PREPARER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.catalog.dependents import Dependent
    from alembic_ops.catalog.relations import FoundRelation
    from alembic_ops.operations import SwapEmbeddingColumnsOp

__all__ = [
    "ExchangeFacts",
    "cannot_follow",
    "column_renames",
    "exchange_of",
    "exchange_statements",
    "lock_statements",
    "needs_proof",
    "refuse_dependents",
    "refuse_storage",
    "refuse_unproven",
    "require_columns",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeFacts:
    """What an exchange depends on: the table first, what is below it, what is tied to the columns, who publishes it."""

    relations: tuple[FoundRelation, ...]
    dependents: tuple[Dependent, ...]
    publications: tuple[str, ...]


def exchange_of(operation: SwapEmbeddingColumnsOp) -> ColumnExchange:
    """Return what ``op.swap_embedding_columns`` exchanges."""
    return ColumnExchange(
        table_name=operation.table_name,
        pairs=(Exchange(live=operation.live, replacement=operation.replacement),),
        schema=operation.schema,
        published=operation.published,
    )


def refuse_dependents(exchange: ColumnExchange, dependents: Sequence[Dependent]) -> None:
    """Refuse an exchange that objects would not follow.

    Raises:
        DependentsError: with the list.
    """
    refused = [one for one in dependents if not one.is_carried]
    if not refused:
        return
    listed = "; ".join(f"{one.description} uses {one.used!r}" for one in refused)
    raise DependentsError(
        f"The columns {exchange.live!r} and {exchange.replacement!r} of {exchange.table_name!r} were not swapped: "
        f"{listed}. "
        "PostgreSQL ties these objects to the column and not to its name, so that they would go on using the old "
        "vectors. "
        "Drop them before the swap in this revision, and create them again after it.",
        dependents=tuple(one.description for one in refused),
    )


def require_columns(exchange: ColumnExchange, relations: Sequence[FoundRelation]) -> None:
    """Refuse an exchange of columns that a table does not have, or that cannot be renamed.

    Raises:
        MigrationError: with what can be done instead.
    """
    for name in exchange.columns:
        if name not in relations[0].columns:
            raise MigrationError(
                f"The table {exchange.table_name!r} has no column {name!r}. "
                "A swap needs both columns, and exchanges their names. "
                "Correct the name, or add the column by op.add_embedding_column() in an earlier revision."
            )
    for relation in relations:
        _require_renamable(exchange, relation, relations[0])


def _require_renamable(exchange: ColumnExchange, relation: FoundRelation, root: FoundRelation) -> None:
    """Refuse a table of which PostgreSQL does not rename the columns, or not with all that belongs to their names."""
    cannot = (
        f"The columns {exchange.live!r} and {exchange.replacement!r} of {exchange.table_name!r} cannot be swapped: "
    )
    if relation.other_parent is not None:
        raise MigrationError(
            f"{cannot}{relation.name} has inherited them from {relation.other_parent}. "
            "PostgreSQL renames such a column with the table that it comes from, and in all tables below that one. "
            f"Swap the columns of {relation.other_parent}."
        )
    if relation.kind == "f":
        raise MigrationError(
            f"{cannot}{relation.name} is a foreign table. "
            "Its columns are those of another server, which a rename here does not reach. "
            "Detach it before the swap, or let the application read the new column by its own name instead."
        )
    for name in exchange.columns:
        if relation.columns[name].required and not root.columns[name].required:
            raise MigrationError(
                f"{cannot}{name!r} is NOT NULL in {relation.name}, and not in {root.name}. "
                "It would have to be proven of the rows of a part, and the next swap would not know it. "
                f"Set or drop NOT NULL on {root.name}, which holds for all of its parts, and swap then."
            )


def refuse_storage(exchange: ColumnExchange, facts: ExchangeFacts) -> None:
    """Refuse an exchange after which no row could be written.

    Raises:
        MigrationError: vectors would be kept in the row that no page holds.
    """
    for relation in facts.relations:
        for pair in exchange.pairs:
            found = too_long_to_be_plain(relation.columns[pair.live], relation.columns[pair.replacement])
            if found is not None:
                name, type_ = found
                raise MigrationError(
                    f"The columns {exchange.live!r} and {exchange.replacement!r} of {exchange.table_name!r} were not "
                    f"swapped: {name!r} has the storage PLAIN, and would be of the type {type_}. "
                    "Storage stays with the name, a plain value has to fit into a page of 8 kB, and every insert would "
                    "fail. "
                    f"Write ALTER TABLE {relation.name} ALTER COLUMN {PREPARER.quote(name)} SET STORAGE EXTERNAL "
                    "before the swap."
                )


def needs_proof(exchange: ColumnExchange, facts: ExchangeFacts) -> bool:
    """Say whether something holds for a name that has to be proven of the rows of the other column."""
    columns = facts.relations[0].columns
    required = (columns[pair.live].required != columns[pair.replacement].required for pair in exchange.pairs)
    return any(required) or any(one.unproven for one in facts.dependents)


def refuse_unproven(exchange: ColumnExchange, facts: ExchangeFacts) -> None:
    """Refuse an exchange for which rows would have to be read under its lock.

    Raises:
        MigrationError: a constraint came after the proof, or there was none.
    """
    unproven = [one.description for one in facts.dependents if one.unproven]
    if unproven:
        raise MigrationError(
            f"The columns {exchange.live!r} and {exchange.replacement!r} of {exchange.table_name!r} were not swapped: "
            f"nothing proves that the rows keep {', '.join(unproven)} after it. "
            "To read them now would stop every reader and writer. "
            "Run the upgrade again, which lets the server check them first."
        )


def lock_statements(table: str, dependents: Sequence[Dependent]) -> list[str]:
    """Return the statements that lock views, those that use others first, and then the table, whose name is quoted."""
    beside = [one.locks for one in reversed(dependents) if one.locks is not None]
    return [*beside, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"]


def cannot_follow(exchange: ColumnExchange, dependent: Dependent, said: str) -> DependentsError:
    """Return the error for something that the server does not create again over the other column."""
    return DependentsError(
        f"The columns {exchange.live!r} and {exchange.replacement!r} of {exchange.table_name!r} were not swapped: "
        f"the {dependent.description} cannot be created again over the column that would have its name then "
        f"({said}). "
        "It would have to go on using the old vectors. "
        "Drop it before the swap in this revision, and create it as it has to be after it.",
        dependents=(dependent.description,),
    )


def exchange_statements(exchange: ColumnExchange, facts: ExchangeFacts, *, current_role: str) -> list[str]:
    """Return the statements of the exchange after the lock, up to those that create again what has been dropped.

    Args:
        exchange: which columns.
        facts: what the catalog says under the lock.
        current_role: who runs the statements, quoted.

    Raises:
        MigrationError: an index of a live column has no partner.
    """
    root = facts.relations[0]
    statements = [sql for one in reversed(facts.dependents) for sql in one.drops]
    statements += [
        f"ALTER TABLE {root.name} ALTER COLUMN {PREPARER.quote(name)} DROP NOT NULL"
        for name in sorted(exchange.nullable)
    ]
    statements += column_renames(root.name, exchange.pairs)
    statements += index_renames(exchange, facts.relations)
    for pair in exchange.pairs:
        live, replacement = (
            replace(found, required=found.required and found.name not in exchange.nullable)
            for found in (root.columns[pair.live], root.columns[pair.replacement])
        )
        statements += not_null_statements(root.name, exchange.table_name, live, replacement)
        for one in facts.relations:
            live, replacement = one.columns[pair.live], one.columns[pair.replacement]
            statements += settings_statements(one.name, live, replacement, current_role)
    return statements


def column_renames(table: str, pairs: Sequence[Exchange]) -> list[str]:
    """Return the statements that let columns exchange names, on a table whose name is quoted."""
    statements = []
    for pair in pairs:
        one, other = PREPARER.quote(pair.live), PREPARER.quote(pair.replacement)
        between = PREPARER.quote(fitted(pair.live, suffix="__swap"))
        statements += [
            f"ALTER TABLE {table} RENAME COLUMN {one} TO {between}",
            f"ALTER TABLE {table} RENAME COLUMN {other} TO {one}",
            f"ALTER TABLE {table} RENAME COLUMN {between} TO {other}",
        ]
    return statements
