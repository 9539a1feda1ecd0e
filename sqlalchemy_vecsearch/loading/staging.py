"""A temporary table that takes the rows first, where they cannot go into the table directly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from uuid import uuid4

from sqlalchemy import Column, MetaData, Table

from sqlalchemy_vecsearch.errors import LoadingError
from sqlalchemy_vecsearch.loading.target import QUOTING, CopyTarget

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OnConflict", "check_on_conflict", "create_stage", "stage_of", "table_like"]

OnConflict: TypeAlias = Literal["nothing", "update"] | None

_OIDS: Final = {"text": 25}  # of the stand-in, the same in every database
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


def stage_of(target: CopyTarget, stand_ins: Sequence[str | None]) -> CopyTarget:
    """Return the target's twin: a temporary table with the same columns.

    Args:
        target: the table that the rows are for.
        stand_ins: for each column the type that the driver sends instead of its own, None where it sends that.
    """
    server = tuple(
        column
        if stand_in is None
        else replace(column, type_name=stand_in, type_schema="pg_catalog", oid=_OIDS[stand_in])
        for column, stand_in in zip(target.server, stand_ins, strict=True)
    )
    return replace(target, schema=None, relation=f"vecsearch_load_{uuid4().hex}", server=server, made=())


def table_like(stage: CopyTarget) -> Table:
    """Return the temporary table for INSERT: its columns have the declared types and the names of the database."""
    columns = (Column(column.name, column.type) for column in stage.declared)
    return Table(stage.relation, MetaData(), *columns, schema="pg_temp")  # so that no schema_translate_map moves it


def create_stage(stage: CopyTarget, target: CopyTarget) -> str:
    """Return the SQL that creates the temporary table."""
    columns = ", ".join(
        QUOTING.quote(ours.name) if ours is theirs else f"NULL::{ours.type_name} AS {QUOTING.quote(ours.name)}"
        for ours, theirs in zip(stage.server, target.server, strict=True)
    )
    return f"CREATE TEMPORARY TABLE {stage.name} AS SELECT {columns} FROM {target.name} WITH NO DATA"  # noqa: S608  # every name is quoted
