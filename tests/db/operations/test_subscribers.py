"""A real subscriber of logical replication goes through a swap in the order of work that the docs give."""

from __future__ import annotations

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import NullPool, create_engine, text

import alembic_ops
from alembic_ops.errors import PublishedTableError
from sqlalchemy_vecsearch.testing import start_embedded_server

alembic_ops.register()

TABLE = (
    "CREATE TABLE item (id int PRIMARY KEY, name text, embedding vector(3), embedding_v2 vector(4))",
    "CREATE INDEX ix_item_embedding ON item USING hnsw (embedding vector_cosine_ops)",
    "CREATE INDEX ix_item_embedding_v2 ON item USING hnsw (embedding_v2 vector_cosine_ops)",
)
ROWS = "INSERT INTO item SELECT i, 'old', ARRAY[i, 1, 2]::vector(3), ARRAY[i, 1, 2, 3]::vector(4) FROM generate_series(1, 50) i"
PUBLICATIONS = {"whole rows": "FOR TABLE item", "a list of columns": "FOR TABLE item (id, embedding, embedding_v2)"}


@pytest.fixture
def server():
    """A server of the test's own: a slot, a subscription and the databases that they hold go with it, whatever failed."""
    found = start_embedded_server(settings={"wal_level": "logical"})
    yield found
    found.stop()


class Side:
    """One database of the two."""

    def __init__(self, server, name):
        self.engine = create_engine(server.url(name), poolclass=NullPool)

    def run(self, *statements):
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for one in statements:
                connection.exec_driver_sql(one)

    def rows(self, sql="SELECT id, embedding::text, embedding_v2::text FROM item ORDER BY id"):
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]

    def swap(self, **arguments):
        with self.engine.connect() as connection:
            context = MigrationContext.configure(connection)
            with context.begin_transaction():
                Operations(context).swap_embedding_columns(
                    "item", live="embedding", replacement="embedding_v2", **arguments
                )

    def wait_for(self, condition):
        """Wait until a condition holds, for at most a minute."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for _ in range(6000):
                if connection.scalar(text(f"SELECT {condition}")):
                    return
                connection.execute(text("SELECT pg_sleep(0.01)"))
        raise AssertionError(condition)


@pytest.fixture(params=PUBLICATIONS)
def sides(request, server):
    """A publisher and its subscriber, which has all the rows; the slot is made apart, as both are on one server."""
    Side(server, "postgres").run("CREATE DATABASE publisher", "CREATE DATABASE subscriber")
    publisher, subscriber = Side(server, "publisher"), Side(server, "subscriber")
    for side in (publisher, subscriber):
        side.run("CREATE EXTENSION vector", *TABLE)
    publisher.run(
        ROWS,
        f"CREATE PUBLICATION news {PUBLICATIONS[request.param]}",
        "SELECT pg_create_logical_replication_slot('news', 'pgoutput')",
    )
    url = publisher.engine.url
    subscriber.run(
        f"CREATE SUBSCRIPTION news CONNECTION 'host=127.0.0.1 port={url.port} user={url.username} password={url.password}"
        " dbname=publisher' PUBLICATION news WITH (create_slot = false, slot_name = 'news')"
    )
    subscriber.wait_for("count(*) = 50 FROM item")
    return publisher, subscriber


def caught_up(publisher):
    publisher.wait_for("bool_and(confirmed_flush_lsn >= pg_current_wal_lsn()) FROM pg_replication_slots")


def test_a_subscriber_that_swaps_in_the_documented_order_gets_each_vector_into_its_column(sides):
    publisher, subscriber = sides
    with pytest.raises(PublishedTableError):
        publisher.swap()
    caught_up(publisher)
    subscriber.run("ALTER SUBSCRIPTION news DISABLE")
    subscriber.swap()
    publisher.swap(published=True)
    subscriber.run("ALTER SUBSCRIPTION news ENABLE")
    publisher.run(
        "INSERT INTO item (id, name, embedding, embedding_v2) VALUES (51, 'new', '[51,1,2,3]', '[51,1,2]')",
        "UPDATE item SET embedding = '[7,7,7,7]' WHERE id = 7",
        "DELETE FROM item WHERE id = 8",
    )
    caught_up(publisher)
    subscriber.wait_for("count(*) = 1 FROM item WHERE embedding = '[7,7,7,7]'")
    assert subscriber.rows() == publisher.rows()
    assert (51, "[51,1,2,3]", "[51,1,2]") in subscriber.rows()
    assert subscriber.rows("SELECT count(*) FROM item") == [(50,)]


def test_a_subscriber_that_is_not_swapped_stops_as_the_refusal_says(sides):
    publisher, subscriber = sides
    publisher.swap(published=True)
    publisher.run("UPDATE item SET embedding = '[7,7,7,7]' WHERE id = 7")
    subscriber.wait_for("apply_error_count > 0 FROM pg_stat_subscription_stats")
    assert subscriber.rows("SELECT embedding::text FROM item WHERE id = 7") == [("[7,1,2]",)]
