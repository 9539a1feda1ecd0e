"""The statements that let what belongs to the name of a column stay with the name when two columns exchange theirs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlalchemy_vecsearch.names import NOT_NULL_PROOF, fitted
from sqlalchemy_vecsearch.quoting import PREPARER, literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic_ops.catalog.columns import FoundColumn, Privilege

__all__ = ["moved_defaults", "not_null_check", "not_null_statements", "settings_statements", "too_long_to_be_plain"]

_MOST_IN_A_ROW: Final = 8_000
"""Bytes of a vector that still fit into a page with the rest of a short row."""
_LENGTH: Final = re.compile(r"\b(vector|halfvec|bit)\((\d+)\)$")
_BITS: Final[Mapping[str, int]] = {"vector": 32, "halfvec": 16, "bit": 1}
"""Of each dimension."""


def not_null_check(table_name: str, column: str) -> str:
    """Return the name of the constraint that proves, before the swap, that a column has no NULL."""
    return fitted(f"{table_name}_{column}", suffix=NOT_NULL_PROOF)


def moved_defaults(live: FoundColumn, replacement: FoundColumn) -> list[tuple[str, str]]:
    """Return each default that moves to a column of another type, with that type."""
    if live.type == replacement.type or live.default == replacement.default:
        return []
    moved = ((live.default, replacement.type), (replacement.default, live.type))
    return [(default, type_) for default, type_ in moved if default is not None]


def too_long_to_be_plain(live: FoundColumn, replacement: FoundColumn) -> tuple[str, str] | None:
    """Return the name whose storage PLAIN would get vectors that no page holds, with their type."""
    for wished, held in ((live, replacement), (replacement, live)):
        found = _LENGTH.search(held.type)
        if wished.storage == "PLAIN" and found and int(found[2]) * _BITS[found[1]] // 8 > _MOST_IN_A_ROW:
            return wished.name, held.type
    return None


def not_null_statements(table: str, table_name: str, live: FoundColumn, replacement: FoundColumn) -> list[str]:
    """Return the statements that leave NOT NULL with the name, after the renames, on a table and all below it.

    Args:
        table: the name of the table with its schema, quoted.
        table_name: the bare name of the table.
        live: one column as it was before it exchanged its name with the other.
        replacement: the other column.
    """
    statements: list[str] = []
    for before, after in ((live, replacement), (replacement, live)):  # name of the one, data of the other
        column = f"ALTER TABLE {table} ALTER COLUMN {PREPARER.quote(before.name)}"
        if after.required and not before.required:
            statements.insert(0, f"{column} DROP NOT NULL")
        elif before.required and not after.required:
            statements.append(f"{column} SET NOT NULL")
            check = PREPARER.quote(not_null_check(table_name, after.name))
            statements.append(f"ALTER TABLE {table} DROP CONSTRAINT {check}")
    return statements


def settings_statements(table: str, live: FoundColumn, replacement: FoundColumn, current_role: str) -> list[str]:
    """Return the statements that leave the other settings with the name, after the renames, on one table.

    Args:
        table: the name of the table with its schema, quoted.
        live: one column as it was before it exchanged its name with the other.
        replacement: the other column.
        current_role: who runs the statements, quoted.
    """
    alter = f"ALTER TABLE ONLY {table} ALTER COLUMN"
    statements = []
    for wished, held in ((live, replacement), (replacement, live)):
        column = f"{alter} {PREPARER.quote(wished.name)}"
        statements += [
            *_default(column, wished, held),
            *_comment(table, wished, held),
            *_statistics(column, wished, held),
            *_storage(column, wished, held),
        ]
    return statements + _privileges(table, live, replacement, current_role)


def _default(column: str, wished: FoundColumn, held: FoundColumn) -> list[str]:
    if wished.default == held.default:
        return []
    return [f"{column} " + ("DROP DEFAULT" if wished.default is None else f"SET DEFAULT {wished.default}")]


def _comment(table: str, wished: FoundColumn, held: FoundColumn) -> list[str]:
    if wished.comment == held.comment:
        return []
    return [f"COMMENT ON COLUMN {table}.{PREPARER.quote(wished.name)} IS {literal(wished.comment)}"]


def _statistics(column: str, wished: FoundColumn, held: FoundColumn) -> list[str]:
    statements = []
    if wished.statistics != held.statistics:
        statements.append(f"{column} SET STATISTICS {wished.statistics}")
    names = {option.partition("=")[0] for option in wished.options}
    gone = [option for option, _, _ in (one.partition("=") for one in held.options) if option not in names]
    if gone:
        statements.append(f"{column} RESET ({', '.join(gone)})")
    if wished.options != held.options and wished.options:
        statements.append(f"{column} SET ({', '.join(wished.options)})")
    return statements


def _storage(column: str, wished: FoundColumn, held: FoundColumn) -> list[str]:
    """What was never set is the default of the type, and may be another one for the other type."""
    statements = []
    if wished.storage != held.storage:
        statements.append(f"{column} SET STORAGE {wished.storage or held.usual_storage}")
    if wished.compression != held.compression:
        statements.append(f"{column} SET COMPRESSION {wished.compression or 'default'}")
    return statements


def _privileges(table: str, live: FoundColumn, replacement: FoundColumn, current_role: str) -> list[str]:
    if live.privileges == replacement.privileges:
        return []
    statements: list[str] = []
    for name, column in ((live.name, replacement), (replacement.name, live)):
        target = f"({PREPARER.quote(name)}) ON {table}"
        for one in reversed(column.privileges):
            statements += _as_grantor(one, f"REVOKE {one.privilege} {target} FROM {one.grantee}", current_role)
    for column in (live, replacement):
        target = f"({PREPARER.quote(column.name)}) ON {table}"
        for one in column.privileges:
            option = " WITH GRANT OPTION" * one.grantable
            statements += _as_grantor(one, f"GRANT {one.privilege} {target} TO {one.grantee}{option}", current_role)
    return statements


def _as_grantor(privilege: Privilege, statement: str, current_role: str) -> list[str]:
    """A grant is remembered with who has made it, and only he can take it back."""
    if privilege.grantor is None:
        return [statement]
    return [f"SET LOCAL ROLE {privilege.grantor}", statement, f"SET LOCAL ROLE {current_role}"]
