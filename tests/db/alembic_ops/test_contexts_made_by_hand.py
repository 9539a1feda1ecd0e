"""Contexts of Alembic that run parts of autogenerate without a run of it, as Alembic's own tests make them."""

import pytest
from alembic.autogenerate import produce_migrations
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.compare.tables import _compare_tables
from alembic.migration import MigrationContext
from alembic.operations.ops import UpgradeOps
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Computed, Index, Integer, MetaData, String, Table, inspect, text

import alembic_ops  # noqa: F401  # registers the comparison
from alembic_ops.errors import VectorMigrationWarning


def models(*columns, m=16):
    metadata = MetaData()
    items = Table("items", metadata, Column("id", Integer, primary_key=True), Column("embedding", VECTOR(3)), *columns)
    options = {"postgresql_using": "hnsw", "postgresql_with": {"m": m}}
    Index("ix", items.c.embedding, postgresql_ops={"embedding": "vector_l2_ops"}, **options)
    return metadata


def test_tables_are_compared_by_alembic_alone(engine):
    models(Column("unit", VECTOR(3), Computed("l2_normalize(embedding)", persisted=True))).create_all(engine)
    wished = models(
        Column("kind", String), Column("unit", VECTOR(3), Computed("l2_normalize(embedding)", persisted=True)), m=24
    )
    operations = UpgradeOps([])
    with engine.connect() as connection:
        context = AutogenContext(MigrationContext.configure(connection), wished)
        _compare_tables({(None, "items")}, {(None, "items")}, inspect(connection), operations, context)
    (table,) = operations.ops
    assert [type(one).__name__ for one in table.ops] == ["AddColumnOp"]


def test_a_run_leaves_nothing_behind_in_alembics_implementation(make_engine, bare_url):
    engine = make_engine(url=bare_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA ext")
        connection.exec_driver_sql("CREATE EXTENSION vector SCHEMA ext")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        before = dict(vars(context.impl))
        first = produce_migrations(context, MetaData())
        assert dict(vars(context.impl)) == before
        assert produce_migrations(context, MetaData()).upgrade_ops.ops == first.upgrade_ops.ops == []


def test_vectors_are_compared_where_env_leads_the_search_path_to_a_tenant(engine):
    """Alembic's recipe for tenants: the engine has found the extension when it connected, this connection does not."""
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA tenant CREATE TABLE doc (id int PRIMARY KEY, embedding vector(3))"))
    wished = MetaData()
    Table("doc", wished, Column("id", Integer, primary_key=True), Column("embedding", VECTOR(4)))
    with engine.connect() as connection:
        connection.execute(text("SET search_path TO tenant"))
        connection.commit()
        connection.dialect.default_schema_name = "tenant"
        with pytest.warns(VectorMigrationWarning, match=r"SET search_path = public\.$"):
            script = produce_migrations(MigrationContext.configure(connection), wished)
    assert script.upgrade_ops.as_diffs() == [
        (
            "alter_embedding_type",
            None,
            "doc",
            "embedding",
            "type change from VECTOR(dim=3) to VECTOR(dim=4) on 'doc.embedding'",
        )
    ]
