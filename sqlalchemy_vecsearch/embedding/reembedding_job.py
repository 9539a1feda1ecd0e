"""The long work of a job of re-embedding: fill the new column, build its index, verify it, say that it is ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import select, text

from sqlalchemy_vecsearch.embedding.embedders import embedder_of
from sqlalchemy_vecsearch.embedding.job_result import JobResult, next_step_of, refreshed_together
from sqlalchemy_vecsearch.embedding.journal import find_reembedding
from sqlalchemy_vecsearch.embedding.journal_moves import Move, keep_report, make
from sqlalchemy_vecsearch.embedding.reembedding import held_columns
from sqlalchemy_vecsearch.embedding.refreshing import refresh
from sqlalchemy_vecsearch.embedding.stale import failed_rows
from sqlalchemy_vecsearch.embedding.verification.subject import COUNT, Subject
from sqlalchemy_vecsearch.embedding.verification.verify import verified

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from sqlalchemy_vecsearch.embedding.journal import Reembedding
    from sqlalchemy_vecsearch.embedding.reembedding import ReembeddedColumns
    from sqlalchemy_vecsearch.embedding.run import Refreshed
    from sqlalchemy_vecsearch.embedding.verification.report import Report
    from sqlalchemy_vecsearch.embedding.verification.subject import Progress
    from sqlalchemy_vecsearch.embedding.verification.verify import Verification

__all__ = ["BuildIndex", "work_on_job"]

BuildIndex: TypeAlias = Callable[["Engine", "Reembedding", "str | None"], None]
"""Makes sure that the index of a job is there, by the operations of ``alembic_ops``."""

_LOOK: Final = 1.0
"""How often in seconds a runner that follows looks for pending rows by itself."""

_FEW: Final = 100
"""Rows that may be pending when the index is built: they are embedded after it."""

_BUDGETS: Final = ("limit", "max_texts", "max_tokens")


def work_on_job(
    engine: Engine,
    job: str,
    *,
    schema: str | None,
    build: BuildIndex,
    verification: Verification,
    where: str | None,
    follow: bool,
    told: Progress,
    stop: Event,
    limits: Mapping[str, Any],  # Any: as refresh() takes them
) -> JobResult:
    """Do what a job needs from where it is, and return how far it is.

    It may be killed at any point and run again, and run twice at once: what is done is known by the rows, the catalog
    and the journal, and nothing else is remembered.

    Args:
        engine: of the database.
        job: its name.
        schema: of its table.
        build: makes sure that the index is there.
        verification: how the column is verified.
        where: the rows that are embedded and compared: a trial, after which the job is where it was. None for all.
        follow: whether it goes on with what becomes pending once it is ready.
        told: called with what is done, how much of it, and how much there is.
        stop: ends the run after the batches that are under way.
        limits: further arguments of :func:`refresh`.

    Raises:
        UnknownJobError: the journal has no such job.
        JobStateError: the job was switched or aborted meanwhile.
        EmbedderRefusesAllError: the embedder can not be reached, or refuses every text.
    """
    runner = _Runner(engine, job, schema, where, stop, limits)
    columns = runner.look()
    if columns.job.paused or columns.job.state == "finished":
        return runner.result()
    report: Report | None = None
    with runner.ended_by_switch_of(columns):
        runner.fill(columns)
        if not runner.fills_only(columns):
            index = columns.job.index_definition if where is None else None
            if index is not None:
                build(engine, columns.job, schema)
                runner.fill(columns)  # what was written during the build
            report = runner.verify(columns, index, verification, told)
    goes_on = follow and not stop.is_set() and (report is None or report.passed)
    return runner.followed(report) if goes_on else runner.result(report)


@dataclass(frozen=True, slots=True)
class _AnyOf:
    """An event that is set when any of some is."""

    events: tuple[Any, ...]  # Any: whatever has its is_set()

    def is_set(self) -> bool:
        return any(one.is_set() for one in self.events)


class _ToldToEnd(Exception):  # noqa: N818  # no error: it leads out of a verification
    """The run was told to end."""


@dataclass(slots=True)
class _Runner:
    """What the steps of one run share."""

    engine: Engine
    job: str
    schema: str | None
    where: str | None
    stop: Event
    limits: Mapping[str, Any]
    done: Refreshed | None = None
    interrupted: Event = field(default_factory=Event)
    """That the job was paused, or that its columns have other names now."""

    @property
    def ended(self) -> bool:
        return self.stop.is_set() or self.interrupted.is_set()

    @property
    def has_budget(self) -> bool:
        return any(self.limits.get(name) is not None for name in _BUDGETS)

    def is_set(self) -> bool:
        """Say to a worker that it ends after its batch."""
        return self.ended

    @contextmanager
    def ended_by_switch_of(self, columns: ReembeddedColumns) -> Iterator[None]:
        """Interrupt the run, rather than fail, where the columns exchange their names under it.

        Whatever fails then fails for that: a name leads to the other column, or to none, as the former column need not
        have columns of provenance that the names of the new one would lead to.
        """
        try:
            yield
        except Exception:
            if not self.switched(columns):
                raise
            self.interrupted.set()  # what was not written is pending under the name that the column has now

    def switched(self, columns: ReembeddedColumns) -> bool:
        """Say whether the columns have exchanged their names since they were read."""
        with self.engine.connect() as connection:
            return find_reembedding(connection, self.job, self.schema).renamed != columns.job.renamed

    def look(self) -> ReembeddedColumns:
        """Read what the journal and the catalog say now."""
        with self.engine.connect() as connection:
            return held_columns(connection, self.job, self.schema)

    def fill(self, columns: ReembeddedColumns) -> None:
        """Embed the pending rows of the new column, in passes that each end when their backlog is worked off.

        Beside an application that goes on writing, rows become pending as fast as they are embedded, and a run until
        none is left would have no end.
        """
        before = None
        while not self.ended:
            backlog, left = self._pass(columns)
            is_last = backlog <= _FEW or (before is not None and backlog >= before)
            if not left or is_last or self.has_budget:
                return
            before = backlog

    def follow(self, columns: ReembeddedColumns) -> None:
        """Embed what becomes pending until the run is told to end, or the column has another name."""
        with self.ended_by_switch_of(columns):
            self._refresh(columns, self.limits.get("progress"), follow=_LOOK, stop=self)

    def _pass(self, columns: ReembeddedColumns) -> tuple[int, bool]:
        """Embed as many rows as are pending now; return how many, and whether others have become pending meanwhile."""
        shown, worked_off = self.limits.get("progress"), Event()
        backlog = 0

        def progress(now: Refreshed) -> None:
            nonlocal backlog
            backlog = now.pending or 0
            if now.written + now.refused >= backlog:
                worked_off.set()
            if shown is not None:
                shown(now)

        self._refresh(columns, progress, follow=None, stop=_AnyOf((self, worked_off)))
        return backlog, worked_off.is_set()

    def _refresh(self, columns: ReembeddedColumns, progress: Any, *, follow: float | None, stop: Any) -> None:
        """Let the one worker that there is embed; Any: as refresh() takes them, of events what it asks of them."""
        begun, throttle = columns.job, self.limits.get("throttle")

        def heed_journal(connection: Connection) -> float | None:
            now = find_reembedding(connection, self.job, self.schema)
            if now.paused or now.renamed != begun.renamed:
                self.interrupted.set()
                return None
            seconds: float | None = None if throttle is None else throttle(connection)
            return seconds

        limits = {**self.limits, "throttle": heed_journal, "progress": progress}
        done = refresh(self.engine, columns.found.column, where=self.where, follow=follow, stop=stop, **limits)
        self.done = done if self.done is None else refreshed_together(self.done, done)

    def fills_only(self, columns: ReembeddedColumns) -> bool:
        """Say whether the run is over when the rows are embedded, or as many of them as it may."""
        if self.ended or columns.job.state == "swapped":
            return True
        _, pending, failed = self.count()
        return pending > failed and self.has_budget

    def count(self) -> tuple[ReembeddedColumns, int, int]:
        """Return the columns as they are, how many rows are pending, and how many of them were refused."""
        where = None if self.where is None else text(self.where)
        in_transaction = self.engine.execution_options(isolation_level="READ COMMITTED")
        with in_transaction.connect() as connection:
            columns = held_columns(connection, self.job, self.schema)
            found = columns.found
            pending = select(COUNT).select_from(found.table).where(found.pending)
            counted = connection.scalar(pending if where is None else pending.where(where)) or 0
            return columns, counted, failed_rows(connection, found, where)

    def verify(
        self, columns: ReembeddedColumns, index: dict[str, Any] | None, wish: Verification, told: Progress
    ) -> Report | None:
        """Return the report, None where the run was told to end before it, or what it measured has changed places."""
        if self.ended:
            return None
        assert columns.live is not None, "it is there until the job is finished"
        subject = Subject(
            found=columns.found,
            live=columns.live,
            index=None if index is None else index["name"],
            index_where=None if index is None or not index.get("where") else text(index["where"]),
            where=None if self.where is None else text(self.where),
        )

        def told_unless_stopped(title: str, done: int, total: int) -> None:
            if self.stop.is_set():
                raise _ToldToEnd
            told(title, done, total)

        embedder = embedder_of(columns.found.column)
        try:
            report = verified(self.engine, columns, subject, embedder, wish, told=told_unless_stopped)
        except _ToldToEnd:
            return None
        if self.switched(columns):
            self.interrupted.set()
            return None
        if self.where is None:
            self._note(report)
        return report

    def _note(self, report: Report) -> None:
        """Let the journal keep the report, and say that the job is ready, or that it is not."""
        kept = report.to_json()
        with self.engine.begin() as connection:
            if report.passed:
                make(connection, Move.READY, self.job, self.schema, verification=kept)
            else:
                keep_report(connection, self.job, self.schema, kept)

    def followed(self, report: Report | None = None) -> JobResult:
        """Go on with what becomes pending until the job rests or is told to end, by whatever name the column has."""
        while not self.stop.is_set():
            self.interrupted.clear()
            columns = self.look()
            if columns.job.paused or columns.job.state == "finished":
                break
            self.follow(columns)
        return self.result(report)

    def result(self, report: Report | None = None) -> JobResult:
        """Return how far the job is."""
        columns, pending, failed = self.count()
        return JobResult(
            job=self.job,
            state=columns.job.state,
            paused=columns.job.paused,
            stopped=self.stop.is_set(),
            refreshed=self.done,
            pending=pending,
            failed=failed,
            report=report,
            next=next_step_of(columns.job, pending=pending, failed=failed),
        )
