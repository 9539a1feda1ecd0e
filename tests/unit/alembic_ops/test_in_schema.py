"""Vector types that are named with the schema of their extension."""

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from alembic_ops import InSchema
from alembic_ops.model.vector_types import vector_type_of
from sqlalchemy_vecsearch import HALFVEC


def test_the_type_is_written_with_its_schema():
    table = Table(
        "items", MetaData(), Column("a", InSchema("My ext", VECTOR(3))), Column("b", InSchema("ext", HALFVEC))
    )
    sql = str(CreateTable(table.to_metadata(MetaData())).compile(dialect=postgresql.dialect()))
    assert 'a "My ext".VECTOR(3)' in sql
    assert "b ext.HALFVEC" in sql


def test_it_is_otherwise_the_type_itself():
    assert vector_type_of(InSchema("ext", VECTOR(3))) == vector_type_of(VECTOR(3))
    assert repr(InSchema("ext", VECTOR(3))) == "InSchema('ext', VECTOR(dim=3))"
