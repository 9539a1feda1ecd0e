"""What the comparison adds to autogenerate: few statements, whatever the number of tables."""

import gc
from weakref import ref

import pytest
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, event

import alembic_ops
from sqlalchemy_vecsearch import vector_index

CATALOG = ("pg_available_extensions", "pg_stat_progress_create_index", "relispartition AND")
PROBE = "alembic_ops."


def models(count):
    metadata = MetaData()
    for number in range(count):
        items = Table(
            f"items_{number}",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("kind", String),
            Column("embedding", VECTOR(3)),
        )
        quantize = "halfvec" if number % 5 == 0 else None
        vector_index(f"ix_{number}", items.c.embedding, metric="l2", quantize=quantize)
    return metadata


@pytest.mark.parametrize("count", [5, 30])
def test_the_number_of_statements_does_not_depend_on_the_number_of_tables(engine, count):
    alembic_ops.register()
    metadata = models(count)
    metadata.create_all(engine)
    statements = []
    with engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2]))
        script = produce_migrations(MigrationContext.configure(connection), metadata)
    assert script.upgrade_ops.ops == []
    assert sum(any(word in one for word in CATALOG) for one in statements) == 3
    assert sum(PROBE in one for one in statements) == 3


def test_a_comparison_leaves_nothing_behind_in_the_process(vecsearch_url):
    alembic_ops.register()

    def compare():
        engine = create_engine(vecsearch_url)
        metadata = models(1)
        with engine.begin() as connection:
            produce_migrations(MigrationContext.configure(connection), metadata)
        engine.dispose()
        return ref(engine), ref(metadata)

    left = compare()
    gc.collect()
    assert [one() for one in left] == [None, None]
