"""What the comparison of vector indexes adds to autogenerate."""

from __future__ import annotations

import time

from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations.ops import ModifyTableOps, UpgradeOps
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine

import alembic_ops
from alembic_ops import compare
from sqlalchemy_vecsearch import vector_index

TABLES = 500


def measure(url):
    """Return the seconds that are added for 500 tables, the best of three runs, by how many indexes are over expressions."""
    alembic_ops.register()
    found = []
    for expressions in (0, 100, TABLES):
        engine = create_engine(url)
        metadata = models(TABLES, expressions)
        metadata.create_all(engine)
        seconds = min(added(engine, metadata) for _ in range(3))
        found.append({"tables": TABLES, "expressions": expressions, "seconds": seconds})
        metadata.drop_all(engine)
        engine.dispose()
    return found


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
