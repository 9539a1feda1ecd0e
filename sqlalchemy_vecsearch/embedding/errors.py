"""The errors of embedding texts."""

from __future__ import annotations

from sqlalchemy_vecsearch.errors import VecSearchError

__all__ = [
    "ColumnSwitchedError",
    "EmbedderError",
    "EmbedderRefusesAllError",
    "FingerprintError",
    "JobStateError",
    "ReembeddingError",
    "RetryLater",
    "UnknownEmbedderError",
    "UnknownJobError",
    "VerificationError",
    "WorkTableError",
]


class EmbedderError(VecSearchError, ValueError):
    """An embedder is registered wrongly, or returned what is no vector for each text."""


class UnknownEmbedderError(EmbedderError, LookupError):
    """A column declares no model, or one that no embedder is registered for."""


class FingerprintError(EmbedderError):
    """An embedder goes by the name of another model that has made vectors of the column."""


class EmbedderRefusesAllError(EmbedderError):
    """An embedder refuses every text, or cannot be reached: the texts are not to blame.

    What was written before stays; the rows that were being embedded are pending.
    """


class RetryLater(VecSearchError):  # noqa: N818  # what an embedder says, as StopIteration
    """Raised by an embedder that can not answer now: too many requests, or a time-out.

    Attributes:
        seconds: how long to wait at least, None for a growing time of the worker's.
    """

    def __init__(self, message: str = "The embedder can not answer now.", *, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class WorkTableError(VecSearchError, RuntimeError):
    """The table of rows in work is missing and may not be created."""


class ReembeddingError(VecSearchError, RuntimeError):
    """A job of re-embedding can not do what it was asked for; nothing was changed."""


class UnknownJobError(ReembeddingError, LookupError):
    """The journal has no job of this name.

    Attributes:
        job: the name.
        known: the names that it has.
    """

    def __init__(self, message: str, *, job: str, known: tuple[str, ...]) -> None:
        super().__init__(message)
        self.job = job
        self.known = known


class JobStateError(ReembeddingError):
    """A job of re-embedding is in a state from which it can not make the move.

    Attributes:
        job: its name.
        state: the state that was found: "begun", "ready", "swapped" or "finished".
    """

    def __init__(self, message: str, *, job: str, state: str) -> None:
        super().__init__(message)
        self.job = job
        self.state = state


class VerificationError(VecSearchError, ValueError):
    """A column can not be verified as it is asked for: there is no such check, or the questions are of no use."""


class ColumnSwitchedError(ReembeddingError):
    """A worker goes by the names that two columns had before a change of model; it has written nothing there."""
