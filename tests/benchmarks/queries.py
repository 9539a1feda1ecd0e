"""The ten nearest rows: SQLAlchemy with our types beside pgvector.sqlalchemy and prepared psycopg."""

from __future__ import annotations

import numpy as np
import pgvector
import pgvector.sqlalchemy as stock
import psycopg
from pgvector.psycopg import register_vector
from sqlalchemy import Integer, MetaData, create_engine, make_url, select, text
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

import sqlalchemy_vecsearch as ours
from tests.benchmarks.corpus import bit_text, embeddings, signatures, terms
from tests.benchmarks.timing import interleaved

CORPORA = {"vector": embeddings, "halfvec": embeddings, "sparsevec": terms, "bit": signatures}
OPERATORS = {
    "vector": ("<=>", "vector_cosine_ops", "cosine_distance"),
    "halfvec": ("<=>", "halfvec_cosine_ops", "cosine_distance"),
    "sparsevec": ("<=>", "sparsevec_cosine_ops", "cosine_distance"),
    "bit": ("<~>", "bit_hamming_ops", "hamming_distance"),
}
WRAPPERS = {
    "vector": pgvector.Vector,
    "halfvec": pgvector.HalfVector,
    "sparsevec": pgvector.SparseVector,
    "bit": pgvector.Bit,
}


def measure(url, storage, *, rows, dimensions, queries):
    """Return the measurements of one storage; the table is filled and indexed first."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    _fill(engine, storage, rows, dimensions)
    found = CORPORA[storage](queries, dimensions, seed=99)
    raw = psycopg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    )
    register_vector(raw)
    with engine.connect() as connection:
        ids, whole = _forms(connection, raw, storage, found, dimensions)
        measured = [
            *_timed(f"10 ids, {storage}", ids, queries),
            *_timed(f"10 ids with embeddings, {storage}", whole, queries),
        ]
    raw.close()
    engine.dispose()
    return measured


def _timed(task, forms, queries):
    for run in forms.values():  # compiled, prepared and cached before the clock starts
        for number in range(12):
            run(number)
    return interleaved(task, forms, rounds=queries, baseline="prepared psycopg, binary")


def _fill(engine, storage, rows, dimensions):
    _, operator_class, _ = OPERATORS[storage]
    table, _ = _declare(getattr(ours, storage.upper())(dimensions))
    with engine.connect() as connection:
        connection.execute(text("DROP TABLE IF EXISTS document"))
        table.create(connection)
        vectors = CORPORA[storage](rows, dimensions)
        ours.copy_rows(connection, table, {"id": np.arange(rows), "embedding": vectors})
        connection.execute(text("SET maintenance_work_mem = '1GB'"))
        connection.execute(text(f"CREATE INDEX ON document USING hnsw (embedding {operator_class})"))
        connection.execute(text("VACUUM ANALYZE document"))


def _declare(type_):
    class Base(DeclarativeBase):
        metadata = MetaData()

    class Document(Base):
        __tablename__ = "document"
        id = mapped_column(Integer, primary_key=True)
        embedding = mapped_column(type_)

    return Document.__table__, Document


def _forms(connection, raw, storage, queries, dimensions):
    operator, _, method = OPERATORS[storage]
    stock_type, our_type = getattr(stock, storage.upper()), getattr(ours, storage.upper())
    theirs, _ = _declare(stock_type(dimensions))
    lists, entity = _declare(our_type(dimensions))
    wrap = WRAPPERS[storage]
    wrapped = [wrap(query) for query in queries]
    session = Session(connection)

    def prepared(columns, convert):
        statement = f"SELECT {columns} FROM document ORDER BY embedding {operator} %b LIMIT 10"

        def run(number):
            with raw.cursor(binary=True) as cursor:
                cursor.execute(statement, (wrapped[number],), prepare=True)
                return [convert(row) for row in cursor.fetchall()]

        return run

    def core(table, *columns, convert=lambda query: query):
        def run(number):
            distance = getattr(table.c.embedding, method)(convert(queries[number]))
            return connection.execute(select(*(table.c[name] for name in columns)).order_by(distance).limit(10)).all()

        return run

    def orm(number):
        distance = getattr(entity.embedding, method)(queries[number])
        found = session.scalars(select(entity).order_by(distance).limit(10)).all()
        session.expunge_all()
        return found

    plain = bit_text if storage == "bit" else lambda query: query
    ids = {
        "prepared psycopg, binary": prepared("id", lambda row: row[0]),
        "Core, pgvector.sqlalchemy": core(theirs, "id", convert=plain),
        "Core, ours": core(lists, "id"),
    }
    whole = {
        "prepared psycopg, binary": prepared("id, embedding", _as_numpy),
        "Core, pgvector.sqlalchemy": core(theirs, "id", "embedding", convert=plain),
        "Core, ours": core(lists, "id", "embedding"),
        "entities, ours": orm,
    }
    if storage in {"vector", "halfvec"}:
        arrays, _ = _declare(our_type(dimensions, returns="numpy"))
        whole['Core, ours, returns="numpy"'] = core(arrays, "id", "embedding")
    return ids, whole


def _as_numpy(row):
    number, value = row
    return number, (value.to_numpy() if hasattr(value, "to_numpy") else value)
