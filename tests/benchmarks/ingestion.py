"""Rows with texts and an embedding: our types and `copy_rows` beside pgvector.sqlalchemy and hand-written psycopg."""

from __future__ import annotations

import struct

import numpy as np
import pgvector
import pgvector.sqlalchemy as stock
from pgvector.psycopg import register_vector
from sqlalchemy import Integer, MetaData, Text, create_engine, insert, text
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
        connection.execute(
            text(
                f"CREATE TABLE document (id serial PRIMARY KEY, title text, body text, embedding {storage}({dimensions}))"
            )
        )
    measured = interleaved(
        f"ingestion of {rows:,} rows, {storage}",
        forms,
        rounds=rounds,
        baseline="hand-written binary COPY",
        before=empty,
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
    titles = [f"title {number} of a document" for number in numbers]
    bodies = [f"the text of document {number}, " * 10 for number in numbers]

    def with_texts(values):
        return [
            {"title": title, "body": body, "embedding": value}
            for title, body, value in zip(titles, bodies, values, strict=True)
        ]

    def core(table, values):
        with engine.begin() as connection:
            connection.execute(insert(table), with_texts(values))

    def add_all(entity, values):
        with Session(engine) as session:
            session.add_all([entity(**row) for row in with_texts(values)])
            session.commit()

    def dict_rows(values):
        with engine.begin() as connection:
            ids = numbers.tolist()
            rows = ({"id": i, **row} for i, row in zip(ids, with_texts(values), strict=True))
            ours.copy_rows(connection, our_table, rows)

    def columns(_):
        with engine.begin() as connection:
            ours.copy_rows(
                connection, our_table, {"id": numbers, "title": titles, "body": bodies, "embedding": vectors}
            )

    def by_hand(_):
        with engine.begin() as connection:
            cursor = connection.connection.driver_connection.cursor()
            with cursor.copy("COPY document (id, title, body, embedding) FROM STDIN (FORMAT BINARY)") as copy:
                for block in _hand_written(storage, numbers, titles, bodies, vectors):
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
        "psycopg write_row, register_vector": lambda _: _write_row(engine, storage, numbers, titles, bodies, our_rows),
        "hand-written binary COPY": by_hand,
    }


def _declare(type_):
    class Base(DeclarativeBase):
        metadata = MetaData()

    class Document(Base):
        __tablename__ = "document"
        id = mapped_column(Integer, primary_key=True)
        title = mapped_column(Text)
        body = mapped_column(Text)
        embedding = mapped_column(type_)

    return Document.__table__, Document


def _write_row(engine, storage, numbers, titles, bodies, values):
    wrap = {"vector": pgvector.Vector, "halfvec": pgvector.HalfVector, "sparsevec": pgvector.SparseVector}.get(
        storage, pgvector.Bit
    )
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        register_vector(driver)
        cursor = driver.cursor()
        with cursor.copy("COPY document (id, title, body, embedding) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "text", "text", storage])
            for number, title, body, value in zip(numbers.tolist(), titles, bodies, values, strict=True):
                copy.write_row((number, title, body, wrap(value)))
        driver.commit()
        connection.invalidate()  # the adapters stay with this connection


def _hand_written(storage, numbers, titles, bodies, vectors):
    """Yield what somebody writes who knows the format and has numpy."""
    yield b"PGCOPY\n\xff\r\n\0" + bytes(8)
    values = _sparse_values(vectors) if storage == "sparsevec" else _fixed_values(storage, vectors)
    head, length = struct.Struct(">hiii"), struct.Struct(">i")
    pieces = []
    for number, title, body, value in zip(numbers.tolist(), titles, bodies, values, strict=True):
        title_bytes, body_bytes = title.encode(), body.encode()
        pieces += (
            head.pack(4, 4, number, len(title_bytes)),
            title_bytes,
            length.pack(len(body_bytes)),
            body_bytes,
            length.pack(len(value)),
            value,
        )
        if len(pieces) > 384:
            yield b"".join(pieces)
            pieces.clear()
    yield b"".join(pieces)
    yield b"\xff\xff"


def _fixed_values(storage, vectors):
    rows, dimensions = vectors.shape
    if storage == "bit":
        packed = np.packbits(vectors, axis=1)
        layout = [("bits", ">i4"), ("value", "u1", (packed.shape[1],))]
    else:
        packed = vectors
        layout = [
            ("dimensions", ">u2"),
            ("unused", ">u2"),
            ("value", {"vector": ">f4", "halfvec": ">f2"}[storage], (dimensions,)),
        ]
    block = np.zeros(rows, dtype=layout)
    block[layout[0][0]] = dimensions
    block["value"] = packed
    for row in block:
        yield row.tobytes()


def _sparse_values(vectors):
    for row in vectors:
        (indices,) = row.nonzero()
        head = struct.pack(">iii", len(row), len(indices), 0)
        yield head + indices.astype(">i4").tobytes() + row[indices].astype(">f4").tobytes()
