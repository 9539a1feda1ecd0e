"""An application at work: writers that insert, edit and delete texts, and readers that search them."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import active, embed_query, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from sqlalchemy import Engine

__all__ = ["Readers", "Writers", "percentile"]

_PAUSE: Final = 0.02
_LONGEST: Final = 60.0
"""Seconds that the writers get to end."""
_QUESTIONS: Final = ("walk a directory tree", "compress a file", "parse a date from text")


def percentile(milliseconds: list[float], share: float) -> float:
    """Return the milliseconds that a share of some requests did not exceed, 0 without any."""
    found = sorted(milliseconds)
    return found[min(len(found) - 1, int(share * len(found)))] if found else 0.0


class Writers:
    """Two writers in a process of their own, from entering to leaving; what happened is known then.

    In this process they would wait for the interpreter, which embeds and verifies meanwhile, and not for the database.

    Attributes:
        milliseconds: (when, by the clock of the system, and how long) of each write.
        errors: what went wrong, one text for each write that failed.
        texts: id -> docstring of the rows that they have written, None for those that they have deleted.
    """

    def __init__(self, engine: Engine, *, rows: int) -> None:
        self.milliseconds: list[tuple[float, float]] = []
        self.errors: list[str] = []
        self.texts: dict[int, str | None] = {}
        url = engine.url.render_as_string(hide_password=False)
        self._given = json.dumps({"url": url, "rows": rows, "writers": 2}) + "\n"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "sqlalchemy_vecsearch.demo.writing"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603  # our own
        assert self._process.stdin is not None, "a pipe was asked for"
        assert self._process.stdout is not None, "a pipe was asked for"
        self._process.stdin.write(self._given)  # the address not among the arguments, which everybody may read
        self._process.stdin.flush()
        self._process.stdout.readline()  # that it begins, or nothing where it has ended
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None, "entered before"
        try:
            said, _ = self._process.communicate(timeout=_LONGEST)
        except BaseException:
            self._process.kill()
            raise
        if kind is None:
            found = json.loads(said)
            self.milliseconds = [(when, taken) for when, taken in found["milliseconds"]]
            self.errors = found["errors"]
            self.texts = dict(found["texts"])


class Readers:
    """Searches in a thread, with the question embedded by the model of the column that is searched.

    Args:
        engine: of the application.
        searched: gives the mapped class and the column that the application was written for, asked for each search.

    Attributes:
        searches: how many were made.
        errors: what went wrong, one text for each search that failed.
        models: of the questions, in the order in which they were first used.
    """

    def __init__(self, engine: Engine, searched: Callable[[], tuple[type, Any]]) -> None:
        self.engine = engine
        self.searches = 0
        self.errors: list[str] = []
        self.models: list[str | None] = []
        self._searched = searched
        self._stopped = Event()
        self._searching = Lock()
        self._thread = Thread(target=self._go_on, name="reader")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Let no search be made during a block, as while an application is started anew."""
        with self._searching:
            yield

    def one(self) -> None:
        """Answer one question in a session of its own."""
        entity, column = self._searched()
        words = _QUESTIONS[self.searches % len(_QUESTIONS)]
        with Session(self.engine) as session:
            pair = active(session, column)
            rows: Any = session.execute(nearest(entity, pair.column, embed_query(pair.column, words), k=10)).all()
        if len(rows) != 10:  # noqa: PLR2004  # as many as were asked for
            self.errors.append(f"{len(rows)} rows of 10")
        if not self.models or self.models[-1] != pair.model:
            self.models.append(pair.model)

    def _go_on(self) -> None:
        while not self._stopped.wait(_PAUSE):
            with self._searching:
                try:
                    self.one()
                except Exception as error:  # noqa: BLE001  # whatever it is, a user would have seen it
                    self.errors.append(f"{type(error).__name__}: {error}".partition("\n")[0])
                self.searches += 1
