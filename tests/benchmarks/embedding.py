"""The worker and the pending index: the first batch of a large table, what writers pay, rows a second, memory."""

from __future__ import annotations

import os
import resource
import statistics
import time
from pathlib import Path

import numpy as np
from sqlalchemy import Text, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import embedder, embedding_column, refresh, stale

DIMENSIONS = 256
MODEL = "benchmark-256"
VECTOR = np.random.default_rng(1).random(DIMENSIONS, dtype=np.float32)


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    embedding: Mapped[list[float] | None] = embedding_column(
        DIMENSIONS, metric="cosine", source=["title", "body"], model=MODEL
    )


def measure(url, *, rows, pending, embedded, rounds):
    """Return the measurements as a dictionary of numbers."""
    embedder(MODEL, dimensions=DIMENSIONS, batch_size=512)(lambda texts: np.tile(VECTOR, (len(texts), 1)))
    engine = create_engine(url, pool_size=1, max_overflow=0)  # one session, whose CPU time is that of the server
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        _fill(connection, embedded)
    with engine.connect() as connection:
        session = connection.scalar(text("SELECT pg_backend_pid()"))
    before = (time.process_time(), _cpu_seconds(session))
    done = refresh(engine, Document.embedding)
    spent = (time.process_time() - before[0], _cpu_seconds(session) - before[1])
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE document"))
        _fill_embedded(connection, rows)
        connection.execute(
            text("UPDATE document SET title = 'changed' WHERE id % :every = 0"), {"every": rows // pending}
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE document"))
    result = {
        "rows": rows,
        "pending": pending,
        "first_batch_milliseconds": _first_batch(engine, rounds),
        "write_ratios": _write_ratios(engine, rows=rows // 10, rounds=rounds),
        "rows_a_second": round(done.rate),
        "cpu_microseconds": [round(1_000_000 * one / embedded) for one in spent],
        "peak_memory_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    engine.dispose()
    return result


def _cpu_seconds(pid):
    """Return the CPU time of a process, from the fields of Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _fill(connection, rows):
    """Add rows of about 400 characters that need embedding."""
    connection.execute(
        text(
            "INSERT INTO document (id, title, body) SELECT i, 'title ' || i, repeat('word ' || i || ' ', 30)"
            f" FROM generate_series(1, {rows}) i"
        )
    )


def _fill_embedded(connection, rows):
    """Add rows with short texts that are embedded."""
    vector = f"[{','.join(['0.5'] * DIMENSIONS)}]"
    connection.execute(
        text(
            "INSERT INTO document (id, title, body, embedding, embedding_model, embedding_source_hash)"
            " SELECT i, 'title ' || i, 'body ' || i, CAST(:vector AS vector), :model,"
            f" md5('title ' || i || E'\\n' || 'body ' || i) FROM generate_series(1, {rows}) i"
        ),
        {"vector": vector, "model": MODEL},
    )


def _first_batch(engine, rounds):
    batch = stale(Document.embedding).with_only_columns(Document.id).order_by(Document.id).limit(512)
    times = []
    with engine.connect() as connection:
        for _ in range(rounds):
            begin = time.perf_counter()
            connection.execute(batch).all()
            times.append(time.perf_counter() - begin)
    return round(1000 * statistics.median(times), 2)


def _write_ratios(engine, *, rows, rounds):
    """Return what updates of texts cost, divided by the same on a twin without the pending index.

    Rows of about 400 characters. One statement for a tenth of the rows, and a statement for each row, as applications
    write them.
    """
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE document"))
        _fill(connection, rows)
    refresh(engine, Document.embedding)
    with engine.begin() as connection:
        for table, copied in (("twin", ""), ("copied", " INCLUDING INDEXES")):
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
            connection.execute(text(f"CREATE TABLE {table} (LIKE document{copied})"))
            connection.execute(text(f"INSERT INTO {table} SELECT * FROM document"))
        connection.execute(text("ALTER TABLE twin ADD PRIMARY KEY (id)"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        at_once = _ratio_of_updates(connection, rounds, _update_a_tenth)
        one_by_one = _ratio_of_updates(connection, rounds, _update_one_by_one)
    return {"at_once": at_once, "one_by_one": one_by_one}


def _ratio_of_updates(connection, rounds, update):
    times = {"twin": [], "copied": []}
    for number in range(rounds):
        connection.execute(text("VACUUM ANALYZE twin, copied"))
        for table in sorted(times, reverse=number % 2 == 1):
            begin = time.perf_counter()
            update(connection, table, number)
            times[table].append(time.perf_counter() - begin)
    return round(statistics.median(times["copied"]) / statistics.median(times["twin"]), 2)


def _update_a_tenth(connection, table, number):
    changed = "overlay(body PLACING :changed FROM 1)"
    connection.execute(
        text(f"UPDATE {table} SET body = {changed} WHERE id % 10 = :digit"),
        {"changed": str(number), "digit": number % 10},
    )


def _update_one_by_one(connection, table, number):
    statement = text(f"UPDATE {table} SET body = :body WHERE id = :id")
    for key in range(number + 1, 500 + number):
        connection.execute(statement, {"body": f"changed {key} " * 25, "id": key * 7})


def tables(result):
    """Return the measurements as Markdown."""
    ratios = result["write_ratios"]
    return "\n".join(
        (
            "| | measured |",
            "|---|---|",
            f"| the first 512 of {result['pending']:,} pending rows of {result['rows']:,} | "
            f"{result['first_batch_milliseconds']} ms |",
            f"| an UPDATE of a tenth of the texts, beside one without the pending index | {ratios['at_once']} times |",
            f"| an UPDATE of one text, beside one without the pending index | {ratios['one_by_one']} times |",
            f"| rows of {DIMENSIONS} dimensions with a free embedder, one worker | {result['rows_a_second']:,} a second |",
            f"| CPU time of such a row in the worker, and in the server | {' and '.join(map(str, result['cpu_microseconds']))} µs |",
            f"| peak memory of the worker's process | {result['peak_memory_megabytes']} MB |",
        )
    )
