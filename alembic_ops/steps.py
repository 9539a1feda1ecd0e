"""The single steps that plans are made of, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from alembic_ops.state import IndexDefinition

__all__ = [
    "AttachIndex",
    "BuildIndex",
    "DropIndex",
    "Finished",
    "ReindexIndex",
    "RenameIndex",
    "ServerStep",
    "Step",
    "WaitForBuild",
    "WaitForTable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildIndex:
    """Build an index; ``only`` makes the empty index of a partitioned table, to which others are attached."""

    name: str
    table_name: str
    schema: str | None
    definition: IndexDefinition
    concurrently: bool = True
    only: bool = False


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameIndex:
    """Give an index another name; queries and writes do not notice."""

    name: str
    new_name: str
    schema: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachIndex:
    """Make the index of a partition a part of the index of the partitioned table."""

    parent: str
    parent_schema: str | None
    name: str
    schema: str | None


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


ServerStep: TypeAlias = BuildIndex | ReindexIndex | DropIndex | RenameIndex | AttachIndex
Step: TypeAlias = ServerStep | WaitForBuild | WaitForTable | Finished
