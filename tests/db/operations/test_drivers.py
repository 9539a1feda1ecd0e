from __future__ import annotations

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

import alembic_ops

alembic_ops.register()

SYNC = ["psycopg", "psycopg2", "pg8000"]
ASYNC = ["asyncpg", "psycopg_async"]

pytestmark = pytest.mark.usefixtures("documents")


def whole_life(connection):
    """Create, compare, rebuild, swap and drop, as revisions do."""
    context = MigrationContext.configure(connection, opts={"vector_progress": "none"})
    with context.begin_transaction():
        op = Operations(context)
        op.create_vector_extension(minimum_version="0.7")
        partial = {"operator_class": "vector_l2_ops", "where": "lang = 'en'"}
        op.create_vector_index("ix", "document", "embedding", **partial)
        op.create_vector_index("ix", "document", "embedding", **partial)
        op.rebuild_vector_index("ix", "document")
        op.rebuild_vector_index("ix", "document", "embedding", with_={"m": 8}, **partial)
        op.create_vector_index("ix_v2", "document", "embedding", operator_class="vector_l2_ops", concurrently=False)
        op.swap_vector_index("ix", replacement="ix_v2", table_name="document")
        op.drop_vector_index("ix", "document")


@pytest.mark.parametrize("driver", SYNC)
def test_the_operations_run_on_every_driver(make_engine, catalog, driver):
    with make_engine(driver).connect() as connection:
        whole_life(connection)
    assert catalog.indexes() == {}


@pytest.mark.parametrize("driver", ASYNC)
async def test_the_operations_run_on_every_async_driver(make_engine, catalog, driver):
    engine = make_engine(driver)
    async with engine.connect() as connection:
        await connection.run_sync(whole_life)
    await engine.dispose()
    assert catalog.indexes() == {}
