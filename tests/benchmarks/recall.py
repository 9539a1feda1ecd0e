"""Rows returned, recall and plan of each search form under filters, on real texts, for each kind of index."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import (
    HNSW,
    IVFFlat,
    Subvector,
    choose_strategy,
    copy_rows,
    dense,
    describe_index,
    embedding_column,
    embedding_of,
    explain,
    hybrid,
    max_sim,
    nearest,
    nearest_each,
    nearest_first,
    nearest_per_group,
    page,
    recommend,
)
from tests.benchmarks.tables import table
from tests.benchmarks.texts import Texts, read_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Select

K = 10
INDEXES = {
    "HNSW": {"index": HNSW()},
    "IVFFlat": {"index": IVFFlat(lists=30)},  # rows / 1000, which is what lists="auto" takes
    "HNSW, halfvec": {"index": HNSW(), "quantize": "halfvec"},
    "HNSW, binary": {"index": HNSW(), "quantize": "binary"},
    "HNSW, subvector of 128": {"index": HNSW(), "quantize": Subvector(1, 128)},
}


@dataclass(frozen=True, slots=True)
class Recall:
    """What one form returned.

    Attributes:
        index: the kind of index.
        filtered: which rows pass.
        form: the helper.
        returned: rows returned, of those that exist, up to k: 1.0 is all of them.
        recall: the share of the exact answer that was found.
        plan: "index" when a vector index serves it, else "exact".
    """

    index: str
    filtered: str
    form: str
    returned: float
    recall: float
    plan: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows pass, and the numbers of the questions that are asked of them."""

    name: str
    narrowed: Callable[[Any, Select[Any]], Select[Any]]
    questions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """One helper: its statement for a question, and what tells its rows apart."""

    statement: Callable[[Select[Any], int, bool], Select[Any]]
    key: str = "id"


def measure(url: str, *, rows: int, questions: int) -> Iterator[Recall]:
    """Yield a row of the table for each index, filter and form."""
    texts = read_texts(rows + 10 * questions)
    stored, asked = _split(texts, rows)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    wanted: dict[tuple[str, str, int], list[Any]] = {}
    with engine.connect() as connection:
        _fill(connection, stored)
        filters = _filters(stored, asked, questions)
        for name, options in INDEXES.items():
            entity = _declare(stored.vectors.shape[1], options)
            with _indexed(connection, entity):
                for filtered in filters:
                    source = filtered.narrowed(entity, select(entity.id, entity.module))
                    for form, helper in _forms(connection, entity, source, asked.vectors).items():
                        yield _measured(connection, name, filtered, form, helper, source, wanted)
    engine.dispose()


def _measured(
    connection: Connection,
    index: str,
    filtered: Filter,
    form: str,
    helper: Form,
    source: Select[Any],
    wanted: dict[tuple[str, str, int], list[Any]],
) -> Recall:
    returned, recalls = [], []
    for question in filtered.questions:
        known = (filtered.name, form, question)
        if known not in wanted:  # the exact answer is the same for each index
            wanted[known] = _keys(connection, helper, source, question, exact=True)
        right, got = wanted[known], _keys(connection, helper, source, question, exact=False)
        returned.append(len(got) / len(right) if right else 1.0)
        recalls.append(len(set(got) & set(right)) / len(right) if right else 1.0)
    plan = explain(connection, helper.statement(source, filtered.questions[0], False))  # noqa: FBT003  # exact or not
    served = "index" if plan.index_served else "exact"
    return Recall(index, filtered.name, form, float(np.mean(returned)), float(np.mean(recalls)), served)


def _keys(connection: Connection, helper: Form, source: Select[Any], question: int, *, exact: bool) -> list[Any]:
    rows = connection.execute(helper.statement(source, question, exact)).fetchmany(K)
    return [getattr(row, helper.key) for row in rows]


def _forms(connection: Connection, entity: Any, source: Select[Any], vectors: Any) -> dict[str, Form]:
    column = entity.embedding
    strategy = choose_strategy(connection, source, k=K)
    return {
        "nearest": Form(lambda source, q, exact: nearest(source, column, vectors[q], k=K, exact=exact)),
        "nearest, strategy chosen": Form(
            lambda source, q, exact: nearest(source, column, vectors[q], k=K, exact=exact, strategy=strategy)
        ),
        "nearest, k=100": Form(lambda source, q, exact: nearest(source, column, vectors[q], k=100, exact=exact)),
        "nearest, within": Form(
            lambda source, q, exact: nearest(source, column, vectors[q], k=K, within=0.6, exact=exact)
        ),
        "like a stored row": Form(
            lambda source, q, exact: nearest(source, column, embedding_of(entity, q), k=K, exact=exact)
        ),
        "nearest_first": Form(lambda source, q, exact: nearest_first(source, column, vectors[q], exact=exact).limit(K)),
        "page 2": Form(
            lambda source, q, exact: page(source, column, vectors[q], number=2, size=K, pool=50, exact=exact)
        ),
        "nearest_each": Form(lambda source, q, exact: nearest_each(source, column, {1: vectors[q]}, k=K, exact=exact)),
        "nearest_per_group": Form(
            lambda source, q, exact: nearest_per_group(source, column, vectors[q], by=entity.module, k=K, exact=exact),
            "module",
        ),
        "recommend": Form(
            lambda source, q, exact: recommend(
                source, column, positive=[vectors[q], q], negative=[q + 1], k=K, exact=exact
            )
        ),
        "recommend, best score": Form(
            lambda source, q, exact: recommend(
                source, column, positive=[vectors[q], q], negative=[q + 1], k=K, exact=exact, strategy="best_score"
            )
        ),
        "max_sim, 2 vectors": Form(
            lambda source, q, exact: max_sim(
                source, column, [vectors[q], vectors[q - 1]], by=entity.module, k=K, exact=exact
            ),
            "module",
        ),
        "hybrid, one leg": Form(lambda source, q, exact: hybrid(source, [dense(column, vectors[q], exact=exact)], k=K)),
    }


def _split(texts: Texts, rows: int) -> tuple[Texts, Texts]:
    """Return the texts that are stored and those that are asked for, which are not."""
    cut = min(rows, len(texts.vectors) * 9 // 10)
    stored, asked = (
        Texts(texts.packages[part], texts.modules[part], texts.vectors[part]) for part in (slice(cut), slice(cut, None))
    )
    return stored, asked


def _filters(stored: Texts, asked: Texts, questions: int) -> tuple[Filter, ...]:
    anything = tuple(range(questions))
    share = [
        Filter(
            f"{percent:g}%",
            lambda entity, source, below=int(percent * 10): source.where(entity.share < below),
            anything,
        )
        for percent in (50, 10, 1, 0.1)
    ]
    return (Filter("none", lambda _, source: source, anything), *share, *_correlated(stored, asked, questions))


def _correlated(stored: Texts, asked: Texts, questions: int) -> Iterator[Filter]:
    """Yield filters by package: the one that holds nearest to 10% of the texts, and nearest to 2%."""
    counted = Counter(stored.packages.tolist())
    for aimed in (10, 2):
        package = min(counted, key=lambda name: abs(counted[name] / len(stored.packages) - aimed / 100))
        percent = 100 * counted[package] / len(stored.packages)
        for where, mask in (("inside", asked.packages == package), ("outside", asked.packages != package)):
            yield Filter(
                f"package of {percent:.1f}%, asked from {where}",
                lambda entity, source, package=package: source.where(entity.package == package),
                tuple(np.flatnonzero(mask)[:questions].tolist()),
            )


def _declare(dimensions: int, options: dict[str, Any]) -> Any:
    class Base(DeclarativeBase):
        pass

    class Passage(Base):
        __tablename__ = "recalled"
        id: Mapped[int] = mapped_column(primary_key=True)
        module: Mapped[int] = mapped_column(index=True)
        package: Mapped[str]
        share: Mapped[int]
        embedding = embedding_column(dimensions, metric="cosine", nullable=False, **options)

    return Passage


def _fill(connection: Connection, stored: Texts) -> None:
    table = _declare(stored.vectors.shape[1], {}).__table__
    table.drop(connection, checkfirst=True)
    table.create(connection)
    rows = len(stored.vectors)
    columns = {
        "id": np.arange(rows),
        "module": stored.modules,
        "package": stored.packages.tolist(),
        "share": np.random.default_rng(4).permutation(rows) % 1000,
        "embedding": stored.vectors,
    }
    copy_rows(connection, table, columns)
    connection.execute(text("VACUUM ANALYZE recalled"))


@contextmanager
def _indexed(connection: Connection, entity: Any) -> Iterator[None]:
    connection.execute(text("SET maintenance_work_mem = '1GB'"))
    (index,) = (index for index in entity.__table__.indexes if describe_index(index) is not None)
    index.create(connection)
    connection.execute(text("ANALYZE recalled"))
    yield
    index.drop(connection)


def tables(recalled: list[dict[str, Any]]) -> str:
    """Return the report's rows as Markdown, one table an index: recall, rows when some are missing, and the plan."""
    parts = []
    for index, group in groupby(recalled, lambda row: row["index"]):
        rows = list(group)
        filters = list(dict.fromkeys(row["filtered"] for row in rows))
        forms = dict.fromkeys(row["form"] for row in rows)
        lines = [(form, *(_cell(row) for row in rows if row["form"] == form)) for form in forms]
        parts.append(f"### {index}\n\n{table(('form', *filters), lines)}")
    return "\n\n".join(parts)


def _cell(row: dict[str, Any]) -> str:
    missing = "" if row["returned"] == 1 else f", rows {row['returned']:.2f}"
    return f"{row['recall']:.2f}{missing}" + (" e" if row["plan"] == "exact" else "")
