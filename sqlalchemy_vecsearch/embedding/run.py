"""What the workers of one run share: what it is for, its limits, and how far it is."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from sqlalchemy_vecsearch.embedding.declared import EmbeddedColumn
    from sqlalchemy_vecsearch.embedding.embedders import Embedder
    from sqlalchemy_vecsearch.embedding.pacing import Budget, Rate, Retry

__all__ = ["Refreshed", "Run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What a run has done until now, and at its end.

    Args:
        written: rows that got a vector, or lost the one of a text that they do not have any more.
        edited: rows whose text was changed, or that were deleted, while the model ran: still pending, or gone.
        locked: rows that the application kept locked for seconds: still pending.
        refused: texts that the embedder refused; the work table has the reasons.
        calls: of the embedder that were answered.
        texts: that these calls embedded.
        tokens: of these texts, estimated.
        pending: rows that were pending when the run began, None where nobody asked for progress.
        seconds: since it began.
    """

    written: int = 0
    edited: int = 0
    locked: int = 0
    refused: int = 0
    calls: int = 0
    texts: int = 0
    tokens: int = 0
    pending: int | None = None
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Rows written a second."""
        return self.written / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """The time left at this rate, None where it is not known."""
        if self.pending is None or not self.rate:
            return None
        return max(0, self.pending - self.written - self.refused) / self.rate


@dataclass(slots=True, kw_only=True)
class Run:
    """The state that workers share; each change is made under a lock, since they may be threads."""

    found: EmbeddedColumn
    embedder: Embedder
    budget: Budget
    rate: Rate
    retry: Retry
    throttle: Callable[[Connection], float | None] | None
    follow: float | None
    zero_allowed: bool
    stop: Any  # Any: a threading.Event, or whatever has its is_set()
    progress: Callable[[Refreshed], object] | None
    progress_now: Refreshed = field(default_factory=Refreshed)
    embedded_some: bool = False
    exhausted: bool = False
    failed: bool = False
    _begin: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def stopped(self) -> bool:
        """Whether the workers end after their batch."""
        return self.failed or (self.stop is not None and self.stop.is_set())

    @property
    def clears_blank(self) -> bool:
        """Whether rows without a text lose their vector; a column that is NOT NULL needs one even then."""
        return bool(self.found.column.nullable)

    @property
    def refused_wait(self) -> timedelta:
        """How long a refused text rests the first time."""
        return timedelta(seconds=self.retry.refused_wait)

    def count(self, **more: int) -> None:
        """Add to what was done, and tell whoever wants to know."""
        with self._lock:
            now = self.progress_now
            added = {name: getattr(now, name) + number for name, number in more.items()}
            self.progress_now = replace(now, **added, seconds=time.monotonic() - self._begin)
            if self.progress is not None:
                self.progress(self.progress_now)

    def count_sent(self, texts: int, tokens: int) -> None:
        """Count an answered call."""
        with self._lock:
            now = self.progress_now
            self.progress_now = replace(now, calls=now.calls + 1, texts=now.texts + texts, tokens=now.tokens + tokens)

    def expect(self, pending: int) -> None:
        """Note how many rows are pending at the start."""
        self.progress_now = replace(self.progress_now, pending=pending)
