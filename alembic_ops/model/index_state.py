"""What an index is, as values that the two sides of a comparison share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy_vecsearch.methods import HNSW, IVFFlat

__all__ = ["IndexDefinition", "IndexState", "canonical", "with_defaults"]

_DEFAULTS: Final = {HNSW.name: HNSW.defaults, IVFFlat.name: IVFFlat.defaults}


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


def with_defaults(definition: IndexDefinition) -> IndexDefinition:
    """Return a definition that spells the build parameters out which the server would take by itself. Pure."""
    filled = dict(_DEFAULTS.get(definition.method, {})) | dict(definition.parameters)
    return replace(definition, parameters=tuple(sorted(filled.items())))


def canonical(definition: IndexDefinition) -> IndexDefinition:
    """Return a definition with the server's defaults filled in and the operator class without its schema. Pure."""
    return replace(with_defaults(definition), operator_class=definition.operator_class.rpartition(".")[2].strip('"'))
