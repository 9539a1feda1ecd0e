"""What an operation inside the migration's transaction waits for, and what it finds when the wait is over."""

import logging
import threading
import time

import pytest
from sqlalchemy import text

from alembic_ops.errors import LockWaitError, VectorsInTheWayError

pytestmark = pytest.mark.usefixtures("documents")

INDEX = "CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)"
RENAME = 'op.rename_vector_index("ix", "ix_new", table_name="document")'
ALTER = 'op.alter_embedding_type("document", "embedding", existing_type=VECTOR(3), type_={})'

OPERATIONS = {
    # what another session holds, and the operation that waits for it
    "rename": ("ALTER INDEX ix RENAME TO ix_other", RENAME),
    "alter": ("UPDATE document SET lang = 'fr' WHERE id = 1", ALTER.format("HALFVEC(3)")),
}


@pytest.mark.parametrize("case", OPERATIONS)
def test_nobody_queues_behind_it_and_after_the_deadline_the_table_is_named(alembic_project, catalog, engine, case):
    held, operation = OPERATIONS[case]
    catalog.execute(INDEX)
    env = alembic_project.folder / "env.py"
    env.write_text(
        env.read_text().replace(
            "transaction_per_migration", "vector_lock_timeout=0.05, vector_lock_deadline=0.5, transaction_per_migration"
        )
    )
    alembic_project.revision(operation)
    before = catalog.indexes()
    with engine.connect() as holder:
        holder.execute(text(held))
        with pytest.raises(
            LockWaitError, match=r"^The table 'document' could not be locked within 0\.5 s \([2-9] attempts\)\. "
        ):
            alembic_project.upgrade()
        holder.rollback()
    assert catalog.indexes() == before
    alembic_project.upgrade()
    assert catalog.indexes() != before


def test_vectors_that_came_while_it_waited_are_not_lost(alembic_project, catalog, engine):
    catalog.execute("UPDATE document SET embedding = NULL")
    alembic_project.revision(ALTER.format("VECTOR(4)"))
    failures = []

    def upgrade():
        try:
            alembic_project.upgrade()
        except VectorsInTheWayError as error:
            failures.append(error)

    with engine.connect() as writer:
        writer.execute(text("UPDATE document SET embedding = '[1,2,3]' WHERE id = 1"))
        migration = threading.Thread(target=upgrade)
        migration.start()
        waits = text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE%'"
            " AND datname = current_database()"
        )
        end = time.monotonic() + 60
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            while not watcher.scalar(waits):
                assert time.monotonic() < end, "the migration did not wait"
        writer.commit()
    migration.join()
    assert [(error.table_name, error.column) for error in failures] == [("document", "embedding")]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT embedding::text FROM document WHERE id = 1")) == "[1,2,3]"


@pytest.mark.parametrize("type_", ["HALFVEC(3)", "VECTOR()", "sa.ARRAY(sa.Float())"])
def test_the_script_of_a_type_stops_at_an_index_that_cannot_follow(alembic_project, catalog, psql, type_):
    alembic_project.revision(ALTER.format(type_))
    catalog.execute(INDEX)
    before = catalog.indexes()
    with pytest.raises(Exception, match="returned non-zero exit status 3") as error:
        psql(alembic_project.sql())
    assert (
        "A script does not know their names, and their operator class or their dimensions do not fit any more. "
        "Put op.drop_vector_index() before op.alter_embedding_type() and op.create_vector_index() after it, or run"
        " the upgrade online."
    ) in error.value.stderr
    assert catalog.indexes() == before
    catalog.execute("DROP INDEX ix")
    psql(alembic_project.sql())


def test_the_script_of_other_dimensions_takes_the_index_along(alembic_project, catalog, psql):
    catalog.execute(INDEX)
    catalog.execute("UPDATE document SET embedding = NULL")
    alembic_project.revision(ALTER.format("VECTOR(4)"))
    psql(alembic_project.sql())
    catalog.execute("UPDATE document SET embedding = '[1,2,3,4]'")
    assert [usable for _, usable in catalog.indexes().values()] == [True]


def test_what_a_change_of_type_does_to_the_table_is_said(alembic_project, catalog, caplog):
    catalog.execute(INDEX)
    alembic_project.revision(ALTER.format("HALFVEC(3)"))
    with caplog.at_level(logging.INFO, "alembic.alembic_ops"):
        alembic_project.upgrade()
    assert [record.getMessage() for record in caplog.records if record.name == "alembic.alembic_ops"] == [
        "DROP INDEX ix",
        "ALTER TABLE document ALTER COLUMN embedding TYPE HALFVEC(3) USING embedding::HALFVEC(3)",
        "CREATE INDEX ix ON document USING hnsw (embedding halfvec_l2_ops)",
        "alter the type of document.embedding to HALFVEC(dim=3): done",
    ]
