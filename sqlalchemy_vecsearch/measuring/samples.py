"""Questions with their true answers, against which the answers of an index are counted."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlalchemy import ColumnElement, func, literal, select, type_coerce

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.expressions import distance_between
from sqlalchemy_vecsearch.search.building.checks import require_count
from sqlalchemy_vecsearch.search.building.query_vector import bound_query, can_be_compared
from sqlalchemy_vecsearch.search.building.row_keys import entity_key
from sqlalchemy_vecsearch.search.building.subselects import filtered_first, inline
from sqlalchemy_vecsearch.search.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection, Select
    from sqlalchemy.orm import Session

    from sqlalchemy_vecsearch.search.building.column import SearchedColumn

__all__ = ["Answers", "Question", "Report", "Sample", "answered", "sample_of"]

Report = "Callable[[str, int, int], None]"
"""Called after each question with what is measured, how many questions are answered, and how many there are."""

_TOLERANCE: Final = 1e-6
"""Two float4 distances that differ by less are the same distance, computed in another order."""


@dataclass(frozen=True, slots=True)
class Question:
    """A vector to search for, with the distances of its true nearest rows.

    Attributes:
        vector: the vector, as SQL.
        asked: how many rows are asked for.
        own: the distance of the vector to itself, where a stored row is the question: rows at that very distance are
            its copies, which find each other whatever the index is worth, and do not count. The server computes both
            by one function of the same values.
        returned: how many rows the exact answer has, the copies included.
        nearest: the distances of those of them that count, ascending.
    """

    vector: ColumnElement[Any]
    asked: int
    own: float | None
    returned: int
    nearest: tuple[float, ...]

    def counted(self, distances: Iterable[float]) -> list[float]:
        """Return the distances of rows that are no copies of the question, ascending."""
        return sorted(found for found in distances if found != self.own)

    def hits(self, distances: Sequence[float]) -> int:
        """Return how many of the returned rows are as near as the true ones; ties are equal."""
        if not self.nearest:
            return 0
        farthest = self.nearest[-1]
        near = [found for found in self.counted(distances) if found <= farthest or _same(found, farthest)]
        return min(len(near), len(self.nearest))


@dataclass(frozen=True, slots=True)
class Sample:
    """Questions about a column, and the rows that may answer them."""

    searched: SearchedColumn
    source: Select[Any]  # Any: the keys of the rows
    questions: tuple[Question, ...]

    def search(self, question: Question, **options: Any) -> Select[Any]:  # Any: those of nearest
        """Return the search that a question asks for."""
        searched = self.searched
        return nearest(
            self.source, searched.element, question.vector, k=question.asked, metric=searched.metric, **options
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """How an index answers a sample: the true rows that it found, those that exist, and rows that did not come at all.

    ``seconds`` is the median time of a query.
    """

    found: int
    wanted: int
    missing: int
    seconds: float


def sample_of(
    executor: Connection | Session,
    searched: SearchedColumn,
    *,
    k: int,
    sample: int,
    questions: Iterable[Any] | None,  # Any: vectors
    where: Any,  # Any: one condition, or several
    report: Callable[[str, int, int], None] | None,
) -> Sample:
    """Return the caller's questions or stored rows as questions, each with its true answer from a full scan.

    Raises:
        SearchError: a number is out of range, or there is no question that any row answers.
        VectorValueError: a question is no vector of the column's length.
    """
    require_count("k", k, "how many neighbours to look for")
    require_count("sample", sample, "how many stored vectors serve as queries")
    conditions = () if where is None else tuple(where) if isinstance(where, list | tuple) else (where,)
    source = select(*entity_key(searched.stored)).where(*conditions)
    asked: list[tuple[ColumnElement[Any], float | None]]
    if questions is None:
        asked = [(literal(vector, searched.type), own) for vector, own in _drawn(executor, searched, source, sample)]
    else:
        asked = [(bound_query(question, searched), None) for question in questions]
    drawn = []
    for done, (vector, own) in enumerate(asked, start=1):
        wanted = int(k) if own is None else int(k) + 1
        open_question = Question(vector, wanted, own, 0, ())
        statement = Sample(searched, source, ()).search(open_question, exact=True)
        distances = _distances(executor, statement)
        nearest_ones = tuple(open_question.counted(distances)[: int(k)])
        if nearest_ones:
            drawn.append(Question(vector, wanted, own, len(distances), nearest_ones))
        if report is not None:
            report("exact answers", done, len(asked))
    if not drawn:
        raise _nothing_to_count(searched, stored=questions is None)
    return Sample(searched, source, tuple(drawn))


def answered(
    executor: Connection | Session,
    sample: Sample,
    *,
    report: Callable[[str, int, int], None] | None = None,
    name: str = "answers of the index",
    **options: Any,  # Any: those of nearest
) -> Answers:
    """Return how searches through the index answer a sample."""
    found, missing, times = 0, 0, []
    for done, question in enumerate(sample.questions, start=1):
        statement = sample.search(question, **options)
        start = perf_counter()
        distances = _distances(executor, statement)
        times.append(perf_counter() - start)
        found += question.hits(distances)
        missing += max(0, question.returned - len(distances))
        if report is not None:
            report(name, done, len(sample.questions))
    times.sort()
    wanted = sum(len(question.nearest) for question in sample.questions)
    return Answers(found=found, wanted=wanted, missing=missing, seconds=times[len(times) // 2])


def _drawn(
    executor: Connection | Session,
    searched: SearchedColumn,
    source: Select[Any],
    sample: int,
) -> list[tuple[Any, float]]:
    """Return stored vectors chosen at random, each with its distance to itself; copies ask one question together."""
    vector = type_coerce(searched.element, searched.type).label("vector")
    own = distance_between(searched.element, searched.element, searched.metric).label("own")
    rows = inline(filtered_first(source.with_only_columns(vector, own), searched.element), "stored")
    statement = (
        select(rows.c.vector, rows.c.own)
        .where(can_be_compared(rows.c.vector, searched))
        .order_by(func.pg_catalog.random())
        .limit(int(sample))
    )
    found = {_identity(row.vector): (row.vector, float(row.own)) for row in executor.execute(statement)}
    return list(found.values())


def _identity(vector: Any) -> Any:  # Any: what the type returns
    return vector.tobytes() if isinstance(vector, np.ndarray) else str(vector)


def _distances(executor: Connection | Session, statement: Select[Any]) -> list[float]:
    """Return the distances of the rows; a zero vector under cosine has none, and is nobody's neighbour."""
    found = (float(row.distance) for row in executor.execute(statement))
    return [distance for distance in found if not isnan(distance)]


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= _TOLERANCE * max(1.0, abs(other))


def _nothing_to_count(searched: SearchedColumn, *, stored: bool) -> SearchError:
    if stored:
        return SearchError(
            f"The recall of {searched.label!r} can not be measured. "
            "It takes stored embeddings as queries and looks for their neighbours, copies of the query left out, and "
            "no row that it sees has one. "
            "Load rows with at least two different embeddings, or pass questions=."
        )
    return SearchError(
        f"The recall of {searched.label!r} can not be measured. "
        "It counts the rows nearest to each question, and no row that it sees answers one. "
        "Load rows, pass questions, or let more rows pass the filter."
    )
