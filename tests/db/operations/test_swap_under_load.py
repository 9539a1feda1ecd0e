from __future__ import annotations

import threading

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

import alembic_ops

alembic_ops.register()


def test_twenty_swaps_under_load_lose_no_write_and_fail_none(documents, catalog, make_engine):
    catalog.execute("ALTER TABLE document ADD COLUMN embedding_v2 vector(3)")
    catalog.execute("UPDATE document SET embedding_v2 = embedding")
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)")
    catalog.execute("CREATE INDEX ix_v2 ON document USING hnsw (embedding_v2 vector_l2_ops)")
    engine = make_engine("psycopg", connect_args={"prepare_threshold": None})
    stop = threading.Event()
    errors, acknowledged = [], {}

    def read():
        with engine.connect() as connection:
            while not stop.is_set():
                try:
                    connection.execute(text("SELECT id FROM document ORDER BY embedding <-> '[1,0,0]' LIMIT 5")).all()
                    connection.commit()
                except Exception as error:  # noqa: BLE001  # counted, whatever it is
                    errors.append(repr(error))
                    connection.rollback()

    def write(number):
        turn = 0
        with engine.connect() as connection:
            while not stop.is_set():
                turn += 1
                try:
                    connection.execute(text("SELECT lang FROM document WHERE id = :id"), {"id": number})
                    connection.execute(
                        text("UPDATE document SET lang = :lang, embedding = '[1,2,3]' WHERE id = :id"),
                        {"lang": str(turn), "id": number},
                    )
                    connection.commit()
                    acknowledged[number] = str(turn)
                except Exception as error:  # noqa: BLE001  # counted, whatever it is
                    errors.append(repr(error))
                    connection.rollback()

    threads = [threading.Thread(target=read), *(threading.Thread(target=write, args=(number,)) for number in (1, 2))]
    for thread in threads:
        thread.start()
    for _ in range(20):
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            with context.begin_transaction():
                Operations(context).swap_embedding_columns("document", live="embedding", replacement="embedding_v2")
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    with engine.connect() as connection:
        stored = dict(connection.execute(text("SELECT id, lang FROM document WHERE id IN (1, 2)")).all())
    assert stored == acknowledged
    assert sorted(catalog.indexes()) == ["ix", "ix_v2"]
