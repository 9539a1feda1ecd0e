from __future__ import annotations

import re

import pytest
from sqlalchemy import create_engine, text

from alembic_ops.errors import ExtensionError


@pytest.fixture
def vecsearch_url(bare_url):
    """Let the fixtures of this module work on a database without the extension."""
    return bare_url


@pytest.fixture
def installed(vecsearch_url):
    engine = create_engine(vecsearch_url)

    def ask():
        with engine.connect() as connection:
            row = connection.execute(
                text(
                    "SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'"
                )
            ).one_or_none()
        return None if row is None else row.nspname

    yield ask
    engine.dispose()


def test_the_extension_comes_and_goes_with_its_revision(alembic_project, installed):
    alembic_project.revision('op.create_vector_extension(minimum_version="0.7.0")', "op.drop_vector_extension()")
    alembic_project.upgrade()
    assert installed() == "public"
    alembic_project.downgrade()
    assert installed() is None


def test_the_extension_is_created_in_a_schema(alembic_project, installed, catalog):
    catalog.execute('CREATE SCHEMA "Extensions"')
    alembic_project.revision(
        'op.create_vector_extension(schema="Extensions")\nop.create_vector_extension(schema="Extensions")'
    )
    alembic_project.upgrade()
    assert installed() == "Extensions"


def test_sql_creates_and_drops_the_extension(alembic_project, installed, psql):
    alembic_project.revision('op.create_vector_extension(minimum_version="0.7")', "op.drop_vector_extension()")
    psql(alembic_project.sql())
    assert installed() == "public"
    psql(alembic_project.sql(downgrade=True))
    assert installed() is None


def test_sql_stops_where_the_extension_is_too_old(alembic_project, psql):
    alembic_project.revision('op.create_vector_extension(minimum_version="99.1")')
    with pytest.raises(Exception, match="returned non-zero exit status 3") as error:
        psql(alembic_project.sql())
    assert "The vector extension is older than 99.1." in error.value.stderr


def test_a_version_that_the_server_does_not_have_is_refused(alembic_project, installed, vecsearch_server):
    version = vecsearch_server.pgvector_version
    alembic_project.revision('op.create_vector_extension(minimum_version="99.0")')
    with pytest.raises(ExtensionError) as error:
        alembic_project.upgrade()
    assert str(error.value) == (
        f"The server has pgvector {version}; the revision asks for 99.0 or newer. A database can have no newer version "
        "than the server's files. Install a newer pgvector on the server, or lower minimum_version."
    )
    assert installed() is None


def test_an_extension_in_another_schema_is_refused(alembic_project, catalog):
    catalog.execute("CREATE EXTENSION vector")
    alembic_project.revision('op.create_vector_extension(schema="extensions")')
    with pytest.raises(
        ExtensionError, match=re.escape("The vector extension is in the schema 'public', not in 'extensions'.")
    ):
        alembic_project.upgrade()


def test_an_update_of_a_current_extension_changes_nothing(alembic_project, installed, catalog):
    catalog.execute("CREATE EXTENSION vector")
    alembic_project.revision("op.update_vector_extension()")
    alembic_project.upgrade()
    assert installed() == "public"


def test_an_update_without_an_extension_is_refused(alembic_project):
    alembic_project.revision("op.update_vector_extension()")
    with pytest.raises(ExtensionError, match="The database has no vector extension to update"):
        alembic_project.upgrade()


def test_an_extension_in_use_is_not_dropped(alembic_project, installed, catalog):
    catalog.execute("CREATE EXTENSION vector")
    catalog.execute("CREATE TABLE document (embedding vector(3))")
    alembic_project.revision("op.drop_vector_extension()")
    with pytest.raises(ExtensionError) as error:
        alembic_project.upgrade()
    assert str(error.value) == (
        "The server did not drop extension vector: cannot drop extension vector because other objects depend on it (column "
        "embedding of table document depends on type vector; hint of the server: Use DROP ... CASCADE to drop the dependent "
        "objects too). Columns, indexes or functions still use it. Drop or change those in an earlier revision, or before "
        "the operation in this one."
    )
    assert error.value.sqlstate == "2BP01"
    assert installed() == "public"


def test_a_script_stops_where_the_extension_is_in_another_schema(alembic_project, installed, catalog, psql):
    catalog.execute("CREATE SCHEMA extensions")
    alembic_project.revision('op.create_vector_extension(schema="extensions")')
    script = alembic_project.sql()
    catalog.execute("CREATE EXTENSION vector SCHEMA public")
    with pytest.raises(Exception, match="returned non-zero exit status 3") as error:
        psql(script)
    assert "The vector extension is in another schema than 'extensions'." in error.value.stderr
    catalog.execute("DROP EXTENSION vector")
    psql(script)
    assert installed() == "extensions"
