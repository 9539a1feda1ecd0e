import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

import alembic_ops  # noqa: F401  # registers the operations
from sqlalchemy_vecsearch import HALFVEC, VECTOR


def test_a_colon_in_a_table_name_is_no_parameter(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql('CREATE TABLE "odd :name" (id int, embedding vector(3))')
        connection.exec_driver_sql("INSERT INTO \"odd :name\" VALUES (1, '[1,2,3]')")
        op = Operations(MigrationContext.configure(connection))
        for _ in range(2):
            op.create_vector_index(
                "ix_odd",
                "odd :name",
                "embedding",
                method="hnsw",
                operator_class="vector_l2_ops",
                where="id > 1",
                concurrently=False,
            )
        op.drop_vector_index(
            "ix_odd",
            "odd :name",
            "embedding",
            method="hnsw",
            operator_class="vector_l2_ops",
            where="id > 1",
            concurrently=False,
        )
        op.alter_embedding_type("odd :name", "embedding", existing_type=VECTOR(3), type_=HALFVEC(3))
        with pytest.raises(Exception, match="odd :name"):
            op.alter_embedding_type("odd :name", "embedding", existing_type=HALFVEC(3), type_=HALFVEC(4))
        assert connection.exec_driver_sql('SELECT embedding::text FROM "odd :name"').scalar() == "[1,2,3]"
