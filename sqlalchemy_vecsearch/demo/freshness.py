"""Texts that are edited by plain SQL while a worker follows them, until searches find what they say now."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import census, refresh
from sqlalchemy_vecsearch.demo.models import Document
from sqlalchemy_vecsearch.demo.searching import ROWS, search
from sqlalchemy_vecsearch.demo.summary import Fresh

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import Engine

    from sqlalchemy_vecsearch.embedding.stale import Census

__all__ = ["NEWS", "edit_and_search", "following"]

NEWS: Final = "bake bread with yeast and flour"
"""What the edited texts say, and a person asks: nothing in the library is about it."""

EDITED: Final = 100
LONGEST: Final = 30.0
"""Seconds that the demo waits for the worker before it says that it failed."""

_LOOK_AGAIN: Final = 0.02
_CHOSEN: Final = text("SELECT id, docstring FROM document ORDER BY id LIMIT :count")
_EDIT: Final = text("UPDATE document SET docstring = :docstring WHERE id = :id")


@contextmanager
def following(engine: Engine) -> Iterator[None]:
    """Let a worker follow the texts in a thread, as ``vecsearch embed --follow`` does in a process.

    What goes wrong in it is raised at the end.
    """
    stop, errors = Event(), list[Exception]()

    def follow() -> None:
        try:
            refresh(engine, Document.embedding, follow=0.1, stop=stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised in the other thread
            errors.append(error)

    worker = Thread(target=follow, name="worker")
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()
    if errors:
        raise errors[0]


def edit_and_search(engine: Engine, question: NDArray[np.float32]) -> Fresh:
    """Edit a hundred texts while a worker follows, and search until all answers are among them; then undo the edits.

    Args:
        engine: of the application.
        question: the embedding of :data:`NEWS`.
    """
    with engine.connect() as connection:
        chosen: dict[int, str] = dict(connection.execute(_CHOSEN, {"count": EDITED}).tuples().all())
    edited = dict.fromkeys(chosen, f"{NEWS.capitalize()}.")
    found_before = _found(engine, question, set(chosen))
    before = _census(engine)
    with following(engine):
        during = _edit(engine, edited)
        begin = perf_counter()
        try:
            found_after = _found(engine, question, set(chosen))
            while found_after < ROWS and perf_counter() - begin < LONGEST:
                found_after = _found(engine, question, set(chosen))
            seconds_to_find = perf_counter() - begin
            after = _settled(engine)
            seconds = perf_counter() - begin
        finally:
            _edit(engine, chosen)  # a second run finds the texts as they were
        restored = _settled(engine)
    return Fresh(
        question=NEWS,
        edited=len(chosen),
        found_before=found_before,
        found_after=found_after,
        seconds_to_find=round(seconds_to_find, 3),
        seconds=round(seconds, 3),
        before=before,
        during=during,
        after=after,
        restored=restored,
    )


def _edit(engine: Engine, docstrings: dict[int, str]) -> Census:
    """Write texts as any program does, and return the census as the transaction sees it."""
    with engine.begin() as connection:
        connection.execute(_EDIT, [{"id": key, "docstring": docstring} for key, docstring in docstrings.items()])
        return census(connection, Document.embedding)


def _census(engine: Engine) -> Census:
    with engine.connect() as connection:
        return census(connection, Document.embedding)


def _settled(engine: Engine) -> Census:
    """Return the census when nothing is pending any more, or at the end of the patience."""
    begin, looked = perf_counter(), Event()
    while True:
        found = _census(engine)
        if not found.pending or perf_counter() - begin > LONGEST:
            return found
        looked.wait(_LOOK_AGAIN)


def _found(engine: Engine, question: NDArray[np.float32], keys: set[int]) -> int:
    """Return how many of the answers to a question are rows of these keys."""
    with Session(engine) as session:
        return sum(document.id in keys for document, _ in session.execute(search(question)))
