"""Run benchmarks on embedded servers, print their tables, keep them as JSON, and put them into the documentation."""

from __future__ import annotations

import argparse
import json
import os
import platform
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markdown import Markdown
from sqlalchemy import create_engine, text

from sqlalchemy_vecsearch.testing import start_embedded_server
from tests.benchmarks import (
    client_time,
    comparison,
    embedding,
    filters,
    graph_memory,
    index_operations,
    ingestion,
    loads,
    memory,
    pools,
    queries,
    recall,
    search_forms,
    tables,
)

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator

PACKAGES = ("sqlalchemy", "alembic", "psycopg", "pgvector", "numpy")
DOCS = Path(__file__).parents[2] / "docs"
UNDURABLE = {"synchronous_commit": "off", "max_wal_size": "8GB"}


@dataclass(frozen=True, slots=True)
class Group:
    """Benchmarks that run together.

    Attributes:
        measure: from the options and the URL of a fresh server to what JSON can hold.
        rendered: from that to Markdown.
        page: the page of the documentation that shows it.
        settings: of the server; None leaves PostgreSQL's defaults.
    """

    measure: Callable[[Namespace, str], Any]
    rendered: Callable[[Any], str]
    page: str
    settings: dict[str, str] | None = None


def _types(options, url):
    measured = []
    for storage in options.storages:
        measured += ingestion.measure(
            url, storage, rows=options.rows, dimensions=options.dimensions, rounds=options.rounds
        )
        measured += queries.measure(
            url, storage, rows=options.rows, dimensions=options.dimensions, queries=options.queries
        )
    return [asdict(one) for one in measured]


def _forms(options, url):
    rounds = min(options.queries, 100)
    measured = search_forms.measure(url, rows=options.rows, dimensions=options.dimensions, queries=rounds)
    return [asdict(one) for one in measured]


def _loads(options, url):
    rounds, rows = max(options.rounds, 5), min(options.rows, 20_000)  # they are short
    return [asdict(one) for one in loads.measure(url, rows=rows, dimensions=options.dimensions, rounds=rounds)]


def _pools(options, url):
    measured = pools.measure(
        url, rows=options.rows, dimensions=options.dimensions, rounds=options.rounds, searches=options.queries
    )
    return [asdict(one) for one in measured]


def _python(options, url):
    rounds = min(options.queries, 25)  # each is of fifty statements, or of twenty searches
    measured = client_time.measure(url, rows=min(options.rows, 5_000), dimensions=options.dimensions, rounds=rounds)
    return [asdict(one) for one in measured]


def _recall(options, url):
    return [asdict(one) for one in recall.measure(url, rows=min(options.searched, 30_000), questions=options.questions)]


QUICK = {  # of the options: every form is run, in a tenth of the time
    "rows": 4_000,
    "rounds": 1,
    "queries": 60,
    "questions": 10,
    "searched": 8_000,
    "filtered": 5,
    "enlarged": 16_000,
    "streamed": 60_000,
    "built": 6_000,
}

GROUPS = {
    "types": Group(_types, tables.of_measurements, "explanation/performance.md", UNDURABLE),
    "loads": Group(_loads, tables.of_measurements, "explanation/performance.md", UNDURABLE),
    "memory": Group(
        lambda options, url: memory.measure(url, rows=options.streamed, dimensions=options.dimensions),
        tables.of_memory,
        "explanation/performance.md",
        UNDURABLE,
    ),
    "python": Group(_python, tables.of_measurements, "explanation/performance.md", UNDURABLE),
    "pools": Group(_pools, pools.tables, "explanation/several_clients.md", UNDURABLE),
    "forms": Group(_forms, tables.of_measurements, "explanation/recall_filters_iterative_scans.md", UNDURABLE),
    "filters": Group(
        lambda options, url: filters.measure(url, rows=options.searched, questions=options.filtered),
        filters.tables,
        "explanation/recall_filters_iterative_scans.md",
        UNDURABLE,
    ),
    "million": Group(
        lambda options, url: filters.measure(
            url, rows=options.enlarged, questions=options.filtered, indexes=filters.OF_MANY_ROWS
        ),
        filters.tables,
        "explanation/recall_filters_iterative_scans.md",
        UNDURABLE | {"shared_buffers": "4GB"},  # as of a server that is set up for such a table
    ),
    "recall": Group(_recall, recall.tables, "explanation/recall_filters_iterative_scans.md", UNDURABLE),
    "embedding": Group(
        lambda options, url: embedding.measure(
            url, rows=options.streamed, pending=1_000, embedded=options.rows, rounds=11
        ),
        embedding.tables,
        "explanation/why_state_and_not_a_queue.md",
        UNDURABLE,
    ),
    "indexes": Group(
        lambda options, url: index_operations.measure(url, rows=options.built),
        tables.of_index_operations,
        "explanation/index_builds_measured.md",
    ),
    "graphs": Group(
        lambda options, url: graph_memory.measure(url, rows=3 * options.built),
        graph_memory.tables,
        "explanation/index_builds_measured.md",
        UNDURABLE,
    ),
    "comparison": Group(
        lambda _, url: comparison.measure(url), tables.of_comparison, "explanation/how_autogenerate_sees_vectors.md"
    ),
}


def main():
    options = _options()
    console = Console()
    report = json.loads(options.output.read_text()) if options.output.exists() else {}
    for name in options.groups or GROUPS:
        group = GROUPS[name]
        console.print(f"Measuring {name} ...")
        begin = perf_counter()
        with _server(group.settings) as url:
            machine, result = _machine(url), group.measure(options, url)
            report[name] = {"machine": machine | {"load after": _load()}, "result": result}
        console.print(f"{perf_counter() - begin:,.0f} s")
        options.output.write_text(json.dumps(report, indent=1) + "\n")
        body = f"{tables.of_machine(report[name]['machine'])}\n\n{group.rendered(report[name]['result'])}"
        console.print(Markdown(body))
        if options.docs:
            tables.put(DOCS / group.page, name, body)
    console.print(f"Written to {options.output}")


def _options():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", help=f"some of {', '.join(GROUPS)}; all when none is named"
    )
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each form of ingestion")
    parser.add_argument("--queries", type=int, default=300, help="runs of each form of query")
    parser.add_argument("--questions", type=int, default=50, help="questions asked of each form for its recall")
    parser.add_argument(
        "--searched", type=int, default=60_000, help="rows searched under filters; those beyond the texts are mixed"
    )
    parser.add_argument("--filtered", type=int, default=40, help="questions asked under each filter")
    parser.add_argument(
        "--enlarged", type=int, default=1_000_000, help="rows searched under filters, most of them mixed"
    )
    parser.add_argument("--streamed", type=int, default=1_000_000, help="rows of the memory test")
    parser.add_argument("--built", type=int, default=100_000, help="rows under the operations on indexes")
    parser.add_argument("--storages", nargs="+", default=list(ingestion.STORAGES), choices=list(ingestion.STORAGES))
    parser.add_argument("--output", type=Path, default=Path("benchmarks.json"))
    parser.add_argument("--docs", action="store_true", help="put the tables into the documentation")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, to see that all forms run; no page shows them"
    )
    if parser.parse_args().quick:
        parser.set_defaults(**QUICK)
    options = parser.parse_args()
    if options.quick and options.docs:
        parser.error("--quick measures too little for the documentation; leave out one of --quick and --docs")
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"there is no group {', '.join(sorted(unknown))}; the groups are {', '.join(GROUPS)}")
    return options


@contextmanager
def _server(settings: dict[str, str] | None) -> Iterator[str]:
    server = start_embedded_server(settings=settings)
    try:
        engine = create_engine(server.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        engine.dispose()
        yield server.url()
    finally:
        server.stop()


def _machine(url):
    engine = create_engine(url)
    with engine.connect() as connection:
        server = connection.scalar(text("SELECT current_setting('server_version')"))
        extension = connection.scalar(text("SELECT extversion FROM pg_extension WHERE extname = 'vector'"))
    engine.dispose()
    return {
        "at": datetime.now(UTC).date().isoformat(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "load": _load(),
        "PostgreSQL": server,
        "pgvector extension": extension,
        "Python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def _load():
    return round(os.getloadavg()[1], 1)


if __name__ == "__main__":
    main()
