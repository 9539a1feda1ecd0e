"""Swaps of columns with everything that is carried, while an application reads and writes."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import NotSupportedError

from tests.db.operations.swap_rig import CARRIED, ROLES, TABLE, carried, execute, said, swap

KINDS = [kind for kind in CARRIED if kind != "check that is not valid"]


@pytest.fixture
def server(vecsearch_url):
    """Give a table with everything that is carried, whose two columns have the same type."""
    engine = create_engine(vecsearch_url)
    alike = [sql.replace("halfvec(4)", "vector(3)").replace("[i, 1, 2, 3]", "[i, 2, 1]") for sql in TABLE]
    kinds = [sql.replace("halfvec_l2_ops", "vector_l2_ops") for sql in carried(*KINDS)]
    execute(engine, *(f"CREATE ROLE {role}" for role in ROLES), *alike, *kinds)
    yield engine
    execute(engine, *(f"DROP OWNED BY {role} CASCADE" for role in ROLES), *(f"DROP ROLE {role}" for role in ROLES))
    engine.dispose()


class Application:
    """Threads that each repeat a transaction until they are told to stop."""

    def __init__(self, engine, *transactions):
        self.stop = threading.Event()
        self.errors = []
        self.done = [0] * len(transactions)
        self.threads = [
            threading.Thread(target=self.repeat, args=(engine, number, act)) for number, act in enumerate(transactions)
        ]

    def repeat(self, engine, number, act):
        with engine.connect() as connection:
            while not self.stop.is_set():
                try:
                    act(connection, self.done[number])
                    connection.commit()
                    self.done[number] += 1
                except Exception as error:  # noqa: BLE001  # counted, whatever it is
                    connection.rollback()
                    self.errors.append(str(getattr(error, "orig", error)))
                self.stop.wait(0.003)  # or the application takes the processors that the server needs

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(timeout=60)
            assert not thread.is_alive()


def insert(connection, turn):
    """Insert as an application does that knows only the column in use, which is NOT NULL."""
    connection.execute(
        text("INSERT INTO app.document (id, embedding, embedding_v2) VALUES (:id, '[1,2,3]', '[3,2,1]')"),
        {"id": 1000 + turn},
    )


def read_then_write(connection, turn):
    connection.execute(text("SELECT id, embedding FROM app.v WHERE id = 3")).all()
    connection.execute(text("SELECT lang, embedding FROM app.document WHERE id = 4")).all()
    connection.execute(
        text("UPDATE app.document SET lang = :lang, embedding = '[1,2,3]' WHERE id = 3"), {"lang": str(turn)}
    )


def read_views(connection, _):
    connection.execute(text("SELECT emb FROM app.named ORDER BY emb <-> '[1,0,0]' LIMIT 3")).all()
    connection.execute(text("SELECT count(*) FROM app.c")).all()


def test_ten_swaps_of_everything_to_and_fro_fail_no_request_and_lose_no_write(server, make_engine):
    before = said(server)
    application = make_engine("psycopg", connect_args={"prepare_threshold": None})
    with Application(application, insert, read_then_write, read_views) as running:
        for _ in range(10):
            swap(server)
    assert running.errors == []
    assert min(running.done) > 0
    assert said(server) == before
    with server.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM app.document WHERE id >= 1000")) == running.done[0]
        assert connection.scalar(text("SELECT lang FROM app.document WHERE id = 3")) == str(running.done[1] - 1)


def test_a_prepared_statement_fails_once_where_the_type_changes_and_is_well_after_that(server, make_engine):
    execute(server, "ALTER TABLE app.document DROP COLUMN embedding_v2 CASCADE", "DROP VIEW IF EXISTS app.z")
    execute(
        server,
        "ALTER TABLE app.document ADD embedding_v2 halfvec(3)",
        "UPDATE app.document SET embedding_v2 = embedding::halfvec",
    )
    for kind in ("near", "missing", "missing_lang", "sizes"):
        execute(server, f"DROP INDEX IF EXISTS app.{kind}")
    application = make_engine("psycopg", connect_args={"prepare_threshold": 0})
    ask = text("SELECT id, embedding FROM app.document WHERE id = 3")
    with application.connect() as connection:
        for _ in range(3):
            connection.execute(ask).all()
            connection.commit()
            swap(server)
            with pytest.raises(NotSupportedError, match="cached plan must not change result type"):
                connection.execute(ask)
            connection.rollback()
