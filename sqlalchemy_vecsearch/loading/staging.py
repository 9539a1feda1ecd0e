"""The SQL of a temporary table that takes the rows first, where they cannot go into the table directly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from uuid import uuid4

from sqlalchemy_vecsearch.errors import LoadingError
from sqlalchemy_vecsearch.loading.target import QUOTING, CopyTarget, ServerColumn

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OnConflict", "check_on_conflict", "create_stage", "drop_stage", "merge_stage", "stage_of"]

OnConflict: TypeAlias = Literal["nothing", "update"] | None

_CHOICES: Final = (None, "nothing", "update")


def check_on_conflict(target: CopyTarget, on_conflict: OnConflict) -> None:
    """Raise a LoadingError unless the choice is known and the rows hold what it needs."""
    if on_conflict not in _CHOICES:
        raise LoadingError(
            f"There is no on_conflict={on_conflict!r}. "
            "A row that exists already stops the load with None, is left as it is with 'nothing', and takes the new "
            "values with 'update'. "
            "Write one of these three."
        )
    missing = [column.name for column in target.table.primary_key if column not in target.declared]
    if on_conflict == "update" and (missing or not len(target.table.primary_key)):
        raise LoadingError(
            f"Rows of {target.table.name!r} cannot be updated without their primary key. "
            f"on_conflict='update' finds the existing row by it, and the rows lack {missing or 'one'}. "
            "Add the key to the rows, or load them with on_conflict='nothing'."
        )


def stage_of(target: CopyTarget) -> CopyTarget:
    """Return the target's twin: a temporary table with the same columns."""
    return replace(target, schema=None, relation=f"vecsearch_load_{uuid4().hex}")


def create_stage(stage: CopyTarget, target: CopyTarget, stand_ins: Mapping[str, str]) -> str:
    """Return the SQL that creates the temporary table.

    Args:
        stage: the temporary table.
        target: the table that the rows are for.
        stand_ins: built-in types that the driver can send, by the name of the type that it cannot.
    """
    columns = ", ".join(_stage_column(column, stand_ins) for column in target.server)
    return f"CREATE TEMPORARY TABLE {stage.name} AS SELECT {columns} FROM {target.name} WITH NO DATA"  # noqa: S608  # every name is quoted


def merge_stage(stage: CopyTarget, target: CopyTarget, on_conflict: OnConflict, stand_ins: Mapping[str, str]) -> str:
    """Return the SQL that moves the rows from the temporary table.

    With "update" the last of several rows with one key counts, as if the rows had come one after the other.
    """
    names = target.column_list
    values = ", ".join(_moved_column(column, stand_ins) for column in target.server)
    overriding = " OVERRIDING SYSTEM VALUE" if any(column.always_identity for column in target.server) else ""
    select, conflict = f"SELECT {values} FROM {stage.name}", ""  # noqa: S608  # every name is quoted
    if on_conflict == "nothing":
        conflict = " ON CONFLICT DO NOTHING"
    elif on_conflict == "update":
        keys = [QUOTING.quote(column.name) for column in target.table.primary_key]
        changed = [QUOTING.quote(column.name) for column in target.declared if not column.primary_key]
        key = ", ".join(keys)
        select = f"SELECT DISTINCT ON ({key}) {values} FROM {stage.name} ORDER BY {key}, ctid DESC"  # noqa: S608  # the same
        action = f"UPDATE SET {', '.join(f'{name} = EXCLUDED.{name}' for name in changed)}" if changed else "NOTHING"
        conflict = f" ON CONFLICT ({key}) DO {action}"
    return f"INSERT INTO {target.name} ({names}){overriding} {select}{conflict}"  # every name is quoted


def drop_stage(stage: CopyTarget) -> str:
    """Return the SQL that removes the temporary table."""
    return f"DROP TABLE {stage.name}"


def _stage_column(column: ServerColumn, stand_ins: Mapping[str, str]) -> str:
    name = QUOTING.quote(column.name)
    stand_in = stand_ins.get(column.type_name)
    return name if stand_in is None else f"NULL::{stand_in} AS {name}"


def _moved_column(column: ServerColumn, stand_ins: Mapping[str, str]) -> str:
    name = QUOTING.quote(column.name)
    if column.type_name not in stand_ins:
        return name
    return f"{name}::{QUOTING.quote_schema(column.type_schema)}.{QUOTING.quote(column.type_name)}"
