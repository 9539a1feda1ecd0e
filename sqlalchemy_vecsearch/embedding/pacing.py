"""How much a worker takes at once, how fast, and when it has had enough."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy_vecsearch.embedding.errors import EmbedderError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Adaptive", "Budget", "Rate", "Retry", "tokens_in"]

CHARACTERS_A_TOKEN: Final = 4  # of English text and the usual tokenizers; code and other scripts have fewer


def tokens_in(texts: Sequence[str]) -> int:
    """Return about how many tokens some texts have: one for four bytes of UTF-8, and at least one a text."""
    return sum(max(1, -(-len(text.encode()) // CHARACTERS_A_TOKEN)) for text in texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often an embedder that does not answer is asked again, and how long is waited.

    Args:
        attempts: how often one call is tried before the worker gives up, at least 1; a refused text three times at
            most.
        first_wait: seconds before the second time; it doubles from there on, and a random part of it is waited less.
        longest_wait: the longest of these waits in seconds.
        refused_wait: seconds until a worker tries a refused text again; four times as long after each time.
    """

    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 60.0
    refused_wait: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.first_wait, self.longest_wait, self.refused_wait) < 0:
            raise EmbedderError(
                f"{self!r} is no way to try again. "
                "A call is tried once at least, and no wait is below 0 seconds. "
                "Write Retry(attempts=6, first_wait=0.5, longest_wait=60)."
            )

    def wait(self, attempt: int, wanted: float | None = None) -> float:
        """Return the seconds to wait after an attempt, counted from 1; ``wanted`` is what the embedder asks for."""
        growing: float = min(self.longest_wait, self.first_wait * 2.0 ** (attempt - 1))
        return max(growing * random.uniform(0.5, 1), wanted or 0)  # noqa: S311  # spreads workers, protects nothing


@dataclass(slots=True)
class Adaptive:
    """A size between a least and a most, that doubles while its work is quick and halves when it is slow."""

    size: int
    most: int
    quick: float
    slow: float
    least: int = 1

    def learn(self, seconds: float) -> None:
        """Take the time that work of this size took."""
        if seconds > self.slow:
            self.halve()
        elif seconds < self.quick:
            self.size = min(self.most, self.size * 2)

    def halve(self) -> None:
        """Take half of it from now on."""
        self.size = max(self.least, self.size // 2)


@dataclass(slots=True)
class Rate:
    """The most texts or tokens a minute that all workers of a process send together.

    Args:
        texts: a minute, None for any number.
        tokens: a minute, estimated from the texts; None for any number.
    """

    texts: float | None = None
    tokens: float | None = None
    _free_at: float = field(default=0.0, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        for number in (self.texts, self.tokens):
            if number is not None and number <= 0:
                raise EmbedderError(
                    f"A rate of {number!r} a minute lets nothing pass. "
                    "It is the most texts, or tokens, that are sent in a minute. "
                    "Write a number above 0, or leave it out."
                )

    def reserve(self, texts: int, tokens: int, *, clock: Callable[[], float] = time.monotonic) -> float:
        """Return how many seconds to wait before some texts are sent, and count them as sent then."""
        shares = [count / rate for count, rate in ((texts, self.texts), (tokens, self.tokens)) if rate is not None]
        if not shares:
            return 0.0
        with self._lock:
            now = clock()
            start = max(now, self._free_at)
            self._free_at = start + 60 * max(shares)
            return start - now


@dataclass(slots=True)
class Budget:
    """What a run may still spend: rows, texts, tokens; None is any number. Shared by its workers."""

    rows: int | None = None
    texts: int | None = None
    tokens: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def reserve_rows(self, wanted: int) -> int:
        """Return how many rows may be taken, and count them as taken."""
        with self._lock:
            granted = min([wanted, *(left for left in (self.rows, self.texts) if left is not None)])
            if self.tokens is not None and self.tokens <= 0:
                granted = 0
            if self.rows is not None:
                self.rows -= granted
            return max(0, granted)

    def give_back_rows(self, count: int) -> None:
        """Take back rows that were counted and came to nothing."""
        with self._lock:
            if self.rows is not None:
                self.rows += count

    def fitting(self, texts: Sequence[str]) -> int:
        """Return how many of some texts, from the first on, may still be sent, and count them as sent."""
        with self._lock:
            count, tokens = 0, 0
            for text in texts:
                more = tokens_in([text])
                if (self.texts is not None and count + 1 > self.texts) or (
                    self.tokens is not None and tokens + more > self.tokens
                ):
                    break
                count, tokens = count + 1, tokens + more
            if self.texts is not None:
                self.texts -= count
            if self.tokens is not None:
                self.tokens = self.tokens - tokens if count == len(texts) else 0
            return count
