"""Index operations beside stock Alembic: how fast they build, and how long others wait meanwhile."""

from __future__ import annotations

import logging
import statistics
import threading
import time

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import NullPool, create_engine, event, text

import alembic_ops
from tests.benchmarks.corpus import embeddings

LOAD_DIMENSIONS, SWAPS = 128, 20
MODEL = {"operator_class": "vector_l2_ops", "with_": {"m": 16, "ef_construction": 64}}
OTHER = {"operator_class": "vector_l2_ops", "with_": {"m": 8, "ef_construction": 64}}


def measure(url, *, rows):
    """Return how fast indexes are built, who waits meanwhile, and how long column swaps hold their lock."""
    logging.getLogger("alembic.alembic_ops").setLevel(logging.WARNING)
    alembic_ops.register()
    engine = create_engine(url, poolclass=NullPool)
    report = {
        "speed": build_speed(engine, rows=rows * 6 // 10, dimensions=384),
        "load rows": rows,
        "load dimensions": LOAD_DIMENSIONS,
        "load": load_test(engine, rows, LOAD_DIMENSIONS),
    }
    report["load"][f"{SWAPS} op.swap_embedding_columns"], report["column swaps"] = column_swaps(engine)
    engine.dispose()
    return report


def build_speed(engine, rows, dimensions):
    """Return the seconds of a stock build and of ours, on the same rows, with the server's default settings."""
    fill(engine, rows, dimensions)
    seconds = {}
    for name, build in (("stock op.create_index", stock_create), ("op.create_vector_index", our_create)):
        began = time.perf_counter()
        build(engine)
        seconds[name] = round(time.perf_counter() - began, 1)
        run(engine, lambda operations: operations.drop_vector_index("ix", "document"))
    return {
        "rows": rows,
        "dimensions": dimensions,
        "seconds": seconds,
        "times as fast": round(seconds["stock op.create_index"] / seconds["op.create_vector_index"], 2),
    }


def load_test(engine, rows, dimensions):
    """Return, for each operation, how long readers and writers waited at most while it ran, and what failed or was lost."""
    fill(engine, rows, dimensions)
    results = {"nothing": under_load(engine, lambda: time.sleep(5))}
    results["op.create_vector_index"] = under_load(engine, lambda: our_create(engine))
    results["op.rebuild_vector_index, same definition"] = under_load(
        engine, lambda: run(engine, lambda operations: operations.rebuild_vector_index("ix", "document"))
    )
    results["op.rebuild_vector_index, m = 8"] = under_load(
        engine,
        lambda: run(engine, lambda operations: operations.rebuild_vector_index("ix", "document", "embedding", **OTHER)),
    )
    run(engine, lambda operations: operations.create_vector_index("ix_v2", "document", "embedding", **MODEL))
    results["op.swap_vector_index"] = under_load(
        engine,
        lambda: run(
            engine, lambda operations: operations.swap_vector_index("ix", replacement="ix_v2", table_name="document")
        ),
    )
    run(engine, lambda operations: operations.drop_vector_index("ix", "document"))
    results["stock op.create_index"] = under_load(engine, lambda: stock_create(engine))
    return results


def column_swaps(engine):
    """Return the waits under load while two columns are swapped again and again, and how long the lock was held."""
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX IF EXISTS ix"))  # or the UPDATE would enter every row into it again
        connection.execute(text(f"ALTER TABLE document ADD COLUMN embedding_v2 halfvec({LOAD_DIMENSIONS})"))
        connection.execute(text("UPDATE document SET embedding_v2 = embedding"))
    our_create(engine)
    new = {"operator_class": "halfvec_l2_ops"}
    run(engine, lambda operations: operations.create_vector_index("ix_v2", "document", "embedding_v2", **new))
    locked, held = [], []
    event.listen(
        engine,
        "before_cursor_execute",  # others queue from the question for the lock on
        lambda _, __, statement, *___: (
            locked.append(time.perf_counter())
            if "LOCK TABLE" in statement and "ACCESS EXCLUSIVE" in statement
            else None
        ),
    )

    def swap():
        for _ in range(SWAPS):
            run(
                engine,
                lambda operations: operations.swap_embedding_columns(
                    "document", live="embedding", replacement="embedding_v2"
                ),
            )
            held.append(1000 * (time.perf_counter() - locked[-1]))

    waits = under_load(engine, swap)
    return waits, {"swaps": SWAPS, "median ms": round(statistics.median(held), 1), "longest ms": round(max(held), 1)}


def under_load(engine, operation):
    """Run an operation while two readers and two writers go on, each transaction timed."""
    stop = threading.Event()
    waits, errors, written = {"read": [], "write": []}, [], []

    def work(kind, number):
        with engine.connect() as connection:
            turn = 0
            while not stop.is_set():
                turn += 1
                began = time.perf_counter()
                try:
                    if kind == "read":
                        connection.execute(
                            text("SELECT body FROM document WHERE id = :id"), {"id": 1 + turn % 1000}
                        ).all()
                    else:
                        connection.execute(
                            text("UPDATE document SET body = :body WHERE id = :id"), {"body": f"{turn}", "id": number}
                        )
                    connection.commit()
                except Exception as error:  # noqa: BLE001  # counted, whatever it is
                    errors.append(repr(error))
                    connection.rollback()
                    continue
                waits[kind].append(time.perf_counter() - began)
                if kind == "write":
                    written.append((number, turn))
                stop.wait(0.005)

    threads = [
        threading.Thread(target=work, args=(kind, number)) for number, kind in enumerate(["read", "write"] * 2, 1)
    ]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    operation()
    seconds = time.perf_counter() - began
    stop.set()
    for thread in threads:
        thread.join()
    latest = dict(written)
    with engine.connect() as connection:
        lost = sum(
            connection.scalar(text("SELECT body FROM document WHERE id = :id"), {"id": number}) != str(turn)
            for number, turn in latest.items()
        )
    return {
        "seconds": round(seconds, 1),
        "reads": len(waits["read"]),
        "writes": len(waits["write"]),
        "errors": len(errors),
        "lost writes": lost,
        "longest read ms": round(1000 * max(waits["read"])),
        "longest write ms": round(1000 * max(waits["write"])),
    }


def fill(engine, rows, dimensions):
    vectors = embeddings(rows, dimensions)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS document"))
        connection.execute(
            text(f"CREATE TABLE document (id int PRIMARY KEY, body text, embedding vector({dimensions}))")
        )
        with connection.connection.cursor().copy("COPY document (id, embedding) FROM STDIN") as copy:
            for number, vector in enumerate(vectors, 1):
                copy.write_row((number, "[" + ",".join(f"{value:.6g}" for value in vector) + "]"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE document"))


def our_create(engine):
    run(engine, lambda operations: operations.create_vector_index("ix", "document", "embedding", **MODEL))


def stock_create(engine):
    run(
        engine,
        lambda operations: operations.create_index(
            "ix",
            "document",
            ["embedding"],
            postgresql_using="hnsw",
            postgresql_ops={"embedding": "vector_l2_ops"},
            postgresql_with={"m": 16, "ef_construction": 64},
        ),
    )


def run(engine, act):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"vector_progress": "none"})
        with context.begin_transaction():
            act(Operations(context))
