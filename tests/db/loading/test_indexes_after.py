"""A first load that drops the vector indexes of an empty table and builds them over the rows."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import Column, Index, Integer, MetaData, Table, func, select, text

from sqlalchemy_vecsearch import HNSW, VECTOR, LoadingValueError, copy_rows, vector_index

metadata = MetaData()
pages = Table(
    "page",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("Group", Integer),
    Column("embedding", VECTOR(3, returns="list")),
)
vector_index("ix page's", pages.c.embedding, metric="cosine", method=HNSW(m=8, ef_construction=32))
Index("ix_group", pages.c["Group"])
whole = {"id": np.arange(500), "Group": np.arange(500) % 7, "embedding": np.random.default_rng(1).random((500, 3))}
INDEXES = text(
    "SELECT c.relname, c.relfilenode, pg_get_indexdef(c.oid), obj_description(c.oid, 'pg_class'), i.indisvalid "
    "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 'page'::regclass ORDER BY 1"
)


def prepare(connection):
    metadata.create_all(connection)
    connection.execute(text("""COMMENT ON INDEX "ix page's" IS 'it''s \\ ours'"""))


def test_the_indexes_are_built_over_the_rows_as_they_were(run):
    def check(connection):
        prepare(connection)
        before = connection.execute(INDEXES).all()
        assert copy_rows(connection, pages, whole, indexes="after") == 500
        after = connection.execute(INDEXES).all()
        assert [(row[0], *row[2:]) for row in after] == [(row[0], *row[2:]) for row in before]
        assert [old[0] for old, new in zip(before, after, strict=True) if old[1] != new[1]] == ["ix page's"]
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(
            text("EXPLAIN SELECT id FROM page ORDER BY embedding <=> '[1,2,3]' LIMIT 5")
        ).scalars()
        assert "ix page's" in "\n".join(plan)

    run(check)


def test_a_refused_row_leaves_the_indexes_alone(run):
    def check(connection):
        prepare(connection)
        before = connection.execute(INDEXES).all()
        with pytest.raises(LoadingValueError) as caught:
            copy_rows(connection, pages, [{"id": 1, "embedding": [1, 2]}], indexes="after")
        assert (caught.value.row, caught.value.column) == (0, "embedding")
        assert connection.execute(INDEXES).all() == before

    run(check)


def test_a_table_with_rows_is_refused(engine):
    with engine.begin() as connection:
        prepare(connection)
        copy_rows(connection, pages, whole)
        with pytest.raises(LoadingValueError) as caught:
            copy_rows(connection, pages, [{"id": 1000}], indexes="after")
        assert str(caught.value) == (
            "The table page has rows, and indexes='after' is for a first load. "
            "It would drop the vector indexes, and nobody could search or read the table until they are built again. "
            "Leave indexes='after' out, or drop and build the indexes by op.drop_vector_index and "
            "op.create_vector_index in a migration."
        )
        assert connection.scalar(select(func.count()).select_from(pages)) == 500


def test_a_partitioned_table_is_refused(engine):
    with engine.begin() as connection:
        connection.execute(
            text('CREATE TABLE page (id integer, "Group" integer, embedding vector(3)) PARTITION BY RANGE (id)')
        )
        connection.execute(text("CREATE INDEX ix_parts ON page USING hnsw (embedding vector_l2_ops)"))
        with pytest.raises(LoadingValueError, match=r"^The index 'ix_parts' of page belongs to a partitioned table\. "):
            copy_rows(connection, pages, [{"id": 1}], indexes="after")


def test_an_unknown_choice_is_refused(engine):
    with engine.begin() as connection, pytest.raises(LoadingValueError, match=r"^There is no indexes='before'\. "):
        copy_rows(connection, pages, [{"id": 1}], indexes="before")
