"""The three ways to run a filtered search."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Strategy"]


class Strategy(StrEnum):
    """How a search reaches its rows. Without one the statement decides when it runs.

    - ``EXACT`` reads every row that passes the filter and sorts them: misses none, and is the fastest when few pass.
    - ``ITERATIVE`` scans the vector index in relaxed order until ``k`` rows have passed, and sorts them.
    - ``PLAIN`` scans the vector index once: for a filter that nearly every row passes.

    Where ``ITERATIVE`` and ``PLAIN`` yield fewer rows than are wanted, every row is read, in the same statement.
    """

    EXACT = "exact"
    ITERATIVE = "iterative"
    PLAIN = "plain"
