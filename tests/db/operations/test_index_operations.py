from __future__ import annotations

import re
import subprocess

import pytest
from sqlalchemy import make_url, text

from alembic_ops.errors import BuildError, ExternalTransactionError, IndexConflictError, MigrationError

CREATE = 'op.create_vector_index("ix", "document", "embedding", operator_class="vector_cosine_ops", with_={"m": 8})'
DROP = 'op.drop_vector_index("ix", "document", "embedding", operator_class="vector_cosine_ops", with_={"m": 8})'
REBUILD = 'op.rebuild_vector_index("ix", "document", "embedding", operator_class="vector_cosine_ops", with_={"m": 12})'
REINDEX = 'op.rebuild_vector_index("ix", "document")'

DEFINITION = "CREATE INDEX ix ON public.document USING hnsw (embedding vector_cosine_ops) WITH (m='8')"
WISHED = {"ix": (DEFINITION, True)}
REBUILT = {"ix": (DEFINITION.replace("'8'", "'12'"), True)}

pytestmark = pytest.mark.usefixtures("documents")

FORMS = {
    "hnsw": (CREATE, DROP, DEFINITION),
    "in a transaction": (CREATE[:-1] + ", concurrently=False)", DROP[:-1] + ", concurrently=False)", DEFINITION),
    "expression": (
        'op.create_vector_index("ix", "document", sa.text("(embedding::halfvec(3))"), operator_class="halfvec_l2_ops")',
        'op.drop_vector_index("ix", "document")',
        "CREATE INDEX ix ON public.document USING hnsw (((embedding)::halfvec(3)) halfvec_l2_ops)",
    ),
    "partial": (
        'op.create_vector_index("ix", "document", "embedding", operator_class="vector_l2_ops", where="lang = \'e%\' or id % 3 = 1")',
        'op.drop_vector_index("ix", "document")',
        "CREATE INDEX ix ON public.document USING hnsw (embedding vector_l2_ops) WHERE ((lang = 'e%'::text) OR ((id % 3) = 1))",
    ),
    "ivfflat in the schema": (
        'op.create_vector_index("ix", "document", "embedding", method="ivfflat", operator_class="vector_l2_ops", with_={"lists": 3}, schema="public")',
        'op.drop_vector_index("ix", "document", schema="public")',
        "CREATE INDEX ix ON public.document USING ivfflat (embedding) WITH (lists='3')",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_index_comes_and_goes_with_its_revision(alembic_project, catalog, form):
    up, down, definition = FORMS[form]
    alembic_project.revision(up, down)
    alembic_project.upgrade()
    assert catalog.indexes() == {"ix": (definition, True)}
    alembic_project.downgrade()
    assert catalog.indexes() == {}
    alembic_project.upgrade()
    assert catalog.indexes() == {"ix": (definition, True)}


@pytest.mark.parametrize("form", FORMS)
def test_what_sql_prints_gives_the_same_result(alembic_project, catalog, form, psql):
    up, down, definition = FORMS[form]
    alembic_project.revision(up, down)
    psql(alembic_project.sql())
    assert catalog.indexes() == {"ix": (definition, True)}
    psql(alembic_project.sql(downgrade=True))
    assert catalog.indexes() == {}


@pytest.mark.parametrize("form", FORMS)
def test_a_valid_index_of_the_same_definition_is_left_alone(alembic_project, catalog, form):
    up, _, definition = FORMS[form]
    alembic_project.revision(up)
    alembic_project.upgrade()
    before = catalog.oid("ix")
    alembic_project.revision(up)
    alembic_project.upgrade()
    assert catalog.oid("ix") == before
    assert catalog.indexes() == {"ix": (definition, True)}


def test_a_valid_index_of_another_definition_is_an_error_with_both(alembic_project, catalog):
    catalog.execute(
        "CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops) WITH (m = 4, ef_construction = 20)"
    )
    alembic_project.revision(CREATE)
    with pytest.raises(IndexConflictError) as error:
        alembic_project.upgrade()
    assert str(error.value) == (
        "There is an index 'ix' already, and it is another one: hnsw (embedding vector_l2_ops) with ef_construction=20, m=4, "
        "where hnsw (embedding vector_cosine_ops) with ef_construction=64, m=8 is asked for. "
        "It is valid and may be in use, so that nothing was changed. "
        "Give it the new definition without a gap by op.rebuild_vector_index('ix', ...), or drop it."
    )


def test_an_index_of_another_table_or_kind_is_never_touched(alembic_project, catalog):
    catalog.execute("CREATE INDEX ix ON document (lang)")
    for operation in (CREATE, DROP, REINDEX):
        alembic_project.revision(operation)
        with pytest.raises(IndexConflictError, match="The name 'ix' belongs to another index: CREATE INDEX ix ON"):
            alembic_project.upgrade("+1")
        (alembic_project.folder / "versions" / f"{alembic_project.count:03}.py").unlink()
        alembic_project.count -= 1
    assert catalog.oid("ix")


@pytest.fixture
def leave_invalid(catalog, engine):
    """Leave an INVALID index behind, as a cancelled build does: a repeatable read snapshot holds it up at its end."""

    def leave(statement):
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
            reader.execute(text("SELECT count(*) FROM document"))
            with catalog.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as builder:
                builder.exec_driver_sql("SET lock_timeout = '100ms'")
                with pytest.raises(Exception, match="lock timeout"):
                    builder.exec_driver_sql(statement)
            catalog.engine.dispose()

    return leave


def test_an_invalid_leftover_is_dropped_and_built_anew(alembic_project, catalog, leave_invalid):
    leave_invalid("CREATE INDEX CONCURRENTLY ix ON document USING hnsw (embedding vector_cosine_ops) WITH (m=8)")
    assert catalog.indexes() == {"ix": (DEFINITION, False)}
    alembic_project.revision(CREATE)
    alembic_project.upgrade()
    assert catalog.indexes() == WISHED


def test_a_rebuild_by_the_same_definition_makes_a_new_index_of_the_same_name(alembic_project, catalog):
    alembic_project.revision(CREATE)
    alembic_project.upgrade()
    before = catalog.oid("ix")
    alembic_project.revision(REINDEX, REINDEX)
    alembic_project.upgrade()
    assert catalog.indexes() == WISHED
    assert catalog.oid("ix") != before
    alembic_project.downgrade()
    assert catalog.indexes() == WISHED


@pytest.mark.parametrize("concurrently", ["", ", concurrently=False"])
def test_a_rebuild_by_another_definition_takes_the_place_of_the_old_index(alembic_project, catalog, concurrently):
    alembic_project.revision(CREATE)
    alembic_project.upgrade()
    up = REBUILD[:-1] + concurrently + ")"
    alembic_project.revision(up, up.replace("12", "8"))
    alembic_project.upgrade()
    assert catalog.indexes() == REBUILT
    alembic_project.downgrade()
    assert catalog.indexes() == WISHED


@pytest.mark.parametrize("rebuild", [REINDEX, REBUILD])
def test_a_rebuild_as_sql_gives_the_same_result(alembic_project, catalog, psql, rebuild):
    alembic_project.revision(CREATE)
    alembic_project.upgrade()
    alembic_project.revision(rebuild, REINDEX)
    psql(alembic_project.sql())
    assert catalog.indexes() == (WISHED if rebuild == REINDEX else REBUILT)
    psql(alembic_project.sql(downgrade=True))
    assert [usable for _, usable in catalog.indexes().values()] == [True]


def test_what_a_cancelled_reindex_left_is_swept_and_strangers_stay(alembic_project, catalog, leave_invalid):
    catalog.execute("CREATE INDEX stranger_ccnew ON document USING hnsw (embedding vector_cosine_ops) WITH (m=8)")
    alembic_project.revision(CREATE)
    alembic_project.upgrade()
    leave_invalid("REINDEX INDEX CONCURRENTLY ix")
    leave_invalid("REINDEX INDEX CONCURRENTLY stranger_ccnew")
    left = {name: usable for name, (_, usable) in catalog.indexes().items()}
    assert left == {"ix": True, "ix_ccnew": False, "stranger_ccnew": True, "stranger_ccnew_ccnew": False}
    alembic_project.revision(REINDEX)
    alembic_project.upgrade()
    left = {name: usable for name, (_, usable) in catalog.indexes().items()}
    assert left == {"ix": True, "stranger_ccnew": True, "stranger_ccnew_ccnew": False}


def test_a_half_dropped_index_is_dropped_to_the_end(alembic_project, catalog, leave_invalid):
    alembic_project.revision(CREATE, DROP)
    alembic_project.upgrade()
    with catalog.engine.connect() as reader:
        reader.execute(text("SELECT 1 FROM document LIMIT 1"))
        with catalog.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as dropper:
            dropper.exec_driver_sql("SET lock_timeout = '100ms'")
            with pytest.raises(Exception, match="lock timeout"):
                dropper.exec_driver_sql("DROP INDEX CONCURRENTLY ix")
    catalog.engine.dispose()
    assert catalog.indexes() == {"ix": (DEFINITION, False)}
    alembic_project.downgrade()
    assert catalog.indexes() == {}


@pytest.mark.parametrize("left", ["beside, invalid", "beside, valid", "beside, valid, old dropped", "nothing"])
def test_an_interrupted_rebuild_by_another_definition_goes_on(alembic_project, catalog, leave_invalid, left):
    beside = "CREATE INDEX CONCURRENTLY ix__new ON document USING hnsw (embedding vector_cosine_ops) WITH (m = 12)"
    if left not in {"beside, valid, old dropped", "nothing"}:
        catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_cosine_ops) WITH (m = 8)")
    if left == "beside, invalid":
        leave_invalid(beside)
    elif left != "nothing":
        catalog.execute(beside)
    alembic_project.revision(REBUILD)
    alembic_project.upgrade()
    assert catalog.indexes() == REBUILT


def test_timeouts_of_the_role_do_not_end_a_build_and_are_back_afterwards(alembic_project, catalog):
    database = make_url(alembic_project.url).database
    catalog.execute(f"ALTER DATABASE \"{database}\" SET lock_timeout = '300ms'")
    catalog.execute(f"ALTER DATABASE \"{database}\" SET statement_timeout = '350ms'")
    catalog.execute(
        "INSERT INTO document SELECT i, 'en', ARRAY[random(), random(), random()]::vector(3) FROM generate_series(1000, 15000) i"
    )
    alembic_project.revision(
        f"""
        {CREATE[:-1].replace('"m": 8', '"m": 8, "ef_construction": 200')})
        assert op.get_bind().scalar(sa.text("SHOW statement_timeout")) == "350ms"
        assert op.get_bind().scalar(sa.text("SHOW lock_timeout")) == "300ms"
        """
    )
    alembic_project.upgrade()
    assert [usable for _, usable in catalog.indexes().values()] == [True]


def test_a_transaction_that_env_py_holds_open_is_named(alembic_project):
    alembic_project.env(before_configure='connection.exec_driver_sql("SELECT 1")')
    alembic_project.revision(CREATE)
    with pytest.raises(ExternalTransactionError) as error:
        alembic_project.upgrade()
    assert str(error.value) == (
        "op.create_vector_index() cannot run inside a transaction, and env.py has one open. A statement was executed on "
        "the connection before context.configure(), or env.py has begun the transaction itself as that of the template "
        "multidb does, so that Alembic takes the transaction for yours and would commit nothing. Call connection.commit() "
        "before context.configure() in env.py, and let context.begin_transaction() begin the transactions, or write "
        "concurrently=False, which blocks writers for the whole build."
    )


def test_a_failed_build_leaves_the_revision_unstamped_and_the_server_s_reason(alembic_project, catalog):
    catalog.execute("CREATE TABLE wide (embedding vector(2001))")
    alembic_project.revision('op.create_vector_index("ix", "wide", "embedding", operator_class="vector_l2_ops")')
    with pytest.raises(BuildError) as error:
        alembic_project.upgrade()
    assert str(error.value) == (
        "The server did not create vector index ix on wide: hnsw (embedding vector_l2_ops): column cannot have more than "
        "2000 dimensions for hnsw index. An index covers at most 2,000 dimensions of a vector, 4,000 of a halfvec and "
        "64,000 of a bit. Index a cast to halfvec, its bits, or a part of the vector: "
        'sa.text("(embedding::halfvec(3072))") with halfvec_cosine_ops.'
    )
    assert error.value.sqlstate == "54000"
    assert catalog.revision() is None
    catalog.execute("ALTER TABLE wide ALTER embedding TYPE vector(2000)")
    alembic_project.upgrade()
    assert [usable for _, usable in catalog.indexes().values()] == [True]


def test_a_missing_table_is_named(alembic_project):
    alembic_project.revision('op.drop_vector_index("ix", "documents")')
    with pytest.raises(
        MigrationError, match=re.escape("There is no table 'documents'. The operation wants to drop vector index")
    ):
        alembic_project.upgrade()


def test_the_sql_stops_at_an_invalid_index(alembic_project, catalog, leave_invalid, psql):
    leave_invalid("CREATE INDEX CONCURRENTLY ix ON document USING hnsw (embedding vector_cosine_ops) WITH (m=8)")
    alembic_project.revision(CREATE)
    with pytest.raises(subprocess.CalledProcessError) as error:
        psql(alembic_project.sql())
    assert "There is an INVALID index ix." in error.value.stderr


def test_another_operation_of_the_same_revision_runs_after_it(alembic_project, catalog):
    alembic_project.env(per_migration=True)
    alembic_project.revision(
        f'{CREATE}\nop.add_column("document", sa.Column("note", sa.Text))',
        f'op.drop_column("document", "note")\n{DROP}',
    )
    alembic_project.upgrade()
    assert catalog.revision() == "001"
    alembic_project.downgrade()
    assert catalog.indexes() == {}


def test_the_session_goes_on_with_the_isolation_it_had(engine, alembic_project, catalog):
    alembic_project.revision(CREATE)
    alembic_project.revision('assert op.get_bind().in_transaction()\nop.execute("CREATE TABLE after_it (id int)")')
    alembic_project.upgrade()
    assert catalog.oid("after_it")
