"""Scripts of `--sql` on a database whose extension is in a schema that the search path does not lead to."""

import subprocess
import textwrap
from pathlib import Path

import pytest
from alembic import command
from item_models import half, ix, models
from pgvector.sqlalchemy import HALFVEC, SPARSEVEC
from sqlalchemy import Column, text

from alembic_ops.errors import VectorMigrationWarning
from sqlalchemy_vecsearch import vector_index

ROWS = "INSERT INTO items (kind, embedding) SELECT 'a', '[1,2,3]' FROM generate_series(1, 20)"
OUTSIDE = "is in the schema 'Extensions', which is not on the search path"


@pytest.fixture
def project(bare_project):
    bare_project.execute('CREATE SCHEMA "Extensions"')
    return bare_project


def write(project, upgrade, downgrade):
    """Write a revision by hand."""
    script = command.revision(project.config(), message="by hand")
    functions = (
        f"def {name}() -> None:\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
        for name, body in (("upgrade", upgrade), ("downgrade", downgrade))
    )
    whole = Path(script.path).read_text().partition("def upgrade")[0] + "\n".join(functions)
    Path(script.path).write_text(
        whole.replace("import sqlalchemy as sa", "import sqlalchemy as sa\nfrom pgvector.sqlalchemy import VECTOR")
    )
    return script.revision


@pytest.mark.parametrize(
    "options", [{}, {"transaction_per_migration": True}, {"transactional_ddl": False}], ids=["one", "each", "none"]
)
def test_every_change_reaches_the_same_catalog_by_a_script(project, options):
    project.execute('CREATE EXTENSION vector SCHEMA "Extensions"')
    project.options = options
    project.metadata = models(ix(), half())
    with pytest.warns(VectorMigrationWarning, match=OUTSIDE):
        project.cycle("create_table", "create_vector_index", "create_vector_index")
    project.metadata = models(ix(with_={"m": 24}), half("ix_other"), ix("ix_new", "vector_ip_ops"))
    with pytest.warns(VectorMigrationWarning, match=OUTSIDE):
        project.cycle("create_vector_index", "rebuild_vector_index", "rename_vector_index", rows=ROWS)
    project.metadata = models(ix(with_={"m": 24}), half("ix_other"))
    with pytest.warns(VectorMigrationWarning, match=OUTSIDE):
        project.cycle("drop_vector_index")
    project.metadata = models()
    items = project.metadata.tables["items"]
    items.c.embedding.type = HALFVEC(3)
    ix(operators="halfvec_l2_ops", with_={"m": 24})(items)
    items.append_column(Column("second", SPARSEVEC(3)))
    vector_index("ix_second", items.c.second, metric="l2")
    with pytest.warns(VectorMigrationWarning, match=OUTSIDE):
        project.cycle(
            "add_embedding_column",
            "drop_vector_index",
            "drop_vector_index",
            "alter_embedding_type",
            "create_vector_index",
            "create_vector_index",
        )


BY_HAND = """\
op.create_vector_extension(schema="Extensions")
op.create_table("items", sa.Column("id", sa.Integer, primary_key=True), sa.Column("embedding", VECTOR(3)), schema="public")
op.add_column(
    "items", sa.Column("unit", VECTOR(3), sa.Computed("l2_normalize(embedding)", persisted=True)), schema="public"
)
op.create_index(
    "ix_stock", "items", ["unit"], postgresql_using="hnsw", postgresql_ops={"unit": "vector_ip_ops"}, schema="public"
)
op.execute("INSERT INTO public.items (embedding) VALUES ('[3,4,0]')")
op.execute("UPDATE public.items SET embedding = embedding + '[0,0,1]'::vector")
op.create_vector_index("ix_ours", "items", "unit", operator_class="vector_l2_ops", schema="public")
"""
BACK = """\
op.drop_vector_index("ix_ours", "items", schema="public")
op.drop_table("items", schema="public")
op.drop_vector_extension()
"""


@pytest.mark.parametrize("options_of_psql", [[], ["-1"]], ids=["psql", "psql -1"])
@pytest.mark.parametrize("path", ['"$user", public', "''", "nowhere"], ids=["default", "empty", "nowhere"])
def test_a_revision_by_hand_need_not_name_the_schema(project, path, options_of_psql):
    project.execute(f'ALTER DATABASE "{project.engine.url.database}" SET search_path = {path}')
    project.options = {"version_table_schema": "public"}
    project.options_of_psql = options_of_psql
    project.metadata = models()
    before = project.catalog()
    revision = write(project, BY_HAND, BACK)
    project.psql(project.sql_of_upgrade())
    assert [sql for sql, _ in project.catalog()[0] if "hnsw" in sql] == [
        'CREATE INDEX ix_ours ON public.items USING hnsw (unit "Extensions".vector_l2_ops)',
        'CREATE INDEX ix_stock ON public.items USING hnsw (unit "Extensions".vector_ip_ops)',
    ]
    with project.engine.connect() as connection:
        found = connection.execute(text("SELECT CAST(embedding AS text) FROM public.items")).scalars().all()
    assert found == ["[3,4,1]"]
    project.psql(project.sql_of_downgrade(f"{revision}:base"))
    assert project.catalog() == before


@pytest.mark.parametrize("path", ["''", "nowhere"], ids=["empty", "nowhere"])
def test_a_table_without_a_schema_is_never_created_among_the_objects_of_the_extension(project, path):
    project.execute('CREATE EXTENSION vector SCHEMA "Extensions"')
    project.execute(f'ALTER DATABASE "{project.engine.url.database}" SET search_path = {path}')
    project.options = {"version_table_schema": "public"}
    project.metadata = models()
    write(project, "op.create_table('items', sa.Column('embedding', VECTOR(3)))", "op.drop_table('items')")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        project.psql(project.sql_of_upgrade())
    assert 'permission denied to create "pg_catalog.items"' in caught.value.stderr


def test_a_search_path_that_leads_to_the_extension_is_left_as_it_is(project):
    project.execute('CREATE EXTENSION vector SCHEMA "Extensions"')
    project.execute(f'ALTER DATABASE "{project.engine.url.database}" SET search_path = "Extensions", public')
    project.options = {"version_table_schema": "public"}
    project.metadata = models()
    upgrade = """\
    op.create_table("items", sa.Column("embedding", VECTOR(3)), schema="public")
    op.execute("CREATE TABLE public.seen AS SELECT current_setting('search_path') AS path")
    """
    write(project, upgrade, "pass")
    project.psql(project.sql_of_upgrade())
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT path FROM public.seen")) == '"Extensions", public'


def test_the_script_leaves_the_search_path_of_the_session_alone_where_all_is_in_transactions(project):
    project.execute('CREATE EXTENSION vector SCHEMA "Extensions"')
    project.metadata = models()
    write(project, "op.create_table('items', sa.Column('embedding', VECTOR(3)))", "op.drop_table('items')")
    after = "CREATE TABLE public.seen AS SELECT current_setting('search_path') AS path;\n"
    project.psql(project.sql_of_upgrade() + after)
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT path FROM public.seen")) == '"$user", public'
