"""A table of texts with a live column of vectors, revisions of a job on it, and a filler that stands for the worker."""

from __future__ import annotations

from sqlalchemy import create_engine, text

from sqlalchemy_vecsearch.embedding.journal import find_reembedding
from sqlalchemy_vecsearch.embedding.journal_moves import Move, make
from sqlalchemy_vecsearch.provenance import Provenance

TABLE = """
CREATE TABLE document (id int PRIMARY KEY, title text NOT NULL, body text, embedding vector(3) NOT NULL);
INSERT INTO document SELECT i, 'title ' || i, 'body ' || i, ARRAY[sin(i), cos(i), i % 7]::vector(3)
  FROM generate_series(1, 50) i;
CREATE INDEX ix_document_embedding ON document USING hnsw (embedding vector_cosine_ops);
"""
PROVENANCE = """
ALTER TABLE document ADD COLUMN embedding_source_hash varchar(64), ADD COLUMN embedding_model varchar(200),
  ADD COLUMN embedded_at timestamptz;
UPDATE document SET embedding_source_hash = md5(title || E'\\n' || coalesce(body, '')), embedding_model = 'old', embedded_at = now();
CREATE INDEX ix_document_embedding_pending ON document (id) WHERE (embedding IS NOT NULL
  AND md5(coalesce(CAST(title AS text), '') || E'\\n' || coalesce(CAST(body AS text), '')) = CAST(embedding_source_hash AS text)
  AND CAST(embedding_model AS text) = 'old') IS NOT TRUE;
"""
BEGIN = (
    'op.begin_reembedding("j", table_name="document", source=["title", "body"], live="embedding",'
    ' new=sa.Column("embedding_v2", VECTOR(4)), model="new", index={"with_": {"m": 8}})'
)
ABORT = 'op.abort_reembedding("j")'
BACK = 'op.swap_embedding_back("j", allow_stale=True)'
FINISH = 'op.finish_reembedding("j")'


def swap(mode=None, **arguments):
    given = {"mode": mode, **arguments}
    words = "".join(f", {name}={value!r}" for name, value in given.items() if value is not None)
    return f'op.swap_embedding("j"{words})'


def fill(engine, job="j", *, schema=None, table="document", where="true", index=True, concurrently=True):
    """Embed the pending rows of a job as a worker would, build its index, and let the job be ready."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        found = find_reembedding(connection, job, schema)
        column = found.replacement
        named = Provenance().named_for(column)
        qualified = table if schema is None else f'"{schema}".{table}'
        connection.execute(
            text(
                f"UPDATE {qualified} SET {column} = ARRAY[id, 1, 2, 3]::vector(4),"
                f" {named.source_hash} = md5(coalesce(title, '') || E'\\n' || coalesce(body, '')),"
                f" {named.model} = :model, {named.embedded_at} = clock_timestamp()"
                f" WHERE {where} AND coalesce(title, '') || coalesce(body, '') <> ''"
            ),
            {"model": found.model},
        )
        definition = found.index_definition
        if index and definition is not None:
            connection.execute(
                text(
                    f"CREATE INDEX {'CONCURRENTLY' * concurrently} IF NOT EXISTS {definition['name']} ON {qualified}"
                    f" USING hnsw ({column} {definition['operator_class']}) WITH (m = {definition['with_']['m']})"
                )
            )
        make(connection, Move.READY, job, schema, verification={"passed": True})


class Job:
    """The database of a test, as an operator of the job looks at it."""

    def __init__(self, url):
        self.engine = create_engine(url)

    def execute(self, *statements):
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as connection:
            for one in statements:
                connection.exec_driver_sql(one)

    def rows(self, sql):
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]

    def fill(self, **arguments):
        fill(self.engine, **arguments)

    def found(self, job="j", schema=None):
        with self.engine.connect() as connection:
            return find_reembedding(connection, job, schema)

    def columns(self, table="document"):
        """Return the columns of a table: name -> (type, NOT NULL)."""
        return {
            name: (type_, required)
            for name, type_, required in self.rows(
                "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
                f" WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped"
            )
        }

    def indexes(self, table="document"):
        """Return the indexes of a table but for its key: name -> (definition, usable)."""
        return {
            name: (sql, usable)
            for name, sql, usable in self.rows(
                "SELECT i.relname, pg_get_indexdef(i.oid), indisvalid AND indisready AND indislive"
                f" FROM pg_index JOIN pg_class i ON i.oid = indexrelid WHERE indrelid = '{table}'::regclass"
                " AND NOT indisprimary"
            )
        }

    def catalog(self, table="document"):
        """Return all that an operation may change, but for numbers and times."""
        return (
            dict(sorted(self.columns(table).items())),
            self.indexes(table),
            self.rows(
                "SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint"
                f" WHERE conrelid = '{table}'::regclass AND contype NOT IN ('n') ORDER BY 1"
            ),
            self.rows("SELECT job, state, mode, required FROM vecsearch_reembedding ORDER BY 1")
            if self.rows("SELECT to_regclass('vecsearch_reembedding')") != [(None,)]
            else None,
        )
