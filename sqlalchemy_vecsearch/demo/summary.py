"""What a run of the demo found out, as values that are printed or written as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.embedding.stale import Census

__all__ = ["Answer", "Answered", "Fresh", "Plan", "Rebuild", "Step", "Summary"]


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
class Fresh:
    """What searches saw of texts that were edited by plain SQL while a worker followed.

    `found_before` and `found_after` count the answers to `question` that are edited rows, of ten; `seconds_to_find`
    tells when all were, `seconds` when the last vector was written. The census is that `before` the edits, `during`
    their transaction, `after` the worker, and when the edits were undone and followed in the same way (`restored`).
    """

    question: str
    edited: int
    found_before: int
    found_after: int
    seconds_to_find: float
    seconds: float
    before: Census
    during: Census
    after: Census
    restored: Census

    @property
    def succeeded(self) -> bool:
        """Whether the new texts were found and every vector is that of its text."""
        return self.found_after > self.found_before and not (self.after.pending or self.restored.pending)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reembedded:
    """What an application saw of a change of its embedding model, from 64 numbers to 256, back, and on.

    `models` are those that questions were embedded by, in their order; `wrong_vectors` counts rows at the end whose new
    vector is not that of their text, `lost_updates` those that do not say what was written last. The times are in
    milliseconds: for the longest lock that stops everybody (0 by the pointer, which takes none), of all of the first
    `op.swap_embedding`, and the 99th percentile of the writes of `usual` seconds, just before the change and just after
    it, and of those `during` all of it.
    """

    mode: str
    rows: int
    writes: int
    searches: int
    failed: int
    errors: list[str]
    models: list[str]
    wrong_vectors: int
    lost_updates: int
    lock_milliseconds: float
    swap_milliseconds: float
    write_p99_usual: float
    write_p99_during: float
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Whether no request failed, no update was lost, and every vector is that of its text."""
        return not (self.failed or self.wrong_vectors or self.lost_updates)


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
    fresh: Fresh
    reembedded: Reembedded | None
    seconds: float
    peak_memory_megabytes: int | None

    @property
    def succeeded(self) -> bool:
        """Whether the index served the searches, none failed during the rebuild, and edited texts were found.

        Where the model was changed, that has to have gone unnoticed, too.
        """
        unnoticed = self.reembedded is None or self.reembedded.succeeded
        return self.plan.index_served and self.rebuild.failed == 0 and self.fresh.succeeded and unnoticed
