"""What a filtered search costs the server beside the exact way and a hand-written iterative scan."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isqrt
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

from sqlalchemy_vecsearch import HNSW, IVFFlat, copy_rows, describe_index, distance, embedding_column, nearest
from tests.benchmarks.tables import table
from tests.benchmarks.texts import Texts, read_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray
    from sqlalchemy import Connection, Engine, Select

K = 10
PARTS = 10_000
SHARES = {"50%": 5_000, "10%": 1_000, "1%": 100, "0.1%": 10, "0.01%": 1, "nothing passes": 0}
CORRELATED = (10, 2, 0.4)
INDEXES = {
    "HNSW": lambda _: {"index": HNSW()},
    "IVFFlat": lambda rows: {"index": IVFFlat(lists=max(1, rows // 1000))},
    "HNSW, binary": lambda _: {"index": HNSW(), "quantize": "binary"},
    "HNSW, m=32": lambda _: {"index": HNSW(m=32, ef_construction=128)},
}
USUAL = ("HNSW", "IVFFlat", "HNSW, binary")
OF_MANY_ROWS = ("HNSW", "HNSW, m=32")
"""Those that are scanned by hand, too."""

SETTINGS = {
    "hnsw.iterative_scan": "relaxed_order",
    "hnsw.max_scan_tuples": "2147483647",
    "hnsw.scan_mem_multiplier": "64",
}
SHORT = 0.05
"""Seconds up to which a statement is run a second time, since much of the first goes into what is done once."""

DEAR = 5.0
"""Seconds that the questions of the two others may cost under one filter: then they are asked no more, but two in any
case. A scan by hand for rows that are not there visits all of a graph, 20 seconds in a million rows."""


@dataclass(frozen=True, slots=True)
class Filtered:
    """One kind of index under one filter.

    Attributes:
        index: the kind of index.
        filtered: which rows pass.
        plain_index: whether the column of the filter has a plain index.
        exact: milliseconds of the server's processor for a question, every row that passes being read.
        iterative: the same for a hand-written iterative scan; None where the index is not plain HNSW.
        asked: of how many questions each is the mean, by its name.
        ours: the same for ``nearest``.
        recall: the share of the exact answer that ``nearest`` found; None where nothing passes.
        recall_by_hand: the share that the hand-written scan found.
        returned: rows that ``nearest`` returned, of those that exist, up to k.
    """

    index: str
    filtered: str
    plain_index: bool
    exact: float
    iterative: float | None
    asked: dict[str, int]
    ours: float
    recall: float | None
    recall_by_hand: float | None
    returned: float


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows pass: whether each of those stored does, and the condition."""

    name: str
    passing: NDArray[np.bool_]
    narrowed: Callable[[Any, Select[Any]], Select[Any]]
    plain_index: bool = False


def measure(url: str, *, rows: int, questions: int, indexes: Iterable[str] = USUAL) -> dict[str, Any]:
    """Return the rows of the table, with how many rows and dimensions were searched."""
    texts = read_texts(rows + questions)
    asked = texts.vectors[:questions]
    stored, made = _enlarged(texts, questions, rows)
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        _fill(connection, stored)
        measured = []
        for name in indexes:
            entity = _declare(stored.vectors.shape[1], INDEXES[name](rows))
            with _indexed(connection, entity):
                measured += _measured_under_each(engine, name, entity, stored, asked)
    engine.dispose()
    return {
        "rows": rows,
        "made": made,
        "dimensions": stored.vectors.shape[1],
        "questions": questions,
        "measured": measured,
    }


def tables(found: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    headings = (
        "index",
        "filter",
        "its column",
        "exact, ms",
        "iterative, ms",
        "its recall@10",
        "ours, ms",
        "against the better",
        "recall@10",
        "rows",
    )
    lines = [_line(row, found["questions"]) for row in found["measured"]]
    return (
        f"{found['rows']:,} rows x {found['dimensions']}, {found['made']:,} of them mixed from two texts, "
        f"{found['questions']} questions that are not stored.\n\n{table(headings, lines)}"
    )


def _measured_under_each(engine: Engine, index: str, entity: Any, stored: Texts, asked: Any) -> list[dict[str, Any]]:
    """Measure each filter on a connection of its own: a plan that is kept for the values of another serves it ill."""
    measured = []
    for filtered in _filters(stored, _shares(len(stored.vectors))):
        with engine.connect() as connection:
            connection.execute(text("SET max_parallel_workers_per_gather = 0"))  # what they compute is not counted here
            measured.append(asdict(_measured(connection, index, entity, filtered, stored.vectors, asked)))
    return measured


def _line(row: dict[str, Any], questions: int) -> tuple[str, ...]:
    better = min(row["exact"], row["iterative"] or row["exact"])
    return (
        row["index"],
        row["filtered"],
        "" if row["filtered"] == "none" else "btree" if row["plain_index"] else "no index",
        f"{row['exact']:.1f}" + _asked(row["asked"]["exact"], questions),
        "" if row["iterative"] is None else f"{row['iterative']:.1f}" + _asked(row["asked"]["iterative"], questions),
        _share(row["recall_by_hand"]),
        f"{row['ours']:.1f}",
        f"{row['ours'] / better:.2f}",
        _share(row["recall"]),
        f"{row['returned']:.2f}",
    )


def _share(found: float | None) -> str:
    return "" if found is None else f"{found:.3f}"


def _asked(some: int, questions: int) -> str:
    return "" if some == questions else f" (of {some})"


def _enlarged(texts: Texts, first: int, rows: int) -> tuple[Texts, int]:
    """Return so many texts, and how many of them are mixed from two, of which one has the greater part.

    They lie as more texts would: of 7,000 to 57,000 docstrings the tenth nearest to a question is at 0.56, 0.51, 0.47
    and 0.44, and at 0.33 of a million that are mixed. With a fifth of the other text they would be copies of the first
    with little added: eighteen of each, so that the ten nearest are those of one or two texts.
    """
    packages, modules, vectors = texts.packages[first:], texts.modules[first:], texts.vectors[first:]
    missing = max(0, rows - len(vectors))
    chance = np.random.default_rng(5)
    most, little = chance.integers(0, len(vectors), (2, missing))
    part = chance.uniform(0.5, 0.7, (missing, 1)).astype(np.float32)
    mixed = part * vectors[most] + (1 - part) * vectors[little]
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    every = Texts(
        np.concatenate([packages, packages[most]])[:rows],
        np.concatenate([modules, modules[most]])[:rows],
        np.concatenate([vectors, mixed.astype(np.float32)])[:rows],
    )
    return every, missing


def _filters(stored: Texts, share: NDArray[np.int64]) -> Iterator[Filter]:
    yield Filter("none", share >= 0, lambda _, source: source)
    for name, below in SHARES.items():
        passing = share < below
        yield Filter(
            name, passing, lambda entity, source, below=below: source.where(entity.indexed < below), plain_index=True
        )
        yield Filter(name, passing, lambda entity, source, below=below: source.where(entity.share < below))
    counted = Counter(stored.packages.tolist())
    for aimed in CORRELATED:
        package = min(counted, key=lambda name: abs(counted[name] / len(stored.packages) - aimed / 100))
        percent = 100 * counted[package] / len(stored.packages)
        yield Filter(
            f"a package of {percent:.1f}%",
            stored.packages == package,
            lambda entity, source, package=package: source.where(entity.package == package),
        )


def _shares(rows: int) -> NDArray[np.int64]:
    """Return a number below ``PARTS`` for each row, each for as many."""
    shares: NDArray[np.int64] = np.random.default_rng(4).permutation(rows) % PARTS
    return shares


def _nearest(asked: Any, vectors: Any, passing: NDArray[np.bool_]) -> list[set[int]]:
    """Return the rows nearest to each question, of those that pass."""
    (rows,) = np.nonzero(passing)
    alike = asked @ vectors[rows].T
    return [set(rows[np.argpartition(-row, min(K, len(row) - 1))[:K]].tolist()) if len(row) else set() for row in alike]


def _measured(connection: Connection, index: str, entity: Any, filtered: Filter, stored: Any, asked: Any) -> Filtered:
    source = filtered.narrowed(entity, select(entity.id))
    ways: dict[str, Callable[[Any], Select[Any]]] = {
        "exact": lambda vector: nearest(source, entity.embedding, vector, k=K, exact=True),
        "ours": lambda vector: nearest(source, entity.embedding, vector, k=K),
    }
    if index in OF_MANY_ROWS:
        ways["iterative"] = lambda vector: _by_hand(source, entity.embedding, vector)
    by_hand = SETTINGS | {"hnsw.ef_search": str(candidates(len(stored), index))}
    taken: dict[str, list[float]] = {way: [] for way in ways}
    recalls: dict[str, list[float]] = {way: [] for way in ways}
    returned = []
    for vector, right in zip(asked, _nearest(asked, stored, filtered.passing), strict=True):
        for way, statement in ways.items():
            if way != "ours" and len(taken[way]) > 1 and sum(taken[way]) > DEAR * 1000:
                continue
            with _settings(connection, by_hand if way == "iterative" else {}):
                seconds, found = _run(connection, statement(vector))
            taken[way].append(seconds * 1000)
            if right:
                recalls[way].append(len(right & set(found)) / len(right))
            if way == "ours":
                returned.append(len(found) / len(right) if right else float(not found))
    means = {way: fmean(times) for way, times in taken.items()}
    return Filtered(
        index=index,
        filtered=filtered.name,
        plain_index=filtered.plain_index,
        exact=means["exact"],
        iterative=means.get("iterative"),
        asked={way: len(times) for way, times in taken.items()},
        ours=means["ours"],
        recall=_mean(recalls["ours"]),
        recall_by_hand=_mean(recalls.get("iterative", [])),
        returned=fmean(returned),
    )


def _mean(shares: list[float]) -> float | None:
    return fmean(shares) if shares else None


def candidates(rows: int, index: str = "HNSW") -> int:
    """Return the hnsw.ef_search of a scan by hand: what a statement of ours takes without a filter."""
    most = min(isqrt(16 * rows // 100), 400)
    return max(100, most // 2 if index.endswith("m=32") else most)


def _by_hand(source: Select[Any], column: Any, vector: Any) -> Select[Any]:
    apart = distance(column, vector)
    return source.add_columns(apart.label("distance")).order_by(apart).limit(K)


@contextmanager
def _settings(connection: Connection, settings: dict[str, str]) -> Iterator[None]:
    for name, value in settings.items():
        connection.execute(select(func.set_config(name, value, False)))  # noqa: FBT003  # for the session
    yield
    if settings:
        connection.execute(text("RESET ALL"))
        connection.execute(text("SET max_parallel_workers_per_gather = 0"))


def _run(connection: Connection, statement: Select[Any]) -> tuple[float, list[Any]]:
    """Return what a statement cost the server, in seconds, with its keys: of a short one that of the second run."""
    process = connection.scalar(select(func.pg_backend_pid()))
    before = computed(process)
    rows = connection.execute(statement).all()
    if (cost := computed(process) - before) > SHORT:
        return cost, [row.id for row in rows]
    before = computed(process)
    rows = connection.execute(statement).all()
    return computed(process) - before, [row.id for row in rows]


def computed(process: int) -> float:
    """Return the seconds that a process of this machine has computed, by Linux's count in nanoseconds."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def _declare(dimensions: int, options: dict[str, Any]) -> Any:
    class Base(DeclarativeBase):
        pass

    class Passage(Base):
        __tablename__ = "filtered"
        id: Mapped[int] = mapped_column(primary_key=True)
        package: Mapped[str]
        share: Mapped[int]
        indexed: Mapped[int] = mapped_column(index=True)
        embedding = embedding_column(dimensions, metric="cosine", nullable=False, **options)

    return Passage


def _fill(connection: Connection, stored: Texts) -> None:
    filled = _declare(stored.vectors.shape[1], {}).__table__
    filled.drop(connection, checkfirst=True)
    filled.create(connection)
    rows = len(stored.vectors)
    share = _shares(rows)
    columns = {
        "id": np.arange(rows),
        "package": stored.packages.tolist(),
        "share": share,
        "indexed": share,
        "embedding": stored.vectors,
    }
    copy_rows(connection, filled, columns)
    connection.execute(text("VACUUM ANALYZE filtered"))


@contextmanager
def _indexed(connection: Connection, entity: Any) -> Iterator[None]:
    connection.execute(text("SET maintenance_work_mem = '3GB'"))
    (index,) = (index for index in entity.__table__.indexes if describe_index(index) is not None)
    index.create(connection)
    yield
    index.drop(connection)
