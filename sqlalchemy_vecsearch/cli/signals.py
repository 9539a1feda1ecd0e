"""The end of a command that runs until somebody ends it."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["end_awaited"]


@contextmanager
def end_awaited() -> Iterator[Event]:
    """Give an event that Ctrl-C and SIGTERM set, also where a shell in the background has Ctrl-C ignored."""
    ended = Event()
    before = {
        number: signal.signal(number, lambda _number, _frame: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
