"""How much memory, how many workers and how many lists a build gets, from what is known of its rows and its server."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alembic_ops.errors import BuildError
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat
from sqlalchemy_vecsearch.metrics import Storage

if TYPE_CHECKING:
    from alembic_ops.build import Build
    from alembic_ops.state import IndexDefinition

__all__ = [
    "BuildFacts",
    "build_settings",
    "graph_bytes",
    "kilobytes",
    "lists_for",
    "require_rows",
]

_UNITS: Final = {"kB": 1, "MB": 1024, "GB": 1024 * 1024}

_ELEMENT: Final = 200
"""Bytes of a graph element beside its vector and its neighbours (measured: 196 to 199, pgvector 0.8.6)."""

_MARGIN: Final = 1.15

_LARGEST_SAMPLE: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFacts:
    """What is known of the rows of a build and of its server; None where it cannot be known.

    ``machine_memory`` and ``maintenance_memory`` are in kB; ``machine_memory`` and ``processors`` are known only where
    the server runs on this machine.
    """

    rows: int
    dimensions: int | None
    storage: Storage | None
    maintenance_memory: int
    maintenance_workers: int
    parallel_workers: int
    pgvector_version: tuple[int, ...]
    machine_memory: int | None = None
    processors: int | None = None


def build_settings(build: Build, definition: IndexDefinition, facts: BuildFacts) -> dict[str, str]:
    """Return the settings to make for a build, only those that differ from the server's."""
    wished: dict[str, str] = {}
    memory = _memory(build, definition, facts)
    if memory is not None and memory != facts.maintenance_memory:
        wished["maintenance_work_mem"] = f"{memory}kB"
    workers = _workers(build, definition, facts)
    if workers is not None and workers != facts.maintenance_workers:
        wished["max_parallel_maintenance_workers"] = str(workers)
    return wished


def graph_bytes(definition: IndexDefinition, facts: BuildFacts) -> int | None:
    """Return how much memory the graph of an HNSW build takes, None where the size of a vector is not known.

    An element holds its vector, 2 m neighbours of 16 bytes on the lowest layer and m on each further one.
    """
    size = _vector_bytes(facts)
    if size is None:
        return None
    m = dict(definition.parameters).get("m", HNSW.defaults["m"])
    return round(facts.rows * (size + 32 * m + _ELEMENT) * _MARGIN)


def lists_for(rows: int) -> int:
    """Return the number of lists for a number of rows.

    The pgvector README, section "IVFFlat": rows / 1000 up to a million rows, and the square root above.
    """
    lists = rows // 1000 if rows <= _LARGEST_SAMPLE else math.isqrt(rows)
    return min(max(lists, 1), 32_768)


def require_rows(definition: IndexDefinition, rows: int, *, name: str, table_name: str) -> None:
    """Refuse to train an IVFFlat index on fewer rows than lists, for which the server has but a NOTICE.

    Raises:
        BuildError: the table has fewer rows than lists.
    """
    lists = dict(definition.parameters).get("lists", IVFFlat.defaults["lists"])
    if definition.method != IVFFlat.name or rows >= lists:
        return
    raise BuildError(
        f"The table {table_name!r} has {rows} rows, too few for the {lists} lists of the index {name!r}. "
        "IVFFlat takes the centres of its lists from the rows that are there when it is built, and an index that was "
        "trained on too few finds almost nothing later. "
        f"Load the rows first, write with_={{'lists': {lists_for(rows)}}} for these, or use method='hnsw', which needs "
        "none.",
        name=name,
    )


def kilobytes(memory: str) -> int:
    """Return an amount such as "512MB" in kB."""
    return int(memory[:-2]) * _UNITS[memory[-2:]]


def _memory(build: Build, definition: IndexDefinition, facts: BuildFacts) -> int | None:
    if build.memory is None:
        return None
    if build.memory != "auto":
        return kilobytes(build.memory)
    if definition.method != HNSW.name:
        return None
    wanted = graph_bytes(definition, facts)
    if wanted is None:
        return None
    limits = [kilobytes(build.maximum_memory)]
    if facts.machine_memory is not None:
        limits.append(facts.machine_memory // 4)
    # whole megabytes, and never less than the server would give by itself
    return max(facts.maintenance_memory, min(math.ceil(wanted / 1024 / 1024) * 1024, *limits))


def _workers(build: Build, definition: IndexDefinition, facts: BuildFacts) -> int | None:
    if build.workers is None:
        return None
    if build.workers != "auto":
        return build.workers
    if definition.method == HNSW.name and facts.pgvector_version < (0, 8, 2):
        return 0  # parallel HNSW builds write past a buffer there: pgvector's changelog of 0.8.2
    half = max(1, facts.parallel_workers // 2)
    available = half if facts.processors is None else min(half, facts.processors)
    return max(facts.maintenance_workers, available)


def _vector_bytes(facts: BuildFacts) -> int | None:
    if facts.dimensions is None or facts.storage is None:
        return None
    bits = {Storage.VECTOR: 32, Storage.HALFVEC: 16, Storage.BIT: 1}.get(facts.storage)
    return None if bits is None else 8 + math.ceil(facts.dimensions * bits / 8)
