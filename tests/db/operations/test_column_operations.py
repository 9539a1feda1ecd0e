from __future__ import annotations

import subprocess
import threading

import pytest
from sqlalchemy import text

from alembic_ops.errors import LockWaitError, MigrationError, OperationArgumentError

ADD = 'op.add_embedding_column("document", sa.Column("embedding_v2", HALFVEC(3)))'
REQUIRE = 'op.add_embedding_column("document", sa.Column("embedding_v2", HALFVEC(3), nullable=False))'
DROP = 'op.drop_column("document", "embedding_v2")'
SWAP = 'op.swap_embedding_columns("document", live="embedding", replacement="embedding_v2")'

pytestmark = pytest.mark.usefixtures("documents")


@pytest.fixture
def columns(catalog):
    """Say what the columns of document are: name -> (type, NOT NULL, default, comment)."""

    def ask():
        with catalog.engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid),"
                    " col_description(attrelid, attnum) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
                    " WHERE attrelid = 'document'::regclass AND attnum > 0 AND NOT attisdropped AND attname LIKE 'emb%'"
                )
            ).all()
        return {row[0]: tuple(row[1:]) for row in rows}

    return ask


@pytest.fixture
def replacement(documents, catalog):
    """Add a filled column with an index, and an index on the live one."""
    catalog.execute("ALTER TABLE document ADD COLUMN embedding_v2 halfvec(3)")
    catalog.execute("UPDATE document SET embedding_v2 = embedding::halfvec(3)")
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)")
    catalog.execute("CREATE INDEX ix_v2 ON document USING hnsw (embedding_v2 halfvec_l2_ops)")


def test_a_column_comes_and_goes_with_its_revision(alembic_project, columns):
    alembic_project.revision(ADD, DROP)
    alembic_project.upgrade()
    assert columns()["embedding_v2"] == ("halfvec(3)", False, None, None)
    alembic_project.revision(ADD)
    alembic_project.upgrade()
    alembic_project.downgrade("-2")
    assert "embedding_v2" not in columns()


def test_sql_adds_the_column_too(alembic_project, columns, psql):
    alembic_project.revision(ADD)
    psql(alembic_project.sql())
    assert columns()["embedding_v2"] == ("halfvec(3)", False, None, None)


def test_a_column_becomes_not_null_once_it_is_filled(alembic_project, columns, catalog):
    alembic_project.revision(ADD)
    alembic_project.upgrade()
    alembic_project.revision(REQUIRE)
    with pytest.raises(MigrationError) as error:
        alembic_project.upgrade()
    assert str(error.value) == (
        "The column 'embedding_v2' of 'document' has rows without a vector. It has to be NOT NULL, and every insert of "
        "the application would rely on that. Fill the rows WHERE embedding_v2 IS NULL, and run the upgrade again."
    )
    catalog.execute("UPDATE document SET embedding_v2 = embedding::halfvec(3)")
    alembic_project.upgrade()
    assert columns()["embedding_v2"] == ("halfvec(3)", True, None, None)
    with catalog.engine.connect() as connection:
        assert (
            connection.scalar(
                text("SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid = 'document'::regclass")
            )
            == 0
        )


def test_not_null_on_a_table_with_rows_needs_a_default(alembic_project, columns):
    alembic_project.revision(REQUIRE)
    with pytest.raises(
        MigrationError, match=r"^The column 'embedding_v2' cannot be added as NOT NULL: 'document' has rows"
    ):
        alembic_project.upgrade()
    alembic_project.count = 0
    alembic_project.revision(REQUIRE.replace("nullable", 'server_default="[1,2,3]", nullable'))
    alembic_project.upgrade()
    assert columns()["embedding_v2"] == ("halfvec(3)", True, "'[1,2,3]'::halfvec", None)


def test_a_column_of_another_type_is_never_changed(alembic_project, columns):
    alembic_project.revision('op.add_embedding_column("document", sa.Column("embedding", VECTOR(4)))')
    with pytest.raises(
        MigrationError,
        match=r"has a column 'embedding' already, of type vector\(3\)\. The revision asks for vector\(4\)",
    ):
        alembic_project.upgrade()


def test_a_generated_column_is_refused_because_it_rewrites_the_table(alembic_project):
    alembic_project.revision(
        'op.add_embedding_column("document", sa.Column("h", HALFVEC(3), sa.Computed("embedding::halfvec(3)")))'
    )
    with pytest.raises(OperationArgumentError, match="was given the generated column 'h'"):
        alembic_project.upgrade()


@pytest.mark.usefixtures("replacement")
def test_two_columns_and_their_indexes_exchange_names(alembic_project, columns, catalog):
    before = columns(), catalog.indexes()
    alembic_project.revision(SWAP, SWAP)
    alembic_project.upgrade()
    assert {name: one[0] for name, one in columns().items()} == {"embedding": "halfvec(3)", "embedding_v2": "vector(3)"}
    assert catalog.indexes() == {
        "ix": ("CREATE INDEX ix ON public.document USING hnsw (embedding halfvec_l2_ops)", True),
        "ix_v2": ("CREATE INDEX ix_v2 ON public.document USING hnsw (embedding_v2 vector_l2_ops)", True),
    }
    alembic_project.downgrade()
    assert (columns(), catalog.indexes()) == before


@pytest.mark.usefixtures("replacement")
def test_what_belongs_to_the_name_stays_with_it(alembic_project, columns, catalog):
    catalog.execute("ALTER TABLE document ALTER embedding SET NOT NULL")
    catalog.execute("ALTER TABLE document ALTER embedding SET DEFAULT '[1,2,3]'")
    catalog.execute("COMMENT ON COLUMN document.embedding IS 'what it''s about'")
    catalog.execute("DROP ROLE IF EXISTS swap_reader")
    catalog.execute("CREATE ROLE swap_reader")
    catalog.execute("GRANT SELECT (embedding), UPDATE (embedding) ON document TO swap_reader WITH GRANT OPTION")
    alembic_project.revision(SWAP, SWAP)
    alembic_project.upgrade()
    assert columns() == {
        "embedding": ("halfvec(3)", True, "'[1,2,3]'::vector", "what it's about"),
        "embedding_v2": ("vector(3)", False, None, None),
    }
    catalog.execute("INSERT INTO document (id, lang) VALUES (9001, 'en')")
    with catalog.engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT column_name, privilege_type, is_grantable FROM information_schema.column_privileges WHERE grantee = 'swap_reader' ORDER BY 2"
            )
        ).all()
    assert [tuple(row) for row in rows] == [("embedding", "SELECT", "YES"), ("embedding", "UPDATE", "YES")]
    catalog.execute("DELETE FROM document WHERE id = 9001")
    alembic_project.downgrade()
    assert columns() == {
        "embedding": ("vector(3)", True, "'[1,2,3]'::vector", "what it's about"),
        "embedding_v2": ("halfvec(3)", False, None, None),
    }
    catalog.execute("DROP OWNED BY swap_reader")
    catalog.execute("DROP ROLE swap_reader")


@pytest.mark.usefixtures("replacement")
def test_what_analyze_was_told_of_the_name_stays_with_it_and_so_does_the_storage(alembic_project, catalog):
    def settings():
        with catalog.engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT attname, coalesce(attstattarget, -1), attoptions, attstorage FROM pg_attribute"
                    " WHERE attrelid = 'document'::regclass AND attname LIKE 'emb%' ORDER BY attname"
                )
            )
            return [tuple(row) for row in rows]

    catalog.execute("ALTER TABLE document ALTER embedding SET STATISTICS 17")
    catalog.execute("ALTER TABLE document ALTER embedding SET (n_distinct = -0.5, n_distinct_inherited = 3)")
    catalog.execute("ALTER TABLE document ALTER embedding_v2 SET (n_distinct = 9)")
    catalog.execute("ALTER TABLE document ALTER embedding SET STORAGE PLAIN")
    before = settings()
    alembic_project.revision(SWAP, SWAP)
    alembic_project.upgrade()
    assert settings() == [
        ("embedding", 17, ["n_distinct=-0.5", "n_distinct_inherited=3"], "p"),
        ("embedding_v2", -1, ["n_distinct=9"], "e"),
    ]
    alembic_project.downgrade()
    assert settings() == before


@pytest.mark.usefixtures("documents")
def test_a_default_that_no_longer_suits_is_refused(alembic_project, catalog, columns):
    catalog.execute("ALTER TABLE document ADD COLUMN embedding_v2 vector(2)")
    catalog.execute("ALTER TABLE document ALTER embedding SET DEFAULT '[1,2,3]'")
    before = columns()
    alembic_project.revision(SWAP)
    with pytest.raises(MigrationError) as error:
        alembic_project.upgrade()
    assert str(error.value) == (
        "The default '[1,2,3]'::public.vector does not suit the type public.vector(2), so that the columns of 'document' were not "
        "swapped. A default stays with the name of its column, and every insert that relies on it would fail. Drop the "
        "default of 'embedding' and 'embedding_v2' in this revision before the swap, and set one that suits after it."
    )
    assert columns() == before


@pytest.mark.usefixtures("replacement")
def test_a_live_column_that_is_not_null_waits_for_the_last_new_vector(alembic_project, columns, catalog):
    catalog.execute("ALTER TABLE document ALTER embedding SET NOT NULL")
    catalog.execute("UPDATE document SET embedding_v2 = NULL WHERE id = 7")
    alembic_project.revision(SWAP)
    with pytest.raises(MigrationError, match=r"^The column 'embedding_v2' of 'document' has rows without a vector"):
        alembic_project.upgrade()
    assert columns()["embedding"][0] == "vector(3)"
    catalog.execute("UPDATE document SET embedding_v2 = '[1,2,3]' WHERE id = 7")
    alembic_project.upgrade()
    assert columns()["embedding"][:2] == ("halfvec(3)", True)


def test_a_swap_without_a_matching_index_is_refused(alembic_project, catalog, columns):
    catalog.execute("ALTER TABLE document ADD COLUMN embedding_v2 halfvec(3)")
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)")
    catalog.execute("CREATE INDEX ix_v2 ON document USING hnsw (embedding_v2 halfvec_cosine_ops)")
    alembic_project.revision(SWAP)
    with pytest.raises(MigrationError, match=r"^The column 'embedding_v2' has no index like 'ix' of 'embedding'"):
        alembic_project.upgrade()
    assert columns()["embedding"][0] == "vector(3)"


def test_a_swap_to_an_index_that_is_not_valid_is_refused_and_its_build_is_named(alembic_project, catalog, columns):
    catalog.execute("ALTER TABLE document ADD COLUMN embedding_v2 halfvec(3)")
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_cosine_ops)")
    catalog.execute("CREATE INDEX ix_v2 ON document USING hnsw (embedding_v2 halfvec_cosine_ops)")
    catalog.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_v2'::regclass")
    alembic_project.revision(SWAP)
    with pytest.raises(MigrationError) as error:
        alembic_project.upgrade()
    assert str(error.value) == (
        "The index 'ix_v2' of the column 'embedding_v2' is not valid. After the swap every search would read the whole "
        "table. Finish it by the op.create_vector_index() that began it, and swap then."
    )
    assert columns()["embedding"][0] == "vector(3)"


@pytest.mark.usefixtures("replacement")
def test_the_swap_never_makes_the_application_a_deadlock_victim(alembic_project, catalog, engine, columns):
    alembic_project.revision(SWAP)
    with engine.connect() as application:
        application.execute(text("SELECT count(*) FROM document"))
        migration = threading.Thread(target=alembic_project.upgrade)
        migration.start()
        for number in range(1, 30):
            application.execute(text("UPDATE document SET lang = 'fr' WHERE id = :id"), {"id": number})
            migration.join(timeout=0.02)
        application.commit()
    migration.join()
    assert columns()["embedding"][0] == "halfvec(3)"


@pytest.mark.usefixtures("replacement")
def test_a_table_in_use_up_to_the_deadline_is_left_as_it_was(alembic_project, engine, columns):
    alembic_project.env(vector_lock_timeout=0.05, vector_lock_deadline=0.4)
    alembic_project.revision(SWAP)
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM document"))
        with pytest.raises(LockWaitError):
            alembic_project.upgrade()
    assert columns()["embedding"][0] == "vector(3)"


@pytest.mark.usefixtures("replacement")
def test_sql_for_later_swaps_the_columns_and_their_indexes(alembic_project, columns, catalog, psql):
    catalog.execute("CREATE INDEX ix_cosine ON document USING hnsw (embedding vector_cosine_ops)")
    catalog.execute("CREATE INDEX ix_cosine_v2 ON document USING hnsw (embedding_v2 halfvec_cosine_ops)")
    before = columns(), catalog.indexes()
    alembic_project.revision(SWAP, SWAP)
    script = alembic_project.sql()
    psql(script)
    assert {name: one[0] for name, one in columns().items()} == {"embedding": "halfvec(3)", "embedding_v2": "vector(3)"}
    assert {name: sql.partition("USING hnsw ")[2] for name, (sql, _) in catalog.indexes().items()} == {
        "ix": "(embedding halfvec_l2_ops)",
        "ix_v2": "(embedding_v2 vector_l2_ops)",
        "ix_cosine": "(embedding halfvec_cosine_ops)",
        "ix_cosine_v2": "(embedding_v2 vector_cosine_ops)",
    }
    catalog.execute("DROP TABLE alembic_version")
    psql(script)
    assert (columns(), catalog.indexes()) == before


STOPS = {
    "view": ("CREATE VIEW v AS SELECT embedding FROM document", "rule _RETURN on view v uses embedding."),
    "NOT NULL": ("ALTER TABLE document ALTER embedding SET NOT NULL", "they differ in NOT NULL."),
    "default and comment": (
        "ALTER TABLE document ALTER embedding SET DEFAULT '[1,2,3]'; COMMENT ON COLUMN document.embedding_v2 IS 'x'",
        "they differ in the default, the comment.",
    ),
    "statistics": ("ALTER TABLE document ALTER embedding SET STATISTICS 7", "they differ in the statistics settings."),
    "storage": ("ALTER TABLE document ALTER embedding SET STORAGE PLAIN", "they differ in the storage settings."),
    "check": (
        "ALTER TABLE document ADD CONSTRAINT three CHECK (vector_dims(embedding) = 3)",
        "constraint three on table document uses embedding.",
    ),
    "another index": (
        "CREATE INDEX missing ON document (id) WHERE embedding IS NULL",
        "the indexes missing use the first and are not of vectors.",
    ),
    "privileges": ("GRANT SELECT (embedding) ON document TO PUBLIC", "they differ in the column privileges."),
    "index": ("DROP INDEX ix_v2", "the new column has no valid index like ix."),
    "child": ("CREATE TABLE child () INHERITS (document)", "the table has partitions or child tables."),
}


@pytest.mark.usefixtures("replacement")
@pytest.mark.parametrize("kind", STOPS)
def test_sql_for_later_stops_where_something_would_not_follow(alembic_project, columns, catalog, psql, kind):
    statement, reason = STOPS[kind]
    catalog.execute(statement)
    before = columns(), catalog.indexes()
    alembic_project.revision(SWAP)
    with pytest.raises(subprocess.CalledProcessError) as error:
        psql(alembic_project.sql())
    assert f"The columns 'embedding' and 'embedding_v2' of 'document' were not swapped: {reason}" in error.value.stderr
    assert (columns(), catalog.indexes()) == before
