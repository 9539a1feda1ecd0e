"""The keyword arguments of the searches, as the overloads of their signatures name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Required, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.stages import Stages
    from sqlalchemy_vecsearch.search.strategy import Strategy

__all__ = [
    "BatchOptions",
    "BoostOptions",
    "CountOptions",
    "GroupOptions",
    "MaxSimOptions",
    "NearestFirstOptions",
    "NearestOptions",
    "PageOptions",
    "PairsOptions",
    "RecommendOptions",
]


class NearestFirstOptions(TypedDict, total=False):
    """The keyword arguments of ``nearest_first``."""

    metric: Metric | str | None
    exact: bool
    ef_search: int | None


class _SearchOptions(NearestFirstOptions, total=False):
    probes: int | None


class NearestOptions(_SearchOptions, total=False):
    """The keyword arguments of ``nearest``."""

    k: Required[int]
    within: float | None
    max_scan_tuples: int | None
    strict: bool
    oversample: int | None
    stages: Stages
    strategy: Strategy | None


class GroupOptions(_SearchOptions, total=False):
    """The keyword arguments of ``nearest_per_group``."""

    by: Required[Any]  # Any: a mapped attribute or a column
    k: Required[int]
    per_group: int
    oversample: int | None


class BatchOptions(_SearchOptions, total=False):
    """The keyword arguments of ``nearest_each``."""

    k: Required[int]
    within: float | None


class RecommendOptions(_SearchOptions, total=False):
    """The keyword arguments of ``recommend``."""

    positive: Required[Sequence[Any]]  # Any: keys, vectors and expressions
    negative: Sequence[Any]
    k: Required[int]
    strategy: Literal["average", "best_score"]


class PageOptions(_SearchOptions, total=False):
    """The keyword arguments of ``page``."""

    number: Required[int]
    size: Required[int]
    pool: int


class BoostOptions(_SearchOptions, total=False):
    """The keyword arguments of ``boosted``."""

    boost: Required[Any]  # Any: an expression, whatever its type
    k: Required[int]
    pool: int | None


class PairsOptions(_SearchOptions, total=False):
    """The keyword arguments of ``similar_pairs``."""

    within: Required[float]
    k: int


class CountOptions(_SearchOptions, total=False):
    """The keyword arguments of ``count_within``."""

    within: Required[float]
    at_most: int


class MaxSimOptions(_SearchOptions, total=False):
    """The keyword arguments of ``max_sim``."""

    by: Required[Any]  # Any: a mapped attribute or a column
    k: Required[int]
    candidates: int | None
