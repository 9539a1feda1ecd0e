"""Measure what the comparison of vector indexes adds to autogenerate: `python -m tests.benchmarks.comparison`."""

from __future__ import annotations

import argparse
import time

from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations.ops import ModifyTableOps, UpgradeOps
from pgvector.sqlalchemy import VECTOR
from rich.console import Console
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, make_url, text

import alembic_ops
from alembic_ops import compare
from sqlalchemy_vecsearch import vector_index
from sqlalchemy_vecsearch.testing import start_embedded_server


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.comparison", description=__doc__)
    parser.add_argument("--tables", type=int, default=500)
    parser.add_argument("--expressions", type=int, default=100, help="tables whose index is over an expression")
    options = parser.parse_args()
    alembic_ops.register()
    console = Console()
    server = start_embedded_server()
    try:
        engine = create_engine(make_url(server.url()).set(drivername="postgresql+psycopg"))
        metadata = models(options.tables, options.expressions)
        with engine.begin() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
            metadata.create_all(connection)
        for _ in range(3):
            seconds = added(engine, metadata)
            console.print(f"{options.tables} tables, {options.expressions} expressions: {seconds:.3f} s added")
        engine.dispose()
    finally:
        server.stop()


def models(tables, expressions):
    metadata = MetaData()
    for number in range(tables):
        items = Table(
            f"items_{number}",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("kind", String),
            Column("embedding", VECTOR(3)),
        )
        quantize = "halfvec" if number < expressions else None
        vector_index(f"ix_{number}", items.c.embedding, metric="l2", quantize=quantize)
    return metadata


def added(engine, metadata):
    """Return the seconds that alembic_ops' own comparators take; Alembic's are not run."""
    with engine.connect() as connection:
        context = AutogenContext(MigrationContext.configure(connection), metadata)
        operations = UpgradeOps([])
        begin = time.perf_counter()
        compare.begin(context, operations)
        for table in metadata.sorted_tables:
            compare.remember_table(context, ModifyTableOps(table.name, []), None, table.name, table, table)
        compare.compare_schemas(context, operations, {None})
        seconds = time.perf_counter() - begin
    assert operations.ops == []
    return seconds


if __name__ == "__main__":
    main()
