"""A change of the embedding model while writers write and readers search: from 64 numbers to 256, back, and on."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from threading import Event, Thread
from time import perf_counter, sleep, time
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, event, select

import alembic_ops
from sqlalchemy_vecsearch import HNSW, VECTOR, refresh
from sqlalchemy_vecsearch.demo.passages import (
    AFTER,
    Passage,
    PassageBefore,
    PassageRenamed,
    PassageSince,
    create_passages,
    drop_passages,
    register_models,
    words_of,
)
from sqlalchemy_vecsearch.demo.summary import Reembedded
from sqlalchemy_vecsearch.demo.traffic import Readers, Writers, percentile
from sqlalchemy_vecsearch.embedding.journal import find_reembedding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

    from sqlalchemy_vecsearch.demo.embedder import Embedder
    from sqlalchemy_vecsearch.demo.report import Report
    from sqlalchemy_vecsearch.embedding.journal import SwitchMode

__all__ = ["reembed_while_used"]

JOB: Final = "to_256"
ROWS: Final = 1500
LONGEST: Final = 120.0
"""Seconds that the demo waits for the job before it says that it failed."""

_QUIET: Final = 3.0
"""Seconds before the change and after it, by which the writers are compared."""
_BETWEEN: Final = 0.5
_SOURCE: Final = ["name", "docstring"]
_SAME: Final = 0.9999
_THRESHOLDS: Final = {"pending": 0.1, "latency": 20}
"""The table is small and the writers are quick: what they write in a moment is a large part of it, and times of below a
millisecond say little."""


def reembed_while_used(engine: Engine, wordllama: Embedder, report: Report, mode: SwitchMode) -> Reembedded:
    """Change the model of a table that is written and searched all the time, and count what goes wrong.

    What the writers take is compared with what they take just before the change and just after it: other work on the
    machine weighs on both.

    Args:
        engine: of a database with the documents.
        wordllama: makes vectors of 256 numbers.
        report: prints what is done.
        mode: how searches are switched. By "rename" they rest for the moment of the switch: the application is started
            anew with the model of its questions.

    Raises:
        TimeoutError: the job did not become ready.
    """
    register_models(wordllama)
    create_passages(engine, wordllama, rows=ROWS)
    change = _Change(engine, report, mode)
    with ExitStack() as stack:
        writers = stack.enter_context(Writers(engine, rows=ROWS))
        readers = stack.enter_context(Readers(engine, change.searched))
        sleep(_QUIET)
        begin, started = time(), perf_counter()
        change.run(readers)
        end, seconds = time(), perf_counter() - started
        sleep(_QUIET)
    wrong, lost = _differences(engine, wordllama, change.searched(), writers)
    drop_passages(engine)
    usual = [taken for when, taken in writers.milliseconds if not begin <= when < end]
    during = [taken for when, taken in writers.milliseconds if begin <= when < end]
    errors = [*writers.errors, *readers.errors]
    return Reembedded(
        mode=mode,
        rows=ROWS,
        writes=len(during),
        searches=readers.searches,
        failed=len(errors),
        errors=sorted(set(errors))[:5],
        models=[str(model) for model in readers.models],
        wrong_vectors=wrong,
        lost_updates=lost,
        lock_milliseconds=round(max(change.locks, default=0.0), 1),
        swap_milliseconds=change.swap_milliseconds,
        write_p99_usual=round(percentile(usual, 0.99), 2),
        write_p99_during=round(percentile(during, 0.99), 2),
        seconds=round(seconds, 3),
    )


class _Change:
    """The change itself: begin, work, swap, go back, swap again, finish.

    Attributes:
        locks: for how many milliseconds each exchange of names was waited for: from the question for its lock to the
            end of the COMMIT.
        swap_milliseconds: how long the first switch took, of which the lock is a part.
    """

    def __init__(self, engine: Engine, report: Report, mode: SwitchMode) -> None:
        self.engine = engine
        self.report = report
        self.mode = mode
        self.released: type = PassageBefore
        self.locks: list[float] = []
        self.swap_milliseconds = 0.0

    def searched(self) -> tuple[type, Any]:  # Any: a mapped attribute
        """Return the mapped class that the application has now, and its column."""
        entity: Any = self.released
        return entity, entity.embedding_v2 if entity is PassageSince else entity.embedding

    def run(self, readers: Readers) -> None:
        """Do all of it, beside a worker that keeps the old vectors fresh as long as somebody could go back to them."""
        with ExitStack() as kept_fresh:
            fresh = lambda stop: refresh(self.engine, PassageBefore.embedding, follow=0.1, stop=stop)  # noqa: E731  # one call
            kept_fresh.enter_context(_in_thread(fresh))
            with _operations(self.engine) as op:
                op.begin_reembedding(
                    JOB,
                    table_name="passage",
                    source=_SOURCE,
                    live="embedding",
                    new=Column("embedding_v2", VECTOR(256)),
                    model=AFTER,
                    index=HNSW(),
                    metric="cosine",
                )
            self.report.say(f"op.begin_reembedding({JOB!r}): a second column, of 256 numbers")
            self.released = Passage
            work: Callable[[Event], Any] = lambda stop: alembic_ops.reembed(  # noqa: E731  # one call with its arguments
                self.engine, JOB, sample=10, follow=True, thresholds=_THRESHOLDS, stop=stop, vector_progress="none"
            )
            with _in_thread(work) as failure:
                _wait_until_ready(self.engine, failure)
                self.report.say("vecsearch reembed: filled, indexed, verified")
                if self.mode == "rename":
                    kept_fresh.close()  # its models name the columns as they are before the exchange
                self._switch_there_and_back(readers)
                kept_fresh.close()  # nobody keeps the old vectors fresh any more
            sleep(_BETWEEN)
            with _operations(self.engine) as op:
                op.finish_reembedding(JOB)
        self.report.say(f"op.finish_reembedding({JOB!r}): the old column is gone")

    def _switch_there_and_back(self, readers: Readers) -> None:
        since = PassageRenamed if self.mode == "rename" else Passage
        self.swap_milliseconds = self._switch(readers, since, lambda op: op.swap_embedding(JOB, **self._how))
        sleep(_BETWEEN)
        back = self._switch(readers, Passage, lambda op: op.swap_embedding_back(JOB, allow_stale=True))
        sleep(_BETWEEN)
        self._switch(readers, since, lambda op: op.swap_embedding(JOB, **self._how))
        self.report.say(f"swapped in {self.swap_milliseconds} ms, back in {back} ms, and forward again")
        sleep(_BETWEEN)
        if self.mode == "pointer":
            self.released = PassageSince

    @property
    def _how(self) -> dict[str, Any]:  # Any: arguments of op.swap_embedding
        return {"mode": self.mode, "max_pending": ROWS}

    def _switch(self, readers: Readers, released: type, act: Callable[[Any], None]) -> float:
        with readers.resting() if self.mode == "rename" else nullcontext(), _operations(self.engine, self.locks) as op:
            begin = perf_counter()
            act(op)
            self.released = released
            return round(1000 * (perf_counter() - begin), 1)


@contextmanager
def _operations(engine: Engine, locks: list[float] | None = None) -> Iterator[Any]:  # Any: alembic_ops adds them
    """Give what a revision calls ``op``; note in milliseconds how long locks are held that stop everybody."""
    with engine.connect() as connection:
        if locks is not None:
            _note_locks(connection, locks)
        yield Operations(MigrationContext.configure(connection, opts={"vector_progress": "none"}))


def _note_locks(connection: Connection, locks: list[float]) -> None:
    asked: list[float] = []

    def before(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "ACCESS EXCLUSIVE" in statement:
            asked[:] = [perf_counter()]

    def after(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement == "COMMIT" and asked:
            locks.append(1000 * (perf_counter() - asked.pop()))

    event.listen(connection, "before_cursor_execute", before)
    event.listen(connection, "after_cursor_execute", after)


@contextmanager
def _in_thread(function: Callable[[Event], object]) -> Iterator[list[Exception]]:
    """Run a function in a thread until the block ends; what goes wrong in it is given, and raised at the end."""
    stop, errors = Event(), list[Exception]()

    def run() -> None:
        try:
            function(stop)
        except Exception as error:  # noqa: BLE001  # it is raised in the other thread
            errors.append(error)

    thread = Thread(target=run)
    thread.start()
    try:
        yield errors
    finally:
        stop.set()
        thread.join()
    if errors:
        raise errors[0]


def _wait_until_ready(engine: Engine, failure: list[Exception]) -> None:
    end = perf_counter() + LONGEST
    while not failure and perf_counter() < end:
        with engine.connect() as connection:
            if find_reembedding(connection, JOB, None).state == "ready":
                return
        sleep(0.05)
    if not failure:
        raise TimeoutError(f"The job {JOB} was not ready after {LONGEST:.0f} s.")


def _differences(
    engine: Engine,
    wordllama: Embedder,
    searched: tuple[type, Any],  # Any: a mapped attribute
    writers: Writers,
) -> tuple[int, int]:
    """Return how many vectors are not those of their texts, and how many rows do not say what was written last."""
    entity: Any = searched[0]
    refresh(engine, searched[1])  # what was written in the last moments
    with engine.connect() as connection:
        rows = connection.execute(select(entity.id, entity.name, entity.docstring, searched[1].label("vector"))).all()
    expected = wordllama.embed([words_of(row.name, row.docstring) for row in rows])
    wrong = sum(
        row.vector is None or float(np.dot(row.vector, vector)) < _SAME
        for row, vector in zip(rows, expected, strict=True)
    )
    there = {row.id: row.docstring for row in rows}
    return wrong, sum(there.get(key) != words for key, words in writers.texts.items())
