"""From the facts of two columns to the statements that let them exchange names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_ops.errors import DependentsError, MigrationError
from alembic_ops.quoting import PREPARER
from alembic_ops.statements import qualified_name
from sqlalchemy_vecsearch.metrics import metric_of_operator_class
from sqlalchemy_vecsearch.names import fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.column_facts import ColumnIndex, Dependent, FoundColumn
    from alembic_ops.operations import SwapEmbeddingColumnsOp

__all__ = ["column_renames", "moved_defaults", "not_null_check", "refuse_dependents", "swap_statements"]


def not_null_check(table_name: str, column: str) -> str:
    """Return the name of the constraint that proves, before the swap, that a column has no NULL."""
    return fitted(f"{table_name}_{column}", suffix="_alembic_ops_not_null")


def refuse_dependents(operation: SwapEmbeddingColumnsOp, dependents: Sequence[Dependent]) -> None:
    """Refuse a swap that objects would not follow.

    Raises:
        DependentsError: with the list.
    """
    if not dependents:
        return
    listed = "; ".join(f"{one.description} uses {one.column!r}" for one in dependents)
    raise DependentsError(
        f"The columns {operation.live!r} and {operation.replacement!r} of {operation.table_name!r} were not swapped: "
        f"{listed}. "
        "PostgreSQL ties these objects to the column and not to its name, so that they would go on using the old "
        "vectors. "
        "Drop them before the swap in this revision, and create them again after it.",
        dependents=tuple(one.description for one in dependents),
    )


def moved_defaults(live: FoundColumn, replacement: FoundColumn) -> list[tuple[str, str]]:
    """Return each default that moves to a column of another type, with that type."""
    if live.type == replacement.type or live.default == replacement.default:
        return []
    moved = ((live.default, replacement.type), (replacement.default, live.type))
    return [(default, type_) for default, type_ in moved if default is not None]


def swap_statements(operation: SwapEmbeddingColumnsOp, live: FoundColumn, replacement: FoundColumn) -> list[str]:
    """Return the statements of the swap, without the lock.

    Raises:
        MigrationError: the live column has an index for which the replacement has none.
    """
    table = qualified_name(PREPARER, operation.schema, operation.table_name)
    alter = f"ALTER TABLE {table}"
    one, other = PREPARER.quote(operation.live), PREPARER.quote(operation.replacement)
    return [
        *column_renames(operation),
        *_index_renames(operation, live, replacement),
        *_required(alter, one, other, operation, live, replacement),
        *_defaults(alter, one, other, live, replacement),
        *_comments(table, one, other, live, replacement),
        *_privileges(table, one, other, live, replacement),
        *_statistics(alter, one, other, live, replacement),
    ]


def column_renames(operation: SwapEmbeddingColumnsOp) -> list[str]:
    """Return the statements that let the two columns exchange names."""
    alter = f"ALTER TABLE {qualified_name(PREPARER, operation.schema, operation.table_name)}"
    one, other = PREPARER.quote(operation.live), PREPARER.quote(operation.replacement)
    between = PREPARER.quote(fitted(operation.live, suffix="__swap"))
    return [
        f"{alter} RENAME COLUMN {one} TO {between}",
        f"{alter} RENAME COLUMN {other} TO {one}",
        f"{alter} RENAME COLUMN {between} TO {other}",
    ]


def _index_renames(operation: SwapEmbeddingColumnsOp, live: FoundColumn, replacement: FoundColumn) -> list[str]:
    statements = []
    free = list(replacement.indexes)
    for index in live.indexes:
        partner = next((one for one in free if _metric(one) == _metric(index)), None)
        if partner is None:
            raise MigrationError(
                f"The column {operation.replacement!r} has no index like {index.name!r} of {operation.live!r}. "
                "After the swap every search would read the whole table. "
                f"Build it on {operation.replacement!r} by op.create_vector_index() with the same metric, and swap."
            )
        if not partner.valid:
            raise MigrationError(
                f"The index {partner.name!r} of the column {operation.replacement!r} is not valid. "
                "After the swap every search would read the whole table. "
                "Finish it by the op.create_vector_index() that began it, and swap then."
            )
        free.remove(partner)
        statements += _exchange_index_names(operation, index.name, partner.name)
    return statements


def _exchange_index_names(operation: SwapEmbeddingColumnsOp, first: str, second: str) -> list[str]:
    between = fitted(first, suffix="__swap")
    pairs = ((first, between), (second, first), (between, second))
    return [
        f"ALTER INDEX {qualified_name(PREPARER, operation.schema, old)} RENAME TO {PREPARER.quote(new)}"
        for old, new in pairs
    ]


def _metric(index: ColumnIndex) -> str:
    known = metric_of_operator_class(index.operator_class)
    return index.operator_class if known is None else known[1].value


def _required(
    alter: str, one: str, other: str, operation: SwapEmbeddingColumnsOp, live: FoundColumn, replacement: FoundColumn
) -> list[str]:
    statements = []
    for name, before, after, column in (
        (one, replacement.required, live.required, operation.replacement),
        (other, live.required, replacement.required, operation.live),
    ):
        if after and not before:
            statements.append(f"{alter} ALTER COLUMN {name} SET NOT NULL")
            check = PREPARER.quote(not_null_check(operation.table_name, column))
            statements.append(f"{alter} DROP CONSTRAINT {check}")
        elif before and not after:
            statements.append(f"{alter} ALTER COLUMN {name} DROP NOT NULL")
    return statements


def _defaults(alter: str, one: str, other: str, live: FoundColumn, replacement: FoundColumn) -> list[str]:
    if live.default == replacement.default:
        return []
    return [
        f"{alter} ALTER COLUMN {name} " + ("DROP DEFAULT" if default is None else f"SET DEFAULT {default}")
        for name, default in ((one, live.default), (other, replacement.default))
    ]


def _comments(table: str, one: str, other: str, live: FoundColumn, replacement: FoundColumn) -> list[str]:
    if live.comment == replacement.comment:
        return []
    return [
        f"COMMENT ON COLUMN {table}.{name} IS {_literal(comment)}"
        for name, comment in ((one, live.comment), (other, replacement.comment))
    ]


def _privileges(table: str, one: str, other: str, live: FoundColumn, replacement: FoundColumn) -> list[str]:
    if live.privileges == replacement.privileges:
        return []
    statements = []
    for name, held, wished in (
        (one, replacement.privileges, live.privileges),
        (other, live.privileges, replacement.privileges),
    ):
        statements += [f"REVOKE {old.privilege} ({name}) ON {table} FROM {old.grantee}" for old in held]
        statements += [
            f"GRANT {new.privilege} ({name}) ON {table} TO {new.grantee}" + " WITH GRANT OPTION" * new.grantable
            for new in wished
        ]
    return statements


def _statistics(alter: str, one: str, other: str, live: FoundColumn, replacement: FoundColumn) -> list[str]:
    statements = []
    for name, before, after in ((one, replacement, live), (other, live, replacement)):
        column = f"{alter} ALTER COLUMN {name}"
        if after.statistics != before.statistics:
            statements.append(f"{column} SET STATISTICS {after.statistics}")
        names = {option.partition("=")[0] for option in after.options}
        gone = [option for option, _, _ in (held.partition("=") for held in before.options) if option not in names]
        if gone:
            statements.append(f"{column} RESET ({', '.join(gone)})")
        if after.options != before.options and after.options:
            statements.append(f"{column} SET ({', '.join(after.options)})")
    return statements


def _literal(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"
