"""op.swap_embedding_columns on partitioned tables, partitions of partitions, and tables with children."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import create_engine, text

from alembic_ops.errors import MigrationError
from tests.db.operations.swap_rig import execute, said, swap, types

COLUMNS = "id int NOT NULL, lang text NOT NULL DEFAULT 'en', embedding vector(3), embedding_v2 halfvec(4)"
SCHEMA = [
    "DROP SCHEMA IF EXISTS app CASCADE",
    "CREATE SCHEMA app",
    "CREATE FUNCTION app.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
]
ROWS = "INSERT INTO app.document SELECT i, 'en', ARRAY[i, 1, 2]::vector(3), ARRAY[i, 1, 2, 3]::halfvec(4) FROM generate_series(1, 290) i"
PARTITIONS = [
    f"CREATE TABLE app.document ({COLUMNS}) PARTITION BY RANGE (id)",
    "CREATE TABLE app.low PARTITION OF app.document FOR VALUES FROM (0) TO (100)",
    "CREATE TABLE app.high PARTITION OF app.document FOR VALUES FROM (100) TO (300) PARTITION BY RANGE (id)",
    "CREATE TABLE app.higher PARTITION OF app.high FOR VALUES FROM (200) TO (300)",
    # whose columns have other numbers, and which was there before its parent
    "CREATE TABLE app.middle (gone int, embedding_v2 halfvec(4), embedding vector(3), id int NOT NULL, lang text NOT NULL DEFAULT 'en')",
    "ALTER TABLE app.middle DROP COLUMN gone",
    "ALTER TABLE app.high ATTACH PARTITION app.middle FOR VALUES FROM (100) TO (200)",
    ROWS,
]
CHILDREN = [
    f"CREATE TABLE app.document ({COLUMNS})",
    "CREATE TABLE app.low (more int) INHERITS (app.document)",
    "CREATE TABLE app.lower () INHERITS (app.low)",
    ROWS,
    ROWS.replace("app.document", "app.lower (id, lang, embedding, embedding_v2)"),
]
OF_ALL = [
    "CREATE INDEX near ON app.document USING hnsw (embedding vector_l2_ops)",
    "CREATE INDEX near_v2 ON app.document USING hnsw (embedding_v2 halfvec_l2_ops)",
    "CREATE INDEX missing ON app.document (id) WHERE embedding IS NULL",
    "CREATE INDEX missing_v2 ON app.document (id) WHERE embedding_v2 IS NULL",
    "ALTER TABLE app.document ALTER embedding SET NOT NULL",
    "ALTER TABLE app.document ALTER embedding SET DEFAULT NULL",
    "ALTER TABLE app.document ADD CONSTRAINT three CHECK (vector_dims(embedding) >= 3)",
    "CREATE VIEW app.v AS SELECT id, embedding FROM app.document",
    "CREATE TRIGGER changed AFTER UPDATE OF embedding ON app.document FOR EACH ROW EXECUTE FUNCTION app.nothing()",
    "CREATE POLICY one ON app.document USING (embedding IS NOT NULL)",
]
OF_ONE = [
    "COMMENT ON COLUMN app.low.embedding IS 'low'",
    "ALTER TABLE app.low ALTER embedding SET STATISTICS 7",
    "ALTER TABLE ONLY app.low ALTER embedding SET DEFAULT '[1,2,3]'",
    "ALTER TABLE app.low ADD CONSTRAINT own CHECK (embedding IS NOT NULL)",
    "CREATE VIEW app.w AS SELECT embedding FROM app.low",
    "CREATE POLICY two ON app.low USING (embedding_v2 IS NOT NULL)",
    "CREATE TRIGGER also AFTER UPDATE OF embedding ON app.low FOR EACH ROW EXECUTE FUNCTION app.nothing()",
    "CREATE INDEX own ON app.low (lang) WHERE embedding IS NULL",
    "CREATE INDEX own_v2 ON app.low (lang) WHERE embedding_v2 IS NULL",
]
BEFORE = {"embedding": "vector(3)", "embedding_v2": "halfvec(4)"}
AFTER = {"embedding": "halfvec(4)", "embedding_v2": "vector(3)"}


@pytest.fixture(scope="module")
def server(vecsearch_databases):
    """Give one database to all tests of this module."""
    url = vecsearch_databases.create()
    engine = create_engine(url)
    yield engine
    engine.dispose()
    vecsearch_databases.drop(url)


@pytest.fixture
def engine(server):
    execute(server, *SCHEMA)
    return server


def test_a_partitioned_table_is_swapped_with_partitions_of_partitions_and_their_indexes(engine):
    execute(engine, *PARTITIONS, *OF_ALL, *OF_ONE, "ALTER TABLE ONLY app.middle DISABLE TRIGGER changed")
    before, parts = said(engine), parts_of(engine)
    assert len(parts["near"]) == 4
    swap(engine)
    assert [types(engine, f"app.{name}") for name in ("document", "low", "high", "middle", "higher")] == [AFTER] * 5
    assert said(engine) == before
    assert parts_of(engine) == parts  # by name: the parts of the index that is called near are called as they were
    swap(engine)
    assert [types(engine, f"app.{name}") for name in ("document", "middle")] == [BEFORE] * 2
    assert (said(engine), parts_of(engine)) == (before, parts)


def test_a_table_is_swapped_with_its_children(engine):
    of_children = [sql for sql in OF_ALL if "INDEX" not in sql and "TRIGGER" not in sql]
    execute(engine, *CHILDREN, *of_children, *OF_ONE)
    before = said(engine)
    swap(engine)
    assert [types(engine, f"app.{name}") for name in ("document", "low", "lower")] == [AFTER] * 3
    assert said(engine) == before
    swap(engine)
    assert (types(engine, "app.lower"), said(engine)) == (BEFORE, before)


def test_a_constraint_that_a_child_has_declared_too_follows_with_that_of_its_parent(engine):
    check = "CONSTRAINT three CHECK (vector_dims(embedding) >= 3)"
    execute(engine, *CHILDREN, f"ALTER TABLE app.low ADD {check}", f"ALTER TABLE app.document ADD {check}")
    before = [row[:4] for row in said(engine)["constraints"]]
    swap(engine)
    assert [row[:4] for row in said(engine)["constraints"]] == before
    assert types(engine, "app.lower") == AFTER


def test_a_list_of_columns_that_publishes_partitions_by_their_root_follows(engine, postgres_major):
    if postgres_major < 15:
        return
    execute(
        engine,
        *PARTITIONS,
        "CREATE PUBLICATION parted FOR TABLE app.document (id, embedding) WITH (publish_via_partition_root)",
    )
    before = said(engine)
    swap(engine, published=True)
    assert (types(engine), said(engine)) == (AFTER, before)
    execute(engine, "DROP PUBLICATION parted")


REFUSED = {
    "a partition": (
        PARTITIONS,
        "low",
        "The columns 'embedding' and 'embedding_v2' of 'low' cannot be swapped: app.low has inherited them from "
        "app.document. PostgreSQL renames such a column with the table that it comes from, and in all tables below that "
        "one. Swap the columns of app.document.",
    ),
    "a child of two tables": (
        [*CHILDREN, f"CREATE TABLE app.other ({COLUMNS})", "ALTER TABLE app.low INHERIT app.other"],
        "document",
        "The columns 'embedding' and 'embedding_v2' of 'document' cannot be swapped: app.low has inherited them from "
        "app.other. PostgreSQL renames such a column with the table that it comes from, and in all tables below that "
        "one. Swap the columns of app.other.",
    ),
    "NOT NULL of one part": (
        [*PARTITIONS, "ALTER TABLE app.low ALTER embedding SET NOT NULL"],
        "document",
        "The columns 'embedding' and 'embedding_v2' of 'document' cannot be swapped: 'embedding' is NOT NULL in app.low, "
        "and not in app.document. It would have to be proven of the rows of a part, and the next swap would not know it. "
        "Set or drop NOT NULL on app.document, which holds for all of its parts, and swap then.",
    ),
    "an index of one part": (
        [*PARTITIONS, "CREATE INDEX own ON app.low (lang) WHERE embedding IS NULL"],
        "document",
        "The column 'embedding_v2' has no index like 'own' of 'embedding'. After the swap queries that rely on it would "
        "read the whole table. Build it by CREATE INDEX CONCURRENTLY own_embedding_v2 ON app.low USING btree (lang) WHERE "
        "(embedding_v2 IS NULL), and swap.",
    ),
    "a foreign table": (
        [
            *PARTITIONS,
            "CREATE FOREIGN DATA WRAPPER far",
            "CREATE SERVER far FOREIGN DATA WRAPPER far",
            "CREATE FOREIGN TABLE app.far PARTITION OF app.document FOR VALUES FROM (300) TO (400) SERVER far",
        ],
        "document",
        "The columns 'embedding' and 'embedding_v2' of 'document' cannot be swapped: app.far is a foreign table. Its columns "
        "are those of another server, which a rename here does not reach. Detach it before the swap, or let the application "
        "read the new column by its own name instead.",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_renamed_with_its_parts_is_refused(engine, kind):
    statements, table, said_of_it = REFUSED[kind]
    execute(engine, *statements)
    before = said(engine)
    with pytest.raises(MigrationError) as error:
        swap(engine, table)
    assert str(error.value) == said_of_it
    assert (types(engine), said(engine)) == (BEFORE, before)
    execute(engine, "DROP FOREIGN DATA WRAPPER IF EXISTS far CASCADE")


def test_a_reader_of_one_partition_is_waited_for_and_makes_nobody_else_wait_long(engine):
    execute(engine, *PARTITIONS)
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM app.middle"))
        migration = threading.Thread(target=swap, args=(engine,))
        migration.start()
        for _ in range(20):
            with engine.connect() as other:
                other.execute(text("SET statement_timeout = '2s'"))
                other.execute(text("SELECT count(*) FROM app.document"))
        assert types(engine) == BEFORE
        reader.commit()
    migration.join(timeout=60)
    assert types(engine) == AFTER


def parts_of(engine):
    """Return the names of the parts of each partitioned index, with the tables that they are on."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT p.relname AS whole, c.relname AS part, i.indrelid::regclass::text AS of FROM pg_inherits h"
                " JOIN pg_class p ON p.oid = h.inhparent AND p.relkind = 'I' JOIN pg_class c ON c.oid = h.inhrelid"
                " JOIN pg_index i ON i.indexrelid = c.oid ORDER BY 1, 3".replace(":", r"\:")
            )
        ).all()
    top = {}
    for whole, part, of in rows:
        top.setdefault(whole, []).append((part, of))
    return {whole: [*parts, *(one for part, _ in parts for one in top.get(part, []))] for whole, parts in top.items()}
