"""A change of the embedding model from its begin to its end, on tables of every kind: operations and job together."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

import alembic_ops
from sqlalchemy_vecsearch import BIT, HALFVEC, HNSW, SPARSEVEC, VECTOR, embedder
from sqlalchemy_vecsearch.embedding.jobs import jobs_now

NEW, JOB, ROWS, DIMENSIONS = "hashed-16", "to_hashed", 60, 16


def numbers_of(text):
    return [0.5 + byte / 256 for byte in hashlib.sha256(text.encode()).digest()[:DIMENSIONS]]


def hashed(texts):
    return np.array([numbers_of(text) for text in texts], dtype=np.float32)


def bits(texts):
    return ["".join("1" if number > 1 else "0" for number in numbers_of(text)) for text in texts]


def sparse(texts):
    return [{place: number for place, number in enumerate(numbers_of(text)) if number > 0.8} for text in texts]


def sparse_vectors(texts):
    from pgvector import SparseVector

    return [SparseVector(one, DIMENSIONS) for one in sparse(texts)]


PLAIN = (
    "CREATE TABLE {table} (id int PRIMARY KEY, title varchar(200) NOT NULL, body text, embedding vector(4) NOT NULL)",
    "INSERT INTO {table} SELECT i, 'title ' || i, nullif('body ' || i % 7, 'body 3'), ARRAY[i, 1, i % 5, 2]::vector(4)"
    " FROM generate_series(1, 60) i",
    "CREATE INDEX ix_document_embedding ON {table} USING hnsw (embedding vector_cosine_ops)",
)
PARTITIONED = (
    "CREATE DOMAIN words AS text",
    "CREATE TABLE {table} (region text, id bigint, title words NOT NULL, body text, embedding vector(4),"
    " PRIMARY KEY (region, id)) PARTITION BY LIST (region)",
    "CREATE TABLE document_north PARTITION OF {table} FOR VALUES IN ('north')",
    "CREATE TABLE document_south PARTITION OF {table} FOR VALUES IN ('south')",
    "INSERT INTO {table} SELECT CASE WHEN i % 3 = 0 THEN 'north' ELSE 'south' END, i, 'title ' || i, 'body ' || i % 7,"
    " ARRAY[i, 1, i % 5, 2]::vector(4) FROM generate_series(1, 60) i",
)
QUANTISED = (
    PLAIN[0],
    PLAIN[1],
    "CREATE INDEX ix_document_embedding ON {table} USING hnsw ((embedding::halfvec(4)) halfvec_cosine_ops)",
)
KINDS = {
    "plain": (PLAIN, VECTOR(DIMENSIONS), ["title", "body"], HNSW(), hashed, None),
    "partitioned": (PARTITIONED, VECTOR(DIMENSIONS), ["title", "body"], HNSW(), hashed, None),
    "in another schema": (PLAIN, HALFVEC(DIMENSIONS), ["title"], HNSW(m=8), hashed, "app"),
    "by an expression": (PLAIN, VECTOR(DIMENSIONS), sa.text(r"title || '\: ' || coalesce(body, '')"), HNSW(), hashed, None),
    "quantised": (
        QUANTISED,
        VECTOR(DIMENSIONS),
        ["title"],
        {"column": sa.text("(embedding_v2::halfvec(16))"), "operator_class": "halfvec_cosine_ops"},
        hashed,
        None,
    ),
    "of bits": (PLAIN, BIT(DIMENSIONS), ["title"], {"operator_class": "bit_hamming_ops"}, bits, None),
    "sparse": (PLAIN, SPARSEVEC(DIMENSIONS), ["title"], {"operator_class": "sparsevec_cosine_ops"}, sparse_vectors, None),
    "without an index": (PLAIN, VECTOR(DIMENSIONS), ["title"], None, hashed, None),
}  # fmt: skip
POINTED = {"partitioned", "of bits", "without an index"}
"""Whose names can not be exchanged: a table in parts, and columns without indexes that are like each other."""


OFTEN = {"partitioned", "in another schema", "quantised", "of bits"}


@pytest.mark.parametrize("kind", [one if one in OFTEN else pytest.param(one, marks=pytest.mark.slow) for one in KINDS])
def test_a_change_of_model_goes_there_and_back_and_ends(engine, kind):
    statements, type_, source, index, embed, schema = KINDS[kind]
    table = "document" if schema is None else f"{schema}.document"
    embedder(NEW, dimensions=DIMENSIONS, batch_size=16)(embed)
    with engine.begin() as connection:
        if schema is not None:
            connection.execute(sa.schema.CreateSchema(schema))
        for statement in statements:
            connection.execution_options(no_parameters=True).exec_driver_sql(statement.format(table=table))
    with engine.connect() as connection:
        op = Operations(MigrationContext.configure(connection, opts={"vector_progress": "none"}))
        op.begin_reembedding(
            JOB,
            table_name="document",
            source=source,
            live="embedding",
            new=sa.Column("embedding_v2", type_),
            model=NEW,
            index=index,
            schema=schema,
        )
        result = alembic_ops.reembed(
            engine, JOB, schema=schema, sample=4, k=3, waive=["overlap", "latency"], vector_progress="none"
        )
        assert result.state == "ready", result.report.failures
        assert (result.refreshed.written, result.pending, result.refreshed.refused) == (ROWS, 0, 0)
        names = {check.name for check in result.report.checks}
        assert ({"index", "recall"} <= names, "overlap" in names) == (index is not None, True)
        assert len(result.report.answered) == 4
        mode, column = ("pointer", "embedding_v2") if kind in POINTED else ("rename", "embedding")
        op.swap_embedding(JOB, mode=mode, schema=schema)
        assert new_vectors(engine, table, column) == ROWS
        assert alembic_ops.reembed(engine, JOB, schema=schema).state == "swapped"
        connection.rollback()
        connection.exec_driver_sql(f"UPDATE {table} SET title = title || '!' WHERE id = 1")
        connection.commit()
        assert alembic_ops.reembed(engine, JOB, schema=schema).refreshed.written == 1
        op.swap_embedding_back(JOB, allow_stale=True, schema=schema)
        assert (
            alembic_ops.reembed(
                engine, JOB, schema=schema, sample=2, waive=["overlap", "latency"], vector_progress="none"
            ).state
            == "ready"
        )
        op.swap_embedding(JOB, mode=mode, schema=schema)
        op.finish_reembedding(JOB, schema=schema)
        connection.rollback()
        (now,) = jobs_now(connection, JOB, schema)
        assert (now.state, now.replacement, now.live, now.done, now.next) == (
            "finished", column, None, ROWS, "Nothing: it is finished.",
        )  # fmt: skip


def new_vectors(engine, table, column):
    """Return how many vectors of a column are of the new model."""
    with engine.connect() as connection:
        return connection.scalar(sa.text(f"SELECT count({column}) FROM {table} WHERE {column}_model = '{NEW}'"))
