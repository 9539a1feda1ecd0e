"""How much memory, how many workers and how many lists a build gets, from what is known of its rows and its server."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alembic_ops.errors import BuildError
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat, lists_for
from sqlalchemy_vecsearch.metrics import MAXIMUM_INDEXED_NONZERO, Storage
from sqlalchemy_vecsearch.observing.known_bugs import bugs_of

if TYPE_CHECKING:
    from alembic_ops.model.build import Build
    from alembic_ops.model.index_state import IndexDefinition

__all__ = [
    "BuildFacts",
    "build_settings",
    "expected_spill",
    "graph_bytes",
    "kilobytes",
    "refuse_unfit_rows",
    "require_rows",
]

_UNITS: Final = {"kB": 1, "MB": 1024, "GB": 1024 * 1024}

_ELEMENT: Final = 200
"""Bytes of a graph element beside its vector and its neighbours (measured: 196 to 199, pgvector 0.8.6)."""

_MARGIN: Final = 1.1
"""What "auto" asks for beyond the estimate: a server counts its rows only now and then."""

_UNKNOWN_MACHINE: Final = 2 * 1024 * 1024
"""In kB, what "auto" takes at the most on a machine of unknown size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFacts:
    """What is known of the rows of a build and of its server; None where it cannot be known.

    ``machine_memory`` and ``maintenance_memory`` are in kB. ``machine_memory`` is known where the server runs on this
    machine, or a superuser may read it from the server; ``processors`` only where it runs on this machine.
    """

    rows: int
    dimensions: int | None
    storage: Storage | None
    maintenance_memory: int
    maintenance_workers: int
    parallel_workers: int
    pgvector: str
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

    An element holds its vector, 2 m neighbours of 16 bytes on the lowest layer and m on each further one. Measured:
    300,000 x 384 with m = 16 in half of it, 150,676 rows fitted where the formula says 149,999 (pgvector 0.8.6).
    """
    size = _vector_bytes(facts)
    if size is None:
        return None
    m = dict(definition.parameters).get("m", HNSW.defaults["m"])
    return facts.rows * (size + 32 * m + _ELEMENT)


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


def refuse_unfit_rows(unfit: int, definition: IndexDefinition, *, name: str, table_name: str) -> None:
    """Refuse to index sparse vectors that have too many elements, on which a build ends and leaves an INVALID index.

    Raises:
        BuildError: there are such rows.
    """
    if not unfit:
        return
    limit = f"{MAXIMUM_INDEXED_NONZERO:,}"
    rows = "1 row has" if unfit == 1 else f"{unfit:,} rows have"
    raise BuildError(
        f"In the table {table_name!r} {rows} too many elements in {definition.column or definition.expression!r} for "
        f"the index {name!r}. "
        f"An index on sparsevec holds at most {limit} non-zero elements of each row, and a build that meets one more "
        "leaves an INVALID index. "
        "Drop the smallest elements of these rows, or leave the rows out by where=, with a column that says which "
        "they are.",
        name=name,
    )


def expected_spill(build: Build, definition: IndexDefinition, facts: BuildFacts) -> str | None:
    """Return what is to be said before a build whose graph outgrows its memory, None where it fits.

    Rows, the estimate with its formula, what it costs, and the argument that gives it enough.
    """
    needed = graph_bytes(definition, facts) if definition.method == HNSW.name else None
    memory = _memory(build, definition, facts) or facts.maintenance_memory
    if needed is None or needed <= memory * 1024:
        return None
    size, m = _vector_bytes(facts), dict(definition.parameters).get("m", HNSW.defaults["m"])
    fitting = facts.rows * memory * 1024 // needed
    return (
        f"the graph takes about {_megabytes(needed):,} MB "
        f"({facts.rows:,} rows x ({size} bytes of a vector + 32 x m {m} + {_ELEMENT})), "
        f"and the build has {memory // 1024:,} MB. "
        f"After about {fitting:,} rows each further row takes 5 to 6 times as long. "
        f'build=alembic_ops.Build(memory="{_megabytes(needed * _MARGIN)}MB") avoids it, '
        "if the machine has that to spare."
    )


def _megabytes(size: float) -> int:
    return math.ceil(size / 1024 / 1024)


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
    if build.maximum_memory is not None:
        limit = kilobytes(build.maximum_memory)
    else:
        limit = _UNKNOWN_MACHINE if facts.machine_memory is None else facts.machine_memory // 4
    # whole megabytes, and never less than the server would give by itself
    return max(facts.maintenance_memory, min(_megabytes(wanted * _MARGIN) * 1024, limit))


def _workers(build: Build, definition: IndexDefinition, facts: BuildFacts) -> int | None:
    if build.workers is None:
        return None
    if build.workers != "auto":
        return build.workers
    if any(bug.method == definition.method for bug in bugs_of("pgvector", facts.pgvector, effect="parallel build")):
        return 0
    half = max(1, facts.parallel_workers // 2)
    available = half if facts.processors is None else min(half, facts.processors)
    return max(facts.maintenance_workers, available)


def _vector_bytes(facts: BuildFacts) -> int | None:
    if facts.dimensions is None or facts.storage is None:
        return None
    bits = {Storage.VECTOR: 32, Storage.HALFVEC: 16, Storage.BIT: 1}.get(facts.storage)
    return None if bits is None else 8 + math.ceil(facts.dimensions * bits / 8)
