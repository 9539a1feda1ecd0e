"""The single steps that plans are made of, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from alembic_ops.model.index_state import IndexDefinition

__all__ = [
    "AlterTable",
    "AttachIndex",
    "BeginJob",
    "BuildIndex",
    "BuildPendingIndex",
    "ChangeExtension",
    "DropIndex",
    "EndJob",
    "Finished",
    "ReindexIndex",
    "RenameIndex",
    "ServerStep",
    "Step",
    "ValidateCheck",
    "WaitForBuild",
    "WaitForTable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildIndex:
    """Build an index; ``only`` makes the empty index of a partitioned table, to which others are attached.

    ``if_not_exists``, and ``if_exists`` below, are for scripts, whose gates see to it that what is there will do: IF
    NOT EXISTS itself takes an INVALID index for a good one.
    """

    name: str
    table_name: str
    schema: str | None
    definition: IndexDefinition
    concurrently: bool = True
    only: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReindexIndex:
    """Build an index anew by its own definition."""

    name: str
    schema: str | None
    concurrently: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DropIndex:
    """Drop an index."""

    name: str
    schema: str | None
    concurrently: bool = True
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameIndex:
    """Give an index another name; queries and writes do not notice."""

    name: str
    new_name: str
    schema: str | None
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachIndex:
    """Make the index of a partition a part of the index of the partitioned table."""

    parent: str
    parent_schema: str | None
    name: str
    schema: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterTable:
    """Change a table by one statement, which takes a strong lock for a moment."""

    sql: str
    table_name: str
    schema: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateCheck:
    """Let the server make sure, without blocking anybody, that a column has no NULL; ``check`` proves it then."""

    table_name: str
    schema: str | None
    column: str
    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPendingIndex:
    """Build the index of the rows that need embedding; ``only`` as for an index of vectors."""

    name: str
    table_name: str
    schema: str | None
    key: tuple[str, ...]
    condition: str
    concurrently: bool = True
    only: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginJob:
    """Add the columns of a job that are missing, and write its row, in one transaction."""

    table_name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndJob:
    """Drop columns of a job, and end or delete its row, in one transaction."""

    table_name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeExtension:
    """Create, update or drop the extension by one statement."""

    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForBuild:
    """Wait until another process has finished, or given up, its work on an index."""

    name: str
    schema: str | None
    builder: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForTable:
    """Wait until another process lets go of a table.

    A statement that works concurrently and waits for a table holds a snapshot, for which the build that holds the table
    waits in the end: the server would see a deadlock, and throw one of the two away.
    """

    table_name: str
    process: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Nothing is left to do; ``remark`` says what was found, None where the plan itself did it all."""

    remark: str | None = None


ServerStep: TypeAlias = BuildIndex | BuildPendingIndex | ReindexIndex | DropIndex | RenameIndex | AttachIndex
Step: TypeAlias = (
    ServerStep
    | AlterTable
    | ValidateCheck
    | BeginJob
    | EndJob
    | ChangeExtension
    | WaitForBuild
    | WaitForTable
    | Finished
)
