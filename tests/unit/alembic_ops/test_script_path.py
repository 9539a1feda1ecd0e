"""Which statements of a script are preceded by a look at where the extension is."""

import io

import pytest
from alembic.ddl import impl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.migration import MigrationContext
from alembic.operations import Operations
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Integer

import alembic_ops
from alembic_ops.script_path import ScriptPath, lead_scripts_to_vectors

INDEX = "CREATE INDEX ix ON items USING hnsw (embedding vector_l2_ops)"


def looked_up(*statements):
    """Return for each statement how the path is changed before it: "local", "session", or None."""
    path = ScriptPath()
    found = []
    for sql in statements:
        look_up = path.look_up_before(sql)
        found.append(None if look_up is None else "local" if ", true)\n" in look_up else "session")
    return found


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE items (embedding VECTOR(3))",
        'ALTER TABLE items ADD COLUMN a "My ext".halfvec(3)',
        "ALTER TABLE items ALTER COLUMN a TYPE sparsevec(3)",
        INDEX,
        "CREATE INDEX ix ON items USING hnsw ((binary_quantize(embedding)::bit(3)) bit_hamming_ops)",
        "ALTER TABLE items ADD COLUMN unit bit(3) GENERATED ALWAYS AS (l2_normalize(a)) STORED",
        "UPDATE items SET score = a <=> b",
        "UPDATE items SET score = cosine_distance(a, b)",
        "DO $gate$ BEGIN IF EXISTS (SELECT FROM items WHERE vector_dims(a) <> 3) THEN NULL; END IF; END $gate$",
    ],
)
def test_what_names_something_of_pgvector_is_preceded_by_a_look(sql):
    assert looked_up(sql, sql) == ["session", None]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE items (id SERIAL, body tsvector)",
        "CREATE INDEX ix ON items USING gin (to_tsvector('english', body))",
        "CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA ext",
        "-- Running upgrade vector_1 -> vector_2",
        "ALTER INDEX ix_vector RENAME TO ix_vector_2",
        "INSERT INTO alembic_version (version_num) VALUES ('1')",
    ],
)
def test_what_names_nothing_of_pgvector_is_left_alone(sql):
    assert looked_up(sql) == [None]


def test_in_a_transaction_of_the_script_the_path_is_changed_for_that_transaction():
    assert looked_up("BEGIN;", INDEX, INDEX, "COMMIT;", INDEX, "BEGIN;", INDEX) == [
        None, "local", None, None, "session", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        "SET search_path = tenant",
        "SET LOCAL search_path TO tenant",
        "RESET ALL",
        "DISCARD ALL",
        "SELECT set_config('search_path', 'tenant', true)",
        "CREATE EXTENSION vector SCHEMA ext",
        "ALTER EXTENSION vector SET SCHEMA ext",
        "ROLLBACK TO SAVEPOINT before",
    ],
)
def test_what_may_change_the_path_or_move_the_extension_is_followed_by_another_look(change):
    assert looked_up("BEGIN;", INDEX, change, INDEX, "COMMIT;") == [None, "local", None, "local", None]


def test_a_transaction_that_the_revision_ends_itself_is_seen():
    assert looked_up("BEGIN;", INDEX, "COMMIT", INDEX, "ROLLBACK", INDEX) == [
        None, "local", None, "session", None, "session",
    ]  # fmt: skip


def script_of(write):
    output = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": output, "literal_binds": True}
    )
    with context.begin_transaction():
        write(Operations(context))
    return output.getvalue()


def test_the_script_looks_once_before_a_table_and_its_index():
    def write(operations):
        operations.create_table("items", Column("id", Integer), Column("embedding", VECTOR(3)))
        operations.create_index(
            "ix", "items", ["embedding"], postgresql_using="hnsw", postgresql_ops={"embedding": "vector_l2_ops"}
        )

    look_up = ScriptPath(in_transaction=True).look_up_before(INDEX)
    assert script_of(write) == (
        f"BEGIN;\n\n{look_up}\n\n"
        "CREATE TABLE items (\n    id INTEGER, \n    embedding VECTOR(3)\n);\n\n"
        "CREATE INDEX ix ON items USING hnsw (embedding vector_l2_ops);\n\n"
        "COMMIT;\n\n"
    )


def test_the_look_is_one_statement_on_the_catalog():
    assert ScriptPath().look_up_before(INDEX) == (
        "-- find pgvector where the search path does not lead to it\n"
        "SELECT pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ',\n"
        "           NULLIF(pg_catalog.current_setting('search_path'), ''),\n"
        "           CASE WHEN pg_catalog.current_schema() IS NULL THEN 'pg_catalog' END,\n"
        "           pg_catalog.quote_ident(n.nspname)), false)\n"
        "  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace\n"
        " WHERE e.extname = 'vector' AND n.nspname <> ALL (pg_catalog.current_schemas(true));"
    )


def test_the_script_of_a_project_without_vectors_is_as_it_was():
    def write(operations):
        operations.create_table("users", Column("id", Integer))

    assert script_of(write) == "BEGIN;\n\nCREATE TABLE users (\n    id INTEGER\n);\n\nCOMMIT;\n\n"


def test_a_second_registration_changes_nothing():
    before = type(MigrationContext.configure(dialect_name="postgresql").impl)
    lead_scripts_to_vectors()
    assert type(MigrationContext.configure(dialect_name="postgresql").impl) is before


@pytest.fixture
def defined_later(monkeypatch):
    """Define an implementation of the app after alembic_ops was imported, which takes the place of ours."""
    monkeypatch.setitem(impl._impls, "postgresql", impl._impls["postgresql"])

    class Mine(PostgresqlImpl):
        __dialect__ = "postgresql"

        def static_output(self, text):
            super().static_output(text.replace("items", "things"))

    return Mine


def add_a_table(operations):
    operations.create_table("items", Column("embedding", VECTOR(3)))


def test_an_implementation_that_is_defined_later_replaces_ours(defined_later):
    assert type(MigrationContext.configure(dialect_name="postgresql").impl) is defined_later
    assert script_of(add_a_table) == ("BEGIN;\n\nCREATE TABLE things (\n    embedding VECTOR(3)\n);\n\nCOMMIT;\n\n")


def test_a_registration_after_it_extends_it(defined_later):
    alembic_ops.register()
    assert isinstance(MigrationContext.configure(dialect_name="postgresql").impl, defined_later)
    look_up = ScriptPath(in_transaction=True).look_up_before(INDEX)
    assert script_of(add_a_table) == (
        f"BEGIN;\n\n{look_up}\n\nCREATE TABLE things (\n    embedding VECTOR(3)\n);\n\nCOMMIT;\n\n"
    )
