"""Where a script looks for the extension: at the head of each transaction, and before what is outside of them."""

import io

import pytest
from alembic.ddl import impl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.migration import MigrationContext
from alembic.operations import Operations
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Integer

import alembic_ops
from alembic_ops.offline.search_path import FindsVectors
from alembic_ops.sql.implementation import extend_implementation

LOOK = (
    "-- find pgvector where the search path does not lead to it\n"
    "SELECT pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ',\n"
    "           CASE WHEN pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.<>) ''\n"
    "                THEN pg_catalog.current_setting('search_path') END,\n"
    "           CASE WHEN pg_catalog.current_schema() IS NULL THEN 'pg_catalog' END,\n"
    "           pg_catalog.quote_ident(n.nspname)), {})\n"
    "  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace\n"
    " WHERE e.extname OPERATOR(pg_catalog.=) 'vector'\n"
    "   AND n.nspname OPERATOR(pg_catalog.<>) ALL (pg_catalog.current_schemas(true));"
)
LOCAL, SESSION = LOOK.format("true"), LOOK.format("false")


def script_of(write, **options):
    output = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": output, "literal_binds": True, **options}
    )
    with context.begin_transaction():
        write(Operations(context))
    return output.getvalue()


def test_the_script_looks_once_at_the_head_of_a_transaction():
    def write(operations):
        operations.create_table("items", Column("id", Integer), Column("embedding", VECTOR(3)))
        operations.create_index(
            "ix", "items", ["embedding"], postgresql_using="hnsw", postgresql_ops={"embedding": "vector_l2_ops"}
        )

    assert script_of(write) == (
        f"BEGIN;\n\n{LOCAL}\n\n"
        "CREATE TABLE items (\n    id INTEGER, \n    embedding VECTOR(3)\n);\n\n"
        "CREATE INDEX ix ON items USING hnsw (embedding vector_l2_ops);\n\n"
        "COMMIT;\n\n"
    )


def test_what_is_outside_of_a_transaction_is_preceded_by_a_look_for_the_session():
    def write(operations):
        with operations.get_context().autocommit_block():
            operations.execute("VACUUM items")
            operations.execute("VACUUM other")
        operations.execute("SELECT 1")

    assert script_of(write) == (
        f"BEGIN;\n\n{LOCAL}\n\nCOMMIT;\n\n"
        f"{SESSION}\n\nVACUUM items;\n\nVACUUM other;\n\n"
        f"BEGIN;\n\n{LOCAL}\n\nSELECT 1;\n\nCOMMIT;\n\n"
    )


def test_a_script_without_transactions_is_preceded_by_one_look_for_the_session():
    def write(operations):
        operations.execute("SELECT 1")
        operations.execute("SELECT 2")

    assert script_of(write, transactional_ddl=False) == f"{SESSION}\n\nSELECT 1;\n\nSELECT 2;\n\n"


def test_the_extension_that_a_script_creates_is_looked_for_after_it():
    def write(operations):
        operations.create_vector_extension()

    created = "CREATE EXTENSION IF NOT EXISTS vector;\n\n"
    assert script_of(write) == f"BEGIN;\n\n{LOCAL}\n\n{created}{LOCAL}\n\nCOMMIT;\n\n"


def test_words_of_a_statement_do_not_matter():
    def write(operations):
        operations.execute("SELECT 'a <-> b, vector(3), COMMIT, BEGIN'")

    assert script_of(write) == (f"BEGIN;\n\n{LOCAL}\n\nSELECT 'a <-> b, vector(3), COMMIT, BEGIN';\n\nCOMMIT;\n\n")


def test_a_second_registration_changes_nothing():
    before = type(MigrationContext.configure(dialect_name="postgresql").impl)
    extend_implementation(FindsVectors)
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
    assert script_of(add_a_table) == (
        f"BEGIN;\n\n{LOCAL}\n\nCREATE TABLE things (\n    embedding VECTOR(3)\n);\n\nCOMMIT;\n\n"
    )


def test_a_percent_sign_in_an_operation_stays_one_whatever_the_driver_writes():
    def write(operations):
        operations.add_embedding_column("items", Column("50%", VECTOR(3)))

    alembic_ops.register()
    assert 'ALTER TABLE items ADD COLUMN IF NOT EXISTS "50%" VECTOR(3);' in script_of(write)
