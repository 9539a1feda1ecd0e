"""The least search effort that reaches a recall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.measuring.connections import in_sync, sync_connection, undoing
from sqlalchemy_vecsearch.measuring.samples import answered, sample_of
from sqlalchemy_vecsearch.methods import IVFFlat
from sqlalchemy_vecsearch.search.building.checks import is_finite
from sqlalchemy_vecsearch.search.building.column import searched_column
from sqlalchemy_vecsearch.selects import shown
from sqlalchemy_vecsearch.settings import MAXIMUM_EF_SEARCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy_vecsearch.measuring.connections import AsyncMeasured, Measured
    from sqlalchemy_vecsearch.metrics import Metric

__all__ = ["TuningPoint", "TuningResult", "atune", "smallest", "tune"]


@dataclass(frozen=True, slots=True)
class TuningPoint:
    """One measured setting: its value, the recall it reached (0 to 1), and the median time of a query in seconds.

    ``missing`` is the number of rows that its searches returned too few; they count against the recall.
    """

    value: int
    recall: float
    seconds: float
    missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningResult:
    """What :func:`tune` found.

    ``value`` is the smallest value of ``parameter`` that reached the target, None when none did; ``frontier`` has every
    point that was measured, by value.
    """

    parameter: Literal["ef_search", "probes"]
    target: float
    value: int | None
    frontier: tuple[TuningPoint, ...]

    @property
    def ef_search(self) -> int | None:
        """The smallest ``ef_search``, for ``nearest(..., ef_search=...)``; None for IVFFlat or when none reached it."""
        return self.value if self.parameter == "ef_search" else None

    @property
    def probes(self) -> int | None:
        """The smallest ``probes``, for ``nearest(..., probes=...)``; None for HNSW or when none reached it."""
        return self.value if self.parameter == "probes" else None


def tune(
    connection: Measured,
    column: Any,
    *,
    target: Any = 0.95,  # Any: a number, numpy's included, which has no class that fits them all
    k: int = 10,
    sample: int = 100,
    questions: Iterable[Any] | None = None,
    where: Any = None,
    metric: Metric | str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> TuningResult:
    """Return the smallest ``ef_search`` (HNSW) or ``probes`` (IVFFlat) that reaches a recall, with the whole frontier.

    The value is doubled until the target is reached, and then halved in on. One sample of questions serves all values,
    so the values are comparable; they are counted as :func:`recall` counts. It reads the whole table once for each
    question, and changes nothing: what searches set for themselves is taken back, in an open transaction too.

    Args:
        connection: a ``Connection`` or a ``Session``; :func:`atune` takes the async ones.
        column: the embedding column.
        target: the recall to reach, above 0 and up to 1.
        k: how many neighbours, 1 to 999.
        sample: how many stored vectors serve as questions.
        questions: your own questions instead, as for :func:`recall`.
        where: a condition, or a list of them, that the rows must pass, as for :func:`recall`.
        metric: None takes the declared metric.
        progress: called after each question with what is measured, how many questions are answered, and how many
            there are.

    Raises:
        SearchError: the target, k or sample is out of range, no row answers any question, or the connection is async.
        VectorValueError: a question is no vector of the column's length.

    Example:
        ```text
        with engine.connect() as connection:
            found = tune(connection, Document.embedding, target=0.98)
        nearest(Document, Document.embedding, vector, k=10, ef_search=found.ef_search)
        ```
    """
    executor = sync_connection(connection, "tune")
    if not (is_finite(target) and 0 < target <= 1):
        raise SearchError(
            f"target={shown(target)} is no recall. "
            "A recall is the share of the true nearest rows that are found, above 0 and up to 1. "
            "Pass a number such as 0.95."
        )
    searched = searched_column(column, metric)
    method = None if searched.index is None else searched.index.method
    parameter: Literal["ef_search", "probes"] = "probes" if isinstance(method, IVFFlat) else "ef_search"
    points: dict[int, TuningPoint] = {}
    with undoing(executor, searched.owner):
        asked = sample_of(executor, searched, k=k, sample=sample, questions=questions, where=where, report=progress)

        def reaches(value: int) -> bool:
            name = f"{parameter}={value}"
            counted = answered(executor, asked, report=progress, name=name, **{parameter: value})
            share = counted.found / counted.wanted
            points[value] = TuningPoint(value, share, counted.seconds, counted.missing)
            return bool(share >= target)

        most = max(question.asked for question in asked.questions)
        low, high = min(most, MAXIMUM_EF_SEARCH), MAXIMUM_EF_SEARCH
        if isinstance(method, IVFFlat):
            low, high = 1, method.lists or IVFFlat.defaults["lists"]
        value = smallest(reaches, low, high)
    frontier = tuple(points[key] for key in sorted(points))
    return TuningResult(parameter=parameter, target=float(target), value=value, frontier=frontier)


async def atune(connection: AsyncMeasured, column: Any, **options: Any) -> TuningResult:
    """Return what :func:`tune` returns, on an async connection or session; it takes the same arguments."""
    result: TuningResult = await in_sync(connection, tune, column, **options)
    return result


def smallest(reaches: Callable[[int], bool], low: int, high: int) -> int | None:
    """Return the smallest value from ``low`` to ``high`` that reaches, by doubling and then halving; None if none does.

    It asks for each value once, and takes for granted that a larger value reaches what a smaller one does.
    """
    failed, value = low - 1, low
    while not reaches(value):
        if value == high:
            return None
        failed, value = value, min(value * 2, high)
    while value - failed > 1:
        middle = (failed + value) // 2
        if reaches(middle):
            value = middle
        else:
            failed = middle
    return value
