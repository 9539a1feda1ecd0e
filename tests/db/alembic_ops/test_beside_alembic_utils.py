"""Autogenerate beside entities of alembic-utils, whose operations are rebuilt here as that library has them."""

from types import SimpleNamespace

import pytest
from alembic.autogenerate import comparators, renderers
from alembic.operations import MigrateOperation, Operations
from alembic.util import DispatchPriority
from sqlalchemy import Column, Integer, MetaData, Table

from sqlalchemy_vecsearch import HNSW, vector_index
from sqlalchemy_vecsearch.types import VECTOR

registered = []  # as alembic-utils has a registry of entities for each process


@Operations.register_operation("drop_an_entity")
class DropAnEntity(MigrateOperation):
    def __init__(self, target):
        self.target = target

    @classmethod
    def drop_an_entity(cls, operations, signature):
        operations.invoke(cls(SimpleNamespace(signature=signature)))

    def reverse(self):
        return CreateAnEntity(self.target)


@Operations.register_operation("create_an_entity")
class CreateAnEntity(DropAnEntity):
    @classmethod
    def create_an_entity(cls, operations, signature):
        operations.invoke(cls(SimpleNamespace(signature=signature)))

    def reverse(self):
        return DropAnEntity(self.target)

    def to_diff_tuple(self):
        signature = self.target.signature
        return "create_entity", f"PGExtension: {signature}", f'CREATE EXTENSION "{signature}" WITH SCHEMA public;'


@Operations.implementation_for(CreateAnEntity)
def create(operations, operation):
    operations.execute(f'CREATE EXTENSION "{operation.target.signature}"')  # plpgsql has a schema of its own


@Operations.implementation_for(DropAnEntity)
def drop(operations, operation):
    operations.execute(f'DROP EXTENSION "{operation.target.signature}"')


@renderers.dispatch_for(CreateAnEntity)
def render_create(context, operation):
    return f"op.create_an_entity({operation.target.signature!r})"


@renderers.dispatch_for(DropAnEntity)
def render_drop(context, operation):
    return f"op.drop_an_entity({operation.target.signature!r})"


@comparators.dispatch_for("schema", priority=DispatchPriority.MEDIUM, subgroup="alembic_ops_tests.entities")
def propose_missing_entities(context, upgrade_ops, schemas):
    if not registered:
        return
    there = set(context.connection.exec_driver_sql("SELECT extname FROM pg_extension").scalars())
    upgrade_ops.ops.extend(CreateAnEntity(one) for one in registered if one.signature not in there)


@pytest.fixture
def _registered_extensions():
    registered.extend(SimpleNamespace(signature=name) for name in ("plpgsql", "vector"))
    yield
    registered.clear()


@pytest.mark.usefixtures("_registered_extensions")
def test_an_extension_that_is_a_registered_entity_is_created_by_it_alone(project):
    with project.engine.begin() as connection:
        connection.exec_driver_sql("DROP EXTENSION vector")
        connection.exec_driver_sql("DROP EXTENSION plpgsql")  # the one other extension that every server has
    project.metadata = MetaData()
    items = Table("items", project.metadata, Column("id", Integer, primary_key=True), Column("embedding", VECTOR(3)))
    vector_index("ix_items_embedding", items.c.embedding, metric="l2", method=HNSW())
    revision = project.autogenerate()
    calls = [line.strip() for line in revision.upgrade.splitlines() if line.strip().startswith("op.")]
    back = [line.strip() for line in revision.downgrade.splitlines() if line.strip().startswith("op.")]
    assert calls == [
        "op.create_an_entity('vector')",
        "op.create_an_entity('plpgsql')",
        "op.create_table('items',",
        "op.create_vector_index(",
    ]
    assert back == [
        "op.drop_vector_index(",
        "op.drop_table('items')",
        "op.drop_an_entity('plpgsql')",
        "op.drop_an_entity('vector')",
    ]
    project.upgrade()
    assert project.proposes_nothing()
    project.downgrade()
    project.upgrade()
