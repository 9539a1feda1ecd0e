"""Searches that go on in the background while an index is rebuilt."""

from __future__ import annotations

import statistics
from threading import Event, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Final, Self

from sqlalchemy.orm import Session

from sqlalchemy_vecsearch.demo.searching import ROWS, search

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import Engine

__all__ = ["BackgroundSearches"]

_SHOWN_ERRORS: Final = 5


class BackgroundSearches:
    """Asks one question after the other in a thread, from entering to leaving, and counts what happens.

    Args:
        engine: of the application.
        vectors: of the questions.

    Attributes:
        seconds: how long each search took.
        errors: what went wrong, one text for each search that failed.
    """

    def __init__(self, engine: Engine, vectors: Sequence[NDArray[np.float32]]) -> None:
        self.seconds: list[float] = []
        self.errors: list[str] = []
        self._engine = engine
        self._vectors = vectors
        self._stopped = Event()
        self._thread = Thread(target=self._search_on, name="searches")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def shown_errors(self) -> list[str]:
        """The first few different errors."""
        return sorted(set(self.errors))[:_SHOWN_ERRORS]

    @property
    def median_milliseconds(self) -> float:
        """The usual time of a search."""
        return round(statistics.median(self.seconds) * 1000, 2)

    @property
    def slowest_milliseconds(self) -> float:
        """The longest time that a search took."""
        return round(max(self.seconds) * 1000, 2)

    def _search_on(self) -> None:
        while True:  # each question once at the least, however fast the rebuild is
            for vector in self._vectors:
                self._search(vector)
            if self._stopped.is_set():
                return

    def _search(self, vector: NDArray[np.float32]) -> None:
        begin = perf_counter()
        try:
            with Session(self._engine) as session:
                rows = session.execute(search(vector)).all()
        except Exception as error:  # noqa: BLE001 - whatever it is, the run reports it
            self.errors.append(f"{type(error).__name__}: {error}")
        else:
            if len(rows) < ROWS:
                self.errors.append(f"{len(rows)} rows of {ROWS}")
        self.seconds.append(perf_counter() - begin)
