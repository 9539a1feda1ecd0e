"""The operations on a connection that puts one schema in the place of another, as one schema a tenant does."""

from __future__ import annotations

import pytest

TRANSLATED = "connection.execution_options(schema_translate_map={None: 'tenant', 'shared': 'Really Shared'})"
TABLE = 'sa.Column("id", sa.Integer, primary_key=True), sa.Column("embedding", VECTOR(3))'
INDEX = '"embedding", operator_class="vector_l2_ops"'


@pytest.fixture
def tenants(catalog, alembic_project):
    catalog.execute('CREATE SCHEMA tenant; CREATE SCHEMA "Really Shared"')
    alembic_project.env(before_configure=TRANSLATED, version_table_schema="public")


@pytest.mark.usefixtures("tenants")
@pytest.mark.parametrize(("schema", "place"), [(None, "tenant"), ("shared", '"Really Shared"'), ("public", "public")])
def test_each_operation_goes_where_its_table_went(alembic_project, catalog, schema, place):
    alembic_project.revision(
        f'op.create_table("note", {TABLE}, schema={schema!r})',
        f'op.drop_table("note", schema={schema!r})',
    )
    alembic_project.upgrade()
    catalog.execute(f"INSERT INTO {place}.note (embedding) VALUES ('[1,2,3]')")
    alembic_project.revision(
        f"""
        op.create_vector_index("ix", "note", {INDEX}, schema={schema!r})
        op.rebuild_vector_index("ix", "note", {INDEX}, with_={{"m": 8}}, schema={schema!r})
        op.rebuild_vector_index("ix", "note", schema={schema!r})
        op.rename_vector_index("ix", "ix_v1", table_name="note", schema={schema!r})
        op.create_vector_index("ix_v2", "note", {INDEX}, schema={schema!r}, concurrently=False)
        op.swap_vector_index("ix_v1", replacement="ix_v2", table_name="note", schema={schema!r})
        op.alter_embedding_type("note", "embedding", existing_type=VECTOR(3), type_=HALFVEC(3), schema={schema!r})
        """,
        f'op.drop_vector_index("ix_v1", "note", {INDEX}, schema={schema!r})',
    )
    alembic_project.upgrade()
    assert catalog.indexes() == {
        "ix_v1": (f"CREATE INDEX ix_v1 ON {place}.note USING hnsw (embedding halfvec_l2_ops)", True)
    }
    alembic_project.revision(
        f"""
        op.add_embedding_column("note", sa.Column("embedding_v2", HALFVEC(3)), schema={schema!r})
        op.create_vector_index("ix_w", "note", "embedding_v2", operator_class="halfvec_l2_ops", schema={schema!r})
        op.swap_embedding_columns("note", live="embedding", replacement="embedding_v2", schema={schema!r})
        """
    )
    alembic_project.upgrade()
    assert catalog.indexes()["ix_v1"] == (
        f"CREATE INDEX ix_v1 ON {place}.note USING hnsw (embedding halfvec_l2_ops)",
        True,
    )
    alembic_project.downgrade("001")
    assert set(catalog.indexes()) == {"ix_w"}


@pytest.mark.usefixtures("tenants")
def test_the_extension_is_in_no_schema_of_a_table(alembic_project):
    alembic_project.revision('op.create_vector_extension(minimum_version="0.7.0")')
    alembic_project.upgrade()
