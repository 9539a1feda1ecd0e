"""The server settings of one index build."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from alembic_ops.errors import OperationArgumentError

__all__ = ["Build"]

_MEMORY: Final = re.compile(r"^[1-9][0-9]*(kB|MB|GB)$")
_MAXIMUM_WORKERS: Final = 64


@dataclass(frozen=True, slots=True)
class Build:
    """How much memory and how many workers an index build may use; both are set for the build alone.

    A graph that outgrows the memory is written to disk row by row: each further row takes 5 to 6 times as long
    (measured on a million rows). A build that is going to says so before it begins.

    Args:
        memory: ``maintenance_work_mem``, such as ``"512MB"``. "auto" estimates the graph from rows, dimensions and m,
            and stays within a quarter of the server's machine: known where that is this machine, or where a superuser
            may read it from the server; else it stays within 2 GB.
            None leaves the server's setting.
        workers: ``max_parallel_maintenance_workers``, 0 to 64. "auto" takes what the server's limits allow. None leaves
            the server's setting.
        maximum_memory: what "auto" never goes above, instead of the quarter.

    Raises:
        OperationArgumentError: a value is not one of these.

    Example:
        >>> Build(memory="512MB", workers=4)
        Build(memory='512MB', workers=4, maximum_memory=None)
    """

    memory: str | None = "auto"
    workers: int | Literal["auto"] | None = "auto"
    maximum_memory: str | None = None

    def __post_init__(self) -> None:
        if self.memory not in (None, "auto"):
            _require_memory("memory", self.memory)
        if self.maximum_memory is not None:
            _require_memory("maximum_memory", self.maximum_memory)
        if self.workers in (None, "auto"):
            return
        if (
            isinstance(self.workers, bool)
            or not isinstance(self.workers, int)
            or not 0 <= self.workers <= _MAXIMUM_WORKERS
        ):
            raise OperationArgumentError(
                f"Build(workers={self.workers!r}) is not a number of workers. "
                f"A build takes 0 to {_MAXIMUM_WORKERS} parallel workers beside its own process. "
                'Write a number in that range, "auto", or None for the server\'s setting.',
                operation="Build",
                argument="workers",
            )


def _require_memory(argument: str, value: object) -> None:
    if not isinstance(value, str) or not _MEMORY.match(value):
        raise OperationArgumentError(
            f"Build({argument}={value!r}) is not an amount of memory. "
            "PostgreSQL takes a whole number with one of the units kB, MB and GB. "
            f'Write {argument}="512MB", for example.',
            operation="Build",
            argument=argument,
        )
