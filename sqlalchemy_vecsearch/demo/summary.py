"""What a run of the demo found out, as values that are printed or written as JSON."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Answer", "Answered", "Plan", "Rebuild", "Step", "Summary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step and the seconds that it took."""

    title: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One match of a search, with its cosine distance, 0 to 2."""

    name: str
    kind: str
    module: str
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A question with its matches, nearest first; `module` is what it was restricted to."""

    question: str
    module: str | None
    milliseconds: float
    answers: list[Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The server's plan of a search, and whether the vector index serves it."""

    index_served: bool
    indexes: list[str]
    lines: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """What searches saw while their index was rebuilt.

    `failed` counts errors and answers with too few rows, `errors` are the first few of their texts.
    """

    index: str
    before: dict[str, int]
    after: dict[str, int]
    seconds: float
    searches: int
    failed: int
    errors: list[str]
    median_milliseconds: float
    slowest_milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A whole run.

    `reused` says that the texts were there from an earlier run; `peak_memory_megabytes` is our own process's, None
    where the system does not tell.
    """

    server: str
    python: str
    postgres: str
    pgvector: str
    url: str
    directory: str | None
    texts: int
    reused: bool
    steps: list[Step]
    answered: list[Answered]
    plan: Plan
    rebuild: Rebuild
    seconds: float
    peak_memory_megabytes: int | None

    @property
    def succeeded(self) -> bool:
        """Whether the index served the searches and none of them failed during the rebuild."""
        return self.plan.index_served and self.rebuild.failed == 0
