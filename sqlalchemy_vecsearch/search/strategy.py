"""The three ways to run a filtered search."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Strategy"]


class Strategy(StrEnum):
    """How a filtered search reaches its rows; ``choose_strategy`` picks one from the planner's own estimate.

    - ``EXACT`` reads every row that passes the filter and sorts them: misses none, and is the fastest when few pass.
    - ``ITERATIVE`` scans the vector index in relaxed order until ``k`` rows have passed, and sorts them.
    - ``PLAIN`` scans the vector index once, in strict order, going on only when rows are missing: for a filter that
      nearly every row passes.
    """

    EXACT = "exact"
    ITERATIVE = "iterative"
    PLAIN = "plain"
