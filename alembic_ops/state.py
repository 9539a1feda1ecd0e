"""What an index or a column is, as values that the two sides of a comparison share."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ColumnState", "IndexDefinition", "IndexState"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDefinition:
    """What an index indexes and how, apart from its name and its table.

    Exactly one of ``column`` and ``expression`` is set. ``parameters`` holds what stands in ``WITH (...)``, sorted by
    name; canonical definitions have the server's defaults filled in.
    """

    method: str
    operator_class: str
    column: str | None = None
    expression: str | None = None
    parameters: tuple[tuple[str, int], ...] = ()
    predicate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """One index, declared or found in the catalog.

    ``valid``, ``ready`` and ``live`` are the flags of ``pg_index``; a declared index has all three.
    ``building`` says that a backend is at work on it now, ``partitioned`` that its table has partitions.
    ``oid`` is None for a declared index.
    """

    name: str
    table_name: str
    definition: IndexDefinition
    schema: str | None = None
    valid: bool = True
    ready: bool = True
    live: bool = True
    building: bool = False
    partitioned: bool = False
    oid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnState:
    """One column that holds vectors: its storage and its dimensions, None where the type has none."""

    name: str
    table_name: str
    storage: str
    dimensions: int | None = None
    schema: str | None = None
    nullable: bool = True
