"""The memory of a process that streams a generator into a table, measured in that process alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from sqlalchemy import Column, Integer, MetaData, Table, create_engine

import sqlalchemy_vecsearch as ours


def measure(url, *, rows, dimensions):
    """Return how many megabytes the process grew by at its peak, from a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.memory", url, str(rows), str(dimensions)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def _stream(url, rows, dimensions):
    table = Table(
        "streamed",
        MetaData(),
        Column("id", Integer),
        Column("embedding", ours.VECTOR(dimensions)),
        prefixes=["UNLOGGED"],
    )
    vector = np.random.default_rng(1).standard_normal(dimensions, dtype=np.float32)
    with create_engine(url).begin() as connection:
        table.create(connection)
        ours.copy_rows(connection, table, [{"id": 0, "embedding": vector}])
        before = _kilobytes("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
        ours.copy_rows(connection, table, ({"id": number, "embedding": vector} for number in range(rows)))
        grown = _kilobytes("VmHWM") - before
        table.drop(connection)
    return {"rows": rows, "dimensions": dimensions, "grown_megabytes": round(grown / 1024, 1)}


def _kilobytes(field):
    """Return a line of /proc/self/status; getrusage would count the parent's memory too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise LookupError(field)


if __name__ == "__main__":
    json.dump(_stream(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])), sys.stdout)
