"""Run all benchmarks on an embedded server, print the tables, and write them as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, make_url, text

from sqlalchemy_vecsearch.testing import start_embedded_server
from tests.benchmarks import ingestion, memory, queries, recall, search_forms

PACKAGES = ("sqlalchemy", "psycopg", "pgvector", "numpy")


def main():
    options = _options()
    console = Console()
    server = start_embedded_server()
    try:
        url = _database(server)
        report = {
            "machine": _machine(url),
            "options": vars(options) | {"output": str(options.output)},
            "streamed": None,
            "measurements": [],
        }
        for storage in options.storages:
            console.print(f"Measuring {storage} ...")
            measured = [
                *ingestion.measure(
                    url, storage, rows=options.rows, dimensions=options.dimensions, rounds=options.rounds
                ),
                *queries.measure(
                    url, storage, rows=options.rows, dimensions=options.dimensions, queries=options.queries
                ),
            ]
            for table in _tables(measured):
                console.print(table)
            report["measurements"] += [asdict(measurement) for measurement in measured]
            _write(options.output, report)
        console.print("Measuring the composed searches ...")
        composed = search_forms.measure(
            url, rows=options.rows, dimensions=options.dimensions, queries=min(options.queries, 100)
        )
        for table in _tables(composed):
            console.print(table)
        report["measurements"] += [asdict(measurement) for measurement in composed]
        _write(options.output, report)
        console.print("Measuring the recall of the search forms ...")
        recalled = list(recall.measure(url, rows=min(options.rows, 20_000), dimensions=128, queries=20))
        console.print(_recall_table(recalled))
        report["recall"] = [asdict(found) for found in recalled]
        _write(options.output, report)
        report["streamed"] = streamed = memory.measure(url, rows=options.streamed, dimensions=options.dimensions)
        console.print(f"Streaming {streamed['rows']:,} rows grew the process by {streamed['grown_megabytes']} MB.")
        _write(options.output, report)
    finally:
        server.stop()
    console.print(f"Written to {options.output}")


def _write(path, report):
    path.write_text(json.dumps(report, indent=1) + "\n")


def _options():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each form of ingestion")
    parser.add_argument("--queries", type=int, default=300, help="runs of each form of query")
    parser.add_argument("--streamed", type=int, default=1_000_000, help="rows of the memory test")
    parser.add_argument("--storages", nargs="+", default=list(ingestion.STORAGES), choices=list(ingestion.STORAGES))
    parser.add_argument("--output", type=Path, default=Path("benchmarks.json"))
    return parser.parse_args()


def _database(server):
    url = make_url(server.url()).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        connection.execute(text("ALTER SYSTEM SET synchronous_commit = off"))
        connection.execute(text("ALTER SYSTEM SET max_wal_size = '8GB'"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()
    return url.render_as_string(hide_password=False)


def _machine(url):
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        server = connection.execute("SELECT current_setting('server_version')").fetchone()[0]
        extension = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()[0]
    return {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "postgresql": server,
        "pgvector extension": extension,
        **{package: version(package) for package in PACKAGES},
    }


def _tables(measurements):
    tables = {}
    for measurement in measurements:
        table = tables.get(measurement.task)
        if table is None:
            table = tables[measurement.task] = Table(title=measurement.task)
            table.add_column("form")
            table.add_column("median", justify="right")
            table.add_column(f"of {measurement.baseline}", justify="right")
        shown = f"{measurement.seconds:.2f} s" if measurement.seconds > 0.1 else f"{measurement.seconds * 1000:.3f} ms"
        table.add_row(measurement.form, shown, f"{measurement.ratio:.2f}")
    return tables.values()


def _recall_table(recalled):
    table = Table(title="rows returned, and recall@10")
    for heading in ("index", "filter", "form", "returned", "recall"):
        table.add_column(heading)
    for found in recalled:
        table.add_row(found.index, found.filtered, found.form, f"{found.returned:.2f}", f"{found.recall:.2f}")
    return table


if __name__ == "__main__":
    main()
