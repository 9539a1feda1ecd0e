"""Extensions and schemas."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from item_models import half, ix, models
from pgvector.sqlalchemy import HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import ARRAY, Column, Index, Integer, MetaData, Table, text

from alembic_ops.autogenerate.declared import IndexRuleError
from alembic_ops.errors import VectorMigrationWarning
from sqlalchemy_vecsearch import vector_index

ROWS = "INSERT INTO items (kind, embedding) SELECT 'a', ARRAY[i, 7 - i, 1]::vector(3) FROM generate_series(1, 20) i"

# --- the extension -------------------------------------------------------------------------------------------------


def test_the_extension_comes_first(bare_project):
    bare_project.metadata = models(ix(), half())
    revision = bare_project.cycle(
        "create_vector_extension", "create_table", "create_vector_index", "create_vector_index"
    )
    assert revision.downgrade.endswith("op.drop_vector_extension()")


BY_HAND = """\
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
"""


def test_an_extension_that_a_revision_creates_by_hand(bare_project):
    project = bare_project
    project.metadata = MetaData()
    first = project.autogenerate()
    first.path.write_text(first.whole.replace("    pass\n", BY_HAND, 1))
    project.upgrade()
    project.metadata = models(ix(), half())
    second = project.cycle("create_table", "create_vector_index", "create_vector_index")
    after = project.catalog()
    for statement in ("DROP TABLE items, alembic_version", "DROP EXTENSION vector"):
        project.execute(statement)
    project.psql(project.sql_of_upgrade())
    assert project.catalog() == after
    assert second.down_revision == first.number


def test_a_database_without_vectors_needs_no_extension(bare_project):
    bare_project.metadata = MetaData()
    Table("items", bare_project.metadata, Column("id", Integer, primary_key=True), Index("ix_id", "id"))
    bare_project.cycle("create_table", "create_index")


# --- schemas -------------------------------------------------------------------------------------------------------


def test_tables_of_another_schema(project):
    project.execute("CREATE SCHEMA app")
    project.options = {"include_schemas": True}
    models(ix(), schema="app").create_all(project.engine)
    project.metadata = models(ix(with_={"m": 24}), half(), schema="app")
    rows = ROWS.replace("items", "app.items")
    revision = project.cycle("create_vector_index", "rebuild_vector_index", rows=rows)
    assert revision.upgrade.count("schema='app'") == 2
    project.metadata = models(ix("ix_m", with_={"m": 24}), schema="app")
    project.cycle("drop_vector_index", "rename_vector_index")
    project.metadata = models(ix("ix_m", "halfvec_l2_ops", with_={"m": 24}), schema="app")
    project.metadata.tables["app.items"].c.embedding.type = HALFVEC(3)
    project.cycle("drop_vector_index", "alter_embedding_type", "create_vector_index")


@pytest.mark.parametrize("schema", [None, "public"])
def test_one_name_on_two_tables_of_a_schema_is_an_error_that_names_both(project, schema):
    project.metadata = models(ix(), name="others", schema=schema, metadata=models(ix()))
    with pytest.raises(IndexRuleError) as caught:
        project.autogenerate()
    first, second = ("items", "others") if schema is None else ("items", "public.others")
    assert str(caught.value) == (
        f"The index 'ix_e' of the table '{second}' has the name of an index of the table '{first}'. "
        "PostgreSQL knows the indexes of a schema by their names alone, whatever their tables. "
        "Give each of them a name, or name the table in the naming convention: 'ix_%(table_name)s_...'."
    )


def test_one_name_in_two_schemas(project):
    project.execute("CREATE SCHEMA app")
    project.options = {"include_schemas": True}
    models(ix(), schema="app", metadata=models(ix())).create_all(project.engine)
    project.metadata = models(ix(with_={"m": 24}), schema="app", metadata=models(ix()))
    assert "schema='app'" in project.cycle("rebuild_vector_index").upgrade


def test_the_default_schema_by_name(project):
    models(ix()).create_all(project.engine)
    project.metadata = models(ix(), schema="public")
    assert project.proposes_nothing()


def test_an_extension_in_a_schema_of_the_search_path(bare_project):
    project = bare_project
    project.execute("CREATE SCHEMA ext")
    project.execute("CREATE EXTENSION vector SCHEMA ext")
    project.execute(f'ALTER DATABASE "{project.engine.url.database}" SET search_path = public, ext')
    project.engine.dispose()  # the sessions in the pool began before
    models(ix(), half()).create_all(project.engine)
    project.metadata = models(ix(with_={"m": 24}), half())
    project.cycle("rebuild_vector_index", rows=ROWS)
    project.metadata = models(ix(with_={"m": 24}), ix("ix_qualified", "ext.vector_ip_ops"), half())
    project.cycle("create_vector_index")
    project.metadata = models(ix(with_={"m": 24}), half(), metadata=models(half("ix_h2"), name="others"))
    project.cycle("drop_vector_index", "create_table", "create_vector_index")


def test_an_extension_in_a_schema_outside_the_search_path_is_still_compared(bare_project):
    project = bare_project
    project.execute("CREATE SCHEMA ext")
    project.execute("CREATE EXTENSION vector SCHEMA ext")
    project.execute("CREATE TABLE items (id serial PRIMARY KEY, kind varchar(10), embedding ext.vector(3))")
    project.execute("CREATE INDEX ix_e ON items USING hnsw (embedding ext.vector_l2_ops)")
    project.execute(
        "CREATE INDEX ix_h ON items USING hnsw ((embedding::ext.halfvec(3)) ext.halfvec_l2_ops) WHERE id > 1"
    )
    project.metadata = models(ix(operators="ext.vector_l2_ops"), half())
    assert project.proposes_nothing()
    project.metadata = models(ix(operators="ext.vector_l2_ops"), half(), dimensions=4)
    with project.engine.connect() as connection:
        with pytest.warns(VectorMigrationWarning) as caught:
            (diff,) = compare_metadata(MigrationContext.configure(connection), project.metadata)
        assert [str(one.message) for one in caught] == [
            "The vector extension is in the schema 'ext', which is not on the search path. "
            "Operations, scripts of --sql and engines find it there; online, SQL that is given as text, such as that of"
            " Computed(), is sent as it is. "
            "Write the schema in such texts, or add it to the search path: ALTER ROLE ... SET search_path = public, ext."
        ]
        assert diff[0] == "alter_embedding_type"
        assert connection.scalar(text("SHOW search_path")) == '"$user", public'


OUTSIDE = "is in the schema 'Extensions', which is not on the search path"


def test_revisions_find_an_extension_outside_the_search_path(bare_project):
    project = bare_project
    project.execute('CREATE SCHEMA "Extensions"')
    project.execute('CREATE EXTENSION vector SCHEMA "Extensions"')
    bare = project.catalog()
    project.metadata = models(ix(), half())
    project.metadata.tables["items"].append_column(Column("several", ARRAY(VECTOR(3))))
    with pytest.warns(VectorMigrationWarning, match=OUTSIDE):
        revision = project.autogenerate()
    assert "alembic_ops.InSchema('Extensions', pgvector.sqlalchemy.VECTOR(3))" in revision.upgrade
    project.upgrade()
    assert project.proposes_nothing()
    project.execute("INSERT INTO items (id, embedding) VALUES (2, '[1,2,3]')")
    first = project.catalog()
    project.metadata = models(ix(with_={"m": 24}), half(), ix("ix_new", "vector_ip_ops"))
    items = project.metadata.tables["items"]
    items.append_column(Column("several", ARRAY(HALFVEC(3))))
    items.append_column(Column("second", SPARSEVEC(3)))
    items.c.embedding.type = HALFVEC(3)
    for index in items.indexes:
        index.dialect_options["postgresql"]["ops"] = {
            key: value.replace("vector_", "halfvec_")
            for key, value in index.dialect_options["postgresql"]["ops"].items()
        }
    vector_index("ix_second", items.c.second, metric="l2")
    with pytest.warns(VectorMigrationWarning, match=OUTSIDE):
        project.autogenerate()
    project.upgrade()
    assert project.proposes_nothing()
    second = project.catalog()
    project.downgrade()
    assert project.catalog() == first
    project.upgrade()
    assert project.catalog() == second
    project.downgrade("base")
    assert project.catalog() == bare
    with project.engine.connect() as connection:
        assert connection.scalar(text("SHOW search_path")) == '"$user", public'


def test_concurrent_operations_find_an_extension_outside_the_search_path(bare_project):
    project = bare_project
    project.execute("CREATE SCHEMA ext")
    project.execute("CREATE EXTENSION vector SCHEMA ext")
    project.execute("CREATE TABLE items (id serial PRIMARY KEY, kind varchar(10), embedding ext.vector(3))")
    project.execute("INSERT INTO items (embedding) SELECT '[1,2,3]' FROM generate_series(1, 9)")
    project.metadata = models(ix(), half())
    before = project.catalog()
    with pytest.warns(VectorMigrationWarning):
        project.autogenerate()
    project.upgrade()
    assert project.proposes_nothing()
    project.metadata = models(ix("ix_other_name"), half("ix_h"), ix("ix_m", "vector_ip_ops", with_={"m": 8}))
    with pytest.warns(VectorMigrationWarning):
        project.autogenerate()
    project.upgrade()
    assert project.proposes_nothing()
    project.metadata = models(ix("ix_other_name"), half("ix_h"), ix("ix_m", "vector_ip_ops", with_={"m": 9}))
    with pytest.warns(VectorMigrationWarning):
        project.autogenerate()
    project.upgrade()
    assert project.proposes_nothing()
    project.downgrade("base")
    assert project.catalog() == before
