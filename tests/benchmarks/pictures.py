"""Measure what the pictures of the documentation show: `python -m tests.benchmarks.pictures`, then draw them."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import create_engine, event, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import alembic_ops
from sqlalchemy_vecsearch import HNSW, IVFFlat, copy_rows, embedding_column, explain, nearest
from sqlalchemy_vecsearch.testing import start_embedded_server
from tests.benchmarks.filters import computed
from tests.benchmarks.index_operations import run
from tests.benchmarks.texts import read_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

    from sqlalchemy_vecsearch import PlanNode

MEASURED = Path(__file__).parents[2] / "docs" / ".pictures" / "measured.json"
ROWS, QUESTIONS, ROUNDS, K = 20_000, 100, 5, 10
EF_SEARCH = (10, 20, 40, 80, 160, 320)
LISTS, PROBES = 140, (1, 2, 4, 8, 16, 32)  # lists: the square root of the rows
SHARES = (500, 100, 20, 2)  # of a thousand rows
BIN = 0.25  # seconds
SWAPS = 11
AROUND = 0.04  # seconds before and after a swap
SETTINGS = {"synchronous_commit": "off", "maintenance_work_mem": "512MB", "max_parallel_maintenance_workers": "0"}


def _declare(index: HNSW | IVFFlat) -> Any:
    class Base(DeclarativeBase):
        pass

    class Passage(Base):
        __tablename__ = "passage"
        id: Mapped[int] = mapped_column(primary_key=True)
        share: Mapped[int]
        seen: Mapped[int]
        embedding = embedding_column(256, metric="cosine", nullable=False, index=index)

    return Passage


INDEXES = {
    "IVFFlat": (_declare(IVFFlat(lists=LISTS)), "probes", PROBES),
    "HNSW": (_declare(HNSW()), "ef_search", EF_SEARCH),
}
Passage = INDEXES["HNSW"][0]


def measure(url: str) -> dict[str, Any]:
    """Return the figures of every picture."""
    alembic_ops.register()
    engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=10)
    asked = _fill(engine)
    with engine.connect() as connection:
        tradeoff = _tradeoff(connection, asked)
        walk = [_walk(connection, asked, share) for share in SHARES]
    return {
        "machine": {"at": datetime.now(UTC).date().isoformat(), "cores": os.cpu_count(), "load": os.getloadavg()[1]},
        "rows": ROWS,
        "dimensions": 256,
        "k": K,
        "tradeoff": tradeoff,
        "walk": walk,
        "rebuild": _rebuild(engine, asked),
        "swap": _swap(engine, asked),
    }


def _fill(engine: Engine) -> Any:
    """Fill the table with texts, index it, and return the vectors of others to ask for."""
    vectors = read_texts(ROWS + QUESTIONS).vectors
    Passage.metadata.create_all(engine)
    stored = {
        "id": np.arange(ROWS),
        "share": np.random.default_rng(4).permutation(ROWS) % 1000,
        "seen": np.zeros(ROWS, dtype=int),
        "embedding": vectors[:ROWS],
    }
    with engine.connect() as connection:
        connection.execute(text("DROP INDEX ix_passage_embedding"))
        copy_rows(connection, Passage, stored)
        connection.execute(text("VACUUM ANALYZE passage"))
    return vectors[ROWS:]


def _tradeoff(connection: Connection, asked: Any) -> dict[str, Any]:
    """Return recall and milliseconds of the server for each effort, the ways taking turns question by question."""
    exact = _timed(connection, Passage, asked, {"exact": {"exact": True}})["exact"]
    true = exact.pop("found")
    found: dict[str, Any] = {}
    for name, (entity, option, efforts) in INDEXES.items():
        connection.execute(text("DROP INDEX IF EXISTS ix_passage_embedding"))
        (index,) = entity.__table__.indexes
        index.create(connection)
        timed = _timed(connection, entity, asked, {effort: {option: effort} for effort in efforts})
        found[name] = {"option": option, "efforts": []}
        for effort, one in timed.items():
            hits = [len(got & right) / K for got, right in zip(one.pop("found"), true, strict=True)]
            found[name]["efforts"].append({"effort": effort, "recall": round(float(np.mean(hits)), 4), **one})
    return {"exact": exact, "questions": len(asked), **found}


def _timed(
    connection: Connection, entity: Any, asked: Any, ways: dict[Any, dict[str, Any]]
) -> dict[Any, dict[str, Any]]:
    """Return for each way the ids found for each question, and the milliseconds that the server computed for one.

    That is the median over the questions of the least of the rounds: it hardly depends on what else the machine does.
    """
    process = connection.scalar(select(func.pg_backend_pid()))
    least = {way: [float("inf")] * len(asked) for way in ways}
    found: dict[Any, list[set[int]]] = {way: [set()] * len(asked) for way in ways}
    for _ in range(ROUNDS):
        for number, vector in enumerate(asked):
            for way, options in ways.items():
                statement = nearest(select(entity.id), entity.embedding, vector, k=K, **options)
                before = computed(process)
                rows = connection.execute(statement).all()
                least[way][number] = min(least[way][number], computed(process) - before)
                found[way][number] = {row[0] for row in rows}
    return {way: {"ms": round(1000 * median(least[way]), 3), "found": found[way]} for way in ways}


def _walk(connection: Connection, asked: Any, share: int) -> dict[str, Any]:
    """Return which of the first candidates pass a filter, and which arms of the statement then ran."""
    source = select(Passage.id).where(Passage.share < share)
    plan = explain(connection, nearest(source, Passage.embedding, asked[0], k=K), analyze=True)
    arms = {node.role.removeprefix("CTE ").removesuffix("_1"): node for node in _nodes(plan.root) if _is_cte(node)}
    outside = list(_nodes(plan.root, into=lambda node: not _is_cte(node)))
    candidates = nearest(select(Passage.share), Passage.embedding, asked[0], k=100, ef_search=100)
    return {
        "percent": share / 10,
        "passing": [row[0] < share for row in connection.execute(candidates)],
        "first used the index": any(node.index is not None for node in _nodes(arms["first"])),
        "scan ran": bool(arms["scan"].loops),
        "exact ran": any(node.relation == "passage" and node.index is None and node.loops for node in outside),
    }


def _is_cte(node: PlanNode) -> bool:
    return node.role is not None and node.role.startswith("CTE ")


def _nodes(node: PlanNode, into: Callable[[PlanNode], bool] = lambda _: True) -> Iterator[PlanNode]:
    yield node
    for below in node.children:
        if into(below):
            yield from _nodes(below, into)


def _rebuild(engine: Engine, asked: Any) -> dict[str, Any]:
    """Return what a rebuild with another `m` does over time, and what searches and writes do meanwhile."""
    begun = time.perf_counter()
    migrating = create_engine(engine.url, connect_args={"application_name": "migration"})
    rebuilt = {"operator_class": "vector_cosine_ops", "with_": {"m": 24}}
    seen: list[tuple[float, Any, Any]] = []

    def act() -> None:
        time.sleep(2)
        run(migrating, lambda operations: operations.rebuild_vector_index(
            "ix_passage_embedding", "passage", "embedding", **rebuilt
        ))  # fmt: skip
        time.sleep(2)

    done = _under_load(engine, asked, act, watch=lambda connection: seen.append(_seen(connection, begun)))
    migrating.dispose()
    times = [ended - begun for _, _, _, ended in done["calls"]]
    counted = {
        kind: np.histogram(
            [ended - begun for one, _, _, ended in done["calls"] if one == kind], bins=np.arange(0, max(times), BIN)
        )[0].tolist()
        for kind in ("search", "write")
    }
    longest = {
        kind: round(1000 * max(ended - began for one, _, began, ended in done["calls"] if one == kind), 1)
        for kind in ("search", "write")
    }
    return {"bin": BIN, "seen": _runs(seen), "done": counted, "longest_ms": longest, "failed": done["failed"]}


SEEN = text("""
    SELECT (SELECT p.phase FROM pg_catalog.pg_stat_progress_create_index p LIMIT 1),
           (SELECT pg_catalog.array_agg(DISTINCT l.mode ORDER BY l.mode) FROM pg_catalog.pg_locks l
              JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
             WHERE a.application_name = 'migration' AND l.granted AND l.relation = 'passage'::regclass)
""")


def _seen(connection: Connection, begun: float) -> tuple[float, Any, Any]:
    phase, modes = connection.execute(SEEN).one()
    return round(time.perf_counter() - begun, 3), phase, modes


def _runs(seen: list[tuple[float, Any, Any]]) -> list[dict[str, Any]]:
    """Return stretches of time in which phase and locks were the same."""
    stretches: list[dict[str, Any]] = []
    for at, phase, modes in seen:
        if stretches and (stretches[-1]["phase"], stretches[-1]["locks"]) == (phase, modes or []):
            stretches[-1]["to"] = at
        else:
            if stretches:
                stretches[-1]["to"] = at
            stretches.append({"phase": phase, "locks": modes or [], "from": at, "to": at})
    return stretches


def _swap(engine: Engine, asked: Any) -> dict[str, Any]:
    """Return the searches and writes round the moment in which two columns exchange names."""
    with engine.connect() as connection:
        connection.execute(text("DROP INDEX ix_passage_embedding"))  # or the UPDATE would enter every row into it
        connection.execute(text("ALTER TABLE passage ADD COLUMN embedding_v2 vector(256)"))
        connection.execute(text("UPDATE passage SET embedding_v2 = embedding"))
        connection.execute(text("ALTER TABLE passage ALTER COLUMN embedding_v2 SET NOT NULL"))
        connection.execute(
            text("CREATE INDEX ix_passage_embedding ON passage USING hnsw (embedding vector_cosine_ops)")
        )
        connection.execute(text("CREATE INDEX ix_v2 ON passage USING hnsw (embedding_v2 vector_cosine_ops)"))
        connection.execute(text("VACUUM ANALYZE passage"))
    migrating, locked = create_engine(engine.url), []
    event.listen(
        migrating,
        "before_cursor_execute",
        lambda _, __, statement, *___: locked.append(time.perf_counter()) if "ACCESS EXCLUSIVE" in statement else None,
    )
    held: list[tuple[float, float]] = []

    def act() -> None:
        for _ in range(SWAPS):
            time.sleep(0.5)
            run(migrating, lambda operations: operations.swap_embedding_columns(
                "passage", live="embedding", replacement="embedding_v2"
            ))  # fmt: skip
            held.append((locked[-1], time.perf_counter()))
        time.sleep(0.5)

    done = _under_load(engine, asked, act)
    migrating.dispose()
    from_, to = sorted(held, key=lambda one: one[1] - one[0])[SWAPS // 2]
    calls = [
        {"client": client, "kind": kind, "from": round(1000 * (began - from_), 2), "to": round(1000 * (end - from_), 2)}
        for kind, client, began, end in done["calls"]
        if end > from_ - AROUND and began < to + AROUND
    ]
    calls.sort(key=lambda call: (call["client"], call["from"]))
    return {
        "lock_ms": round(1000 * (to - from_), 2),
        "around_ms": 1000 * AROUND,
        "calls": calls,
        "failed": done["failed"],
    }


def _under_load(
    engine: Engine, asked: Any, act: Callable[[], None], watch: Callable[[Connection], None] | None = None
) -> dict[str, Any]:
    """Do something while two clients search and one writes; return (kind, client, began, ended) of each call."""
    stop, calls, failed = threading.Event(), [], []

    def work(kind: str, client: int) -> None:
        turn = 0
        with engine.connect() as connection:
            while not stop.is_set():
                turn += 1
                began = time.perf_counter()
                try:
                    if kind == "search":
                        vector = asked[turn % len(asked)]
                        connection.execute(nearest(select(Passage.id), Passage.embedding, vector, k=K)).all()
                    else:
                        connection.execute(text("UPDATE passage SET seen = seen + 1 WHERE id = :id"), {"id": turn % 50})
                except Exception as error:  # noqa: BLE001  # counted, whatever it is
                    failed.append(repr(error))
                calls.append((kind, client, began, time.perf_counter()))
                stop.wait(0.004)

    def look() -> None:
        assert watch is not None
        with engine.connect() as connection:
            while not stop.is_set():
                watch(connection)
                stop.wait(0.01)

    threads = [threading.Thread(target=work, args=(kind, n)) for n, kind in enumerate(("search", "search", "write"))]
    threads += [threading.Thread(target=look)] if watch else []
    for thread in threads:
        thread.start()
    try:
        act()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return {"calls": sorted(calls, key=lambda call: call[2]), "failed": failed}


if __name__ == "__main__":
    server = start_embedded_server(settings=SETTINGS)
    try:
        url = server.url()
        bootstrap = create_engine(url, isolation_level="AUTOCOMMIT")
        with bootstrap.connect() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        bootstrap.dispose()
        MEASURED.write_text(json.dumps(measure(url), indent=1) + "\n", encoding="utf-8")
    finally:
        server.stop()
