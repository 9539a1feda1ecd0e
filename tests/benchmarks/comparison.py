"""What the comparison of vector indexes adds to autogenerate."""

from __future__ import annotations

import time

from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations.ops import ModifyTableOps, UpgradeOps
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, text
from sqlalchemy.schema import CreateSchema

import alembic_ops
from alembic_ops.autogenerate import compare
from sqlalchemy_vecsearch import vector_index

TABLES = 500
SCHEMAS = 10


def measure(url):
    """Return the seconds that are added for 500 tables with one index each, the best of three runs, for each shape."""
    alembic_ops.register()
    found = []
    for indexes, shape in SHAPES.items():
        engine = create_engine(url)
        metadata = MetaData()
        for number in range(TABLES):
            shape(metadata, number)
        schemas = {table.schema for table in metadata.tables.values()}
        with engine.begin() as connection:
            for schema in schemas - {None}:
                connection.execute(CreateSchema(schema))
        metadata.create_all(engine)
        create_from_print(engine)
        seconds = min(added(engine, metadata, schemas) for _ in range(3))
        found.append({"tables": TABLES, "indexes": indexes, "seconds": seconds})
        metadata.drop_all(engine)
        engine.dispose()
    return found


def declare(metadata, number, *, name="embedding", dimensions=3, quantize=None, kinds=(), schema=None):
    items = Table(
        f"items_{number}",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("kind", String),
        Column(name, VECTOR(dimensions)),
        schema=schema,
    )
    where = None
    if kinds:
        where = items.c.kind == kinds[0] if len(kinds) == 1 else items.c.kind.in_(kinds)
    vector_index(f"ix_{number}", items.c[name], metric="l2", quantize=quantize, where=where)


def create_from_print(engine):
    """Create the indexes anew from what the server prints of them, which is what a revision holds."""
    with engine.begin() as connection:
        connection.execute(text(FROM_PRINT))


FROM_PRINT = """
DO $$
DECLARE
    index regclass;
    print text;
BEGIN
    FOR index, print IN
        SELECT indexrelid::regclass, pg_get_indexdef(indexrelid)
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam WHERE amname = 'hnsw'
    LOOP
        EXECUTE 'DROP INDEX ' || index;
        EXECUTE print;
    END LOOP;
END $$
"""

SHAPES = {
    "on columns": declare,
    "100 over an expression": lambda metadata, number: declare(
        metadata, number, quantize="halfvec" if number < 100 else None
    ),
    "over an expression": lambda metadata, number: declare(metadata, number, quantize="halfvec"),
    "over columns of different names": lambda metadata, number: declare(
        metadata, number, name=f"embedding_{number}", quantize="halfvec"
    ),
    "over columns of different dimensions": lambda metadata, number: declare(
        metadata, number, dimensions=number + 3, quantize="halfvec"
    ),
    "with different predicates": lambda metadata, number: declare(metadata, number, kinds=[f"kind {number}"]),
    "with different predicates of IN": lambda metadata, number: declare(
        metadata, number, kinds=[f"kind {number}", "any"]
    ),
    "with different names and predicates": lambda metadata, number: declare(
        metadata, number, name=f"embedding_{number}", quantize="halfvec", kinds=[f"kind {number}"]
    ),
    f"with different names, in {SCHEMAS} schemas": lambda metadata, number: declare(
        metadata, number, name=f"embedding_{number}", quantize="halfvec", schema=f"schema_{number % SCHEMAS}"
    ),
}


def added(engine, metadata, schemas):
    """Return the seconds that alembic_ops' own comparators take; Alembic's are not run."""
    with engine.connect() as connection:
        context = AutogenContext(MigrationContext.configure(connection), metadata)
        operations = UpgradeOps([])
        begin = time.perf_counter()
        compare.begin(context, operations)
        for table in metadata.sorted_tables:
            compare.remember_table(
                context, ModifyTableOps(table.name, [], schema=table.schema), table.schema, table.name, table, table
            )
        compare.compare_schemas(context, operations, schemas)
        seconds = time.perf_counter() - begin
    assert operations.ops == []
    return seconds
