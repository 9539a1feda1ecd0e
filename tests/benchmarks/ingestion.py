"""Rows into a table: our types and `copy_rows` beside pgvector.sqlalchemy and hand-written psycopg."""

from __future__ import annotations

import struct

import numpy as np
import pgvector
import pgvector.sqlalchemy as stock
from pgvector.psycopg import register_vector
from sqlalchemy import Integer, MetaData, create_engine, insert, text
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

import sqlalchemy_vecsearch as ours
from tests.benchmarks.corpus import bit_text, embeddings, signatures, terms
from tests.benchmarks.timing import interleaved

STORAGES = {
    "vector": ("VECTOR", embeddings),
    "halfvec": ("HALFVEC", embeddings),
    "sparsevec": ("SPARSEVEC", terms),
    "bit": ("BIT", signatures),
}


def measure(url, storage, *, rows, dimensions, rounds):
    """Return the measurements of one storage."""
    type_name, make = STORAGES[storage]
    vectors = make(rows, dimensions)
    engine = create_engine(url)
    forms = _forms(engine, storage, type_name, vectors, dimensions)

    def empty():
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE document RESTART IDENTITY"))

    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS document"))
        connection.execute(text(f"CREATE TABLE document (id serial PRIMARY KEY, embedding {storage}({dimensions}))"))
    measured = interleaved(
        f"ingestion, {storage}", forms, rounds=rounds, baseline="hand-written binary COPY", before=empty
    )
    engine.dispose()
    return measured


def _forms(engine, storage, type_name, vectors, dimensions):
    theirs_table, their_class = _declare(getattr(stock, type_name)(dimensions))
    our_table, our_class = _declare(getattr(ours, type_name)(dimensions))
    # A stock BIT takes what the driver takes: text.
    their_rows = [bit_text(row) for row in vectors] if storage == "bit" else list(vectors)
    our_rows = list(vectors)
    numbers = np.arange(1, len(vectors) + 1, dtype=np.int32)

    def core(table, values):
        with engine.begin() as connection:
            connection.execute(insert(table), [{"embedding": value} for value in values])

    def add_all(entity, values):
        with Session(engine) as session:
            session.add_all([entity(embedding=value) for value in values])
            session.commit()

    def dict_rows(values):
        with engine.begin() as connection:
            ids = numbers.tolist()
            ours.copy_rows(
                connection,
                our_table,
                ({"id": i, "embedding": value} for i, value in zip(ids, values, strict=True)),
            )

    def columns(_):
        with engine.begin() as connection:
            ours.copy_rows(connection, our_table, {"id": numbers, "embedding": vectors})

    def by_hand(_):
        with engine.begin() as connection:
            cursor = connection.connection.driver_connection.cursor()
            with cursor.copy("COPY document (id, embedding) FROM STDIN (FORMAT BINARY)") as copy:
                for block in _hand_written(storage, numbers, vectors):
                    copy.write(block)

    other_values = {}
    if storage == "bit":
        lists = [row.tolist() for row in vectors]
        other_values = {
            "insert(), ours, text": lambda _: core(our_table, their_rows),
            "copy_rows, dictionaries, text": lambda _: dict_rows(their_rows),
            "copy_rows, dictionaries, lists": lambda _: dict_rows(lists),
        }
    return {
        "insert(), pgvector.sqlalchemy": lambda _: core(theirs_table, their_rows),
        "insert(), ours": lambda _: core(our_table, our_rows),
        "add_all(), pgvector.sqlalchemy": lambda _: add_all(their_class, their_rows),
        "add_all(), ours": lambda _: add_all(our_class, our_rows),
        "copy_rows, dictionaries": lambda _: dict_rows(our_rows),
        **other_values,
        "copy_rows, columns": columns,
        "psycopg write_row, register_vector": lambda _: _write_row(engine, storage, numbers, our_rows),
        "hand-written binary COPY": by_hand,
    }


def _declare(type_):
    class Base(DeclarativeBase):
        metadata = MetaData()

    class Document(Base):
        __tablename__ = "document"
        id = mapped_column(Integer, primary_key=True)
        embedding = mapped_column(type_)

    return Document.__table__, Document


def _write_row(engine, storage, numbers, values):
    wrap = {"vector": pgvector.Vector, "halfvec": pgvector.HalfVector, "sparsevec": pgvector.SparseVector}.get(
        storage, pgvector.Bit
    )
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        register_vector(driver)
        cursor = driver.cursor()
        with cursor.copy("COPY document (id, embedding) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int4", storage])
            for number, value in zip(numbers.tolist(), values, strict=True):
                copy.write_row((number, wrap(value)))
        driver.commit()
        connection.invalidate()  # the adapters stay with this connection


def _hand_written(storage, numbers, vectors):
    """Yield what somebody writes who knows the format and has numpy."""
    yield b"PGCOPY\n\xff\r\n\0" + bytes(8)
    if storage == "sparsevec":
        yield from _hand_written_sparse(numbers, vectors)
    else:
        yield _hand_written_fixed(storage, numbers, vectors)
    yield b"\xff\xff"


def _hand_written_fixed(storage, numbers, vectors):
    rows, dimensions = vectors.shape
    if storage == "bit":
        packed = np.packbits(vectors, axis=1)
        head, value = [("bits", ">i4")], ("value", "u1", (packed.shape[1],))
        length = 4 + packed.shape[1]
    else:
        width = {"vector": 4, "halfvec": 2}[storage]
        packed = vectors
        head, value = [("dimensions", ">u2"), ("unused", ">u2")], ("value", f">f{width}", (dimensions,))
        length = 4 + width * dimensions
    layout = [("count", ">i2"), ("id_length", ">i4"), ("id", ">i4"), ("length", ">i4"), *head, value]
    block = np.zeros(rows, dtype=layout)
    block["count"], block["id_length"], block["id"], block["length"] = 2, 4, numbers, length
    block[head[0][0]] = dimensions
    block["value"] = packed
    return block.tobytes()


def _hand_written_sparse(numbers, vectors):
    pieces = []
    for number, row in zip(numbers.tolist(), vectors, strict=True):
        (indices,) = row.nonzero()
        value = struct.pack(">iii", len(row), len(indices), 0) + indices.astype(">i4").tobytes()
        value += row[indices].astype(">f4").tobytes()
        pieces.append(struct.pack(">hiii", 2, 4, number, len(value)) + value)
    yield b"".join(pieces)
