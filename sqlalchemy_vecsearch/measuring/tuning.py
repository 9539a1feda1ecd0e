"""The least search effort that reaches a recall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.measuring.recall import exact_sample, measured
from sqlalchemy_vecsearch.methods import IVFFlat
from sqlalchemy_vecsearch.settings import MAXIMUM_EF_SEARCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from sqlalchemy_vecsearch.metrics import Metric

__all__ = ["TuningPoint", "TuningResult", "smallest", "tune"]

_MOST_LISTS: Final = 32_768


@dataclass(frozen=True, slots=True)
class TuningPoint:
    """One measured setting: its value, the recall it reached (0 to 1), and the median time of a query in seconds."""

    value: int
    recall: float
    seconds: float


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
    connection: Connection | Session,
    column: Any,
    *,
    target: float = 0.95,
    k: int = 10,
    sample: int = 100,
    metric: Metric | str | None = None,
) -> TuningResult:
    """Return the smallest ``ef_search`` (HNSW) or ``probes`` (IVFFlat) that reaches a recall, with the whole frontier.

    The value is doubled until the target is reached, and then halved in on. One sample of queries serves all values,
    so the values are comparable; it reads the whole table ``sample`` times, and changes nothing.

    Args:
        connection: a ``Connection`` or a ``Session``.
        column: the embedding column.
        target: the recall to reach, above 0 and up to 1.
        k: how many neighbours, 1 to 999.
        sample: how many stored vectors serve as queries.
        metric: None takes the declared metric.

    Raises:
        SearchError: the target, k or sample is out of range, or the table holds fewer than two embeddings.

    Example:
        ```text
        with engine.connect() as connection:
            found = tune(connection, Document.embedding, target=0.98)
        nearest(Document, Document.embedding, vector, k=10, ef_search=found.ef_search)
        ```
    """
    if not 0 < target <= 1:
        raise SearchError(
            f"target={target!r} is no recall. "
            "A recall is the share of the true nearest rows that are found, above 0 and up to 1. "
            "Pass a number such as 0.95."
        )
    drawn = exact_sample(connection, column, k=k, sample=sample, metric=metric)
    index = drawn.searched.index
    is_ivfflat = index is not None and isinstance(index.method, IVFFlat)
    parameter: Literal["ef_search", "probes"] = "probes" if is_ivfflat else "ef_search"
    points: dict[int, TuningPoint] = {}

    def reaches(value: int) -> bool:
        share, seconds = measured(connection, drawn, **{parameter: value})
        points[value] = TuningPoint(value, share, seconds)
        return share >= target

    low, high = (1, _MOST_LISTS) if is_ivfflat else (min(k + 1, MAXIMUM_EF_SEARCH), MAXIMUM_EF_SEARCH)
    if is_ivfflat and index is not None and isinstance(index.method, IVFFlat):
        high = index.method.lists or IVFFlat.defaults["lists"]
    value = smallest(reaches, low, high)
    return TuningResult(
        parameter=parameter, target=target, value=value, frontier=tuple(points[key] for key in sorted(points))
    )


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
