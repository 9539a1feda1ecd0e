from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import text

from alembic_ops.errors import IndexConflictError, LockWaitError

SWAP = 'op.swap_vector_index("ix", replacement="ix_v2", table_name="document")'
V1 = "CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops) WITH (m = 4)"
V2 = "CREATE INDEX ix_v2 ON document USING hnsw (embedding vector_l2_ops) WITH (m = 12)"
SWAPPED = {"ix": ("CREATE INDEX ix ON public.document USING hnsw (embedding vector_l2_ops) WITH (m='12')", True)}

pytestmark = pytest.mark.usefixtures("documents")


@pytest.mark.parametrize("first", [[V1, V2], [V2]])
def test_a_swap_promotes_the_replacement(alembic_project, catalog, first):
    for statement in first:
        catalog.execute(statement)
    promoted = catalog.oid("ix_v2")
    alembic_project.revision(
        SWAP, 'op.rebuild_vector_index("ix", "document", "embedding", operator_class="vector_l2_ops", with_={"m": 4})'
    )
    alembic_project.upgrade()
    assert catalog.indexes() == SWAPPED
    assert catalog.oid("ix") == promoted
    alembic_project.downgrade()
    assert "(m='4')" in catalog.indexes()["ix"][0]


def test_a_swap_as_sql_gives_the_same_result(alembic_project, catalog, psql):
    catalog.execute(V1)
    catalog.execute(V2)
    alembic_project.revision(SWAP)
    psql(alembic_project.sql())
    assert catalog.indexes() == SWAPPED


def test_the_name_changes_together_with_the_version(alembic_project, catalog):
    catalog.execute(V1)
    catalog.execute(V2)
    alembic_project.revision(f'{SWAP}\nraise RuntimeError("the process dies here")')
    with pytest.raises(RuntimeError, match="dies here"):
        alembic_project.upgrade()
    assert list(catalog.indexes()) == ["ix_v2"]
    (alembic_project.folder / "versions" / "001.py").unlink()
    alembic_project.count = 0
    alembic_project.revision(SWAP)
    alembic_project.upgrade()
    assert catalog.indexes() == SWAPPED


def test_without_a_replacement_nothing_is_dropped(alembic_project, catalog):
    catalog.execute(V1)
    alembic_project.revision(SWAP)
    with pytest.raises(IndexConflictError, match=r"^There is no index 'ix_v2' to promote\."):
        alembic_project.upgrade()
    assert list(catalog.indexes()) == ["ix"]


def test_a_replacement_that_is_not_valid_is_never_promoted(alembic_project, catalog, engine):
    catalog.execute(V1)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        reader.execute(text("SELECT count(*) FROM document"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as builder:
            builder.exec_driver_sql("SET statement_timeout = '300ms'")
            with pytest.raises(Exception, match="statement timeout"):
                builder.exec_driver_sql(V2.replace("INDEX", "INDEX CONCURRENTLY", 1))
    engine.dispose()
    alembic_project.revision(SWAP)
    with pytest.raises(IndexConflictError) as error:
        alembic_project.upgrade()
    assert str(error.value) == (
        "The index 'ix_v2' is not valid and cannot take the place of 'ix'. Its build was interrupted, so that no query "
        "would use it, and the old index would be gone. Build it by op.create_vector_index('ix_v2', ...), which finishes "
        "it, and swap then."
    )
    assert catalog.indexes()["ix"][1]


def test_a_short_lock_is_asked_for_again_until_it_is_free(alembic_project, catalog, engine):
    catalog.execute(V1)
    alembic_project.revision('op.drop_vector_index("ix", "document", concurrently=False)')
    with engine.connect() as writer:
        writer.execute(text("UPDATE document SET lang = 'fr' WHERE id = 1"))
        migration = threading.Thread(target=alembic_project.upgrade)
        migration.start()
        wait_for(
            engine,
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        )
        began = time.monotonic()
        with engine.connect() as reader:
            reader.execute(text("SELECT * FROM document WHERE id = 2"))
        assert time.monotonic() - began < 20  # an attempt is 0.25 s, and all of them 60 s, on a machine of any load
        assert list(catalog.indexes()) == ["ix"]
        writer.commit()
    migration.join()
    assert catalog.indexes() == {}


def test_after_the_deadline_the_table_is_named(alembic_project, catalog, engine):
    catalog.execute(V1)
    alembic_project.env(vector_lock_timeout=0.05, vector_lock_deadline=0.5)
    alembic_project.revision('op.drop_vector_index("ix", "document", concurrently=False)')
    with engine.connect() as writer:
        writer.execute(text("UPDATE document SET lang = 'fr' WHERE id = 1"))
        with pytest.raises(
            LockWaitError, match=r"^The table 'document' could not be locked within 0\.5 s \([2-9] attempts\)\. "
        ):
            alembic_project.upgrade()
    alembic_project.upgrade()
    assert catalog.indexes() == {}


def wait_for(engine, question):
    """Ask until the answer is true."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with engine.connect() as connection:
            if connection.scalar(text(question)):
                return
    raise AssertionError(question)
