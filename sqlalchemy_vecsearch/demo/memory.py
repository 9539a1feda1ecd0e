"""How much memory a process has held."""

from __future__ import annotations

import re
import sys
from pathlib import Path

__all__ = ["peak_memory_megabytes"]

_STATUS = Path("/proc/self/status")
_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB$", re.MULTILINE)


def peak_memory_megabytes() -> int | None:
    """Return the most memory that this process has held, None where the system does not tell.

    Linux is asked through /proc: its `getrusage` counts what the parent held when it started the process, too.
    """
    try:
        import resource
    except ModuleNotFoundError:  # on Windows
        return None
    peak = _PEAK.search(_STATUS.read_text()) if _STATUS.exists() else None
    if peak is not None:
        return int(peak[1]) // 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20
