"""One worker: what it asks of the database, of the embedder, and of the clock, in its order.

It touches none of them itself: it yields steps, which :mod:`.driving` takes in a thread or in an event loop.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy_vecsearch.embedding.embedders import checked_answer, checked_batch
from sqlalchemy_vecsearch.embedding.errors import EmbedderRefusesAllError
from sqlalchemy_vecsearch.embedding.pacing import Adaptive, tokens_in
from sqlalchemy_vecsearch.embedding.refusals import Fault, fault_of, reason_of, wait_wanted_by
from sqlalchemy_vecsearch.embedding.steps import Ask, Embed, Wait, Wake
from sqlalchemy_vecsearch.embedding.writing import Made, Writer
from sqlalchemy_vecsearch.errors import VectorValueError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from sqlalchemy_vecsearch.embedding.claims import Claimed, Claims, Found
    from sqlalchemy_vecsearch.embedding.run import Run
    from sqlalchemy_vecsearch.embedding.steps import Step

__all__ = ["work"]


_TRIES_OF_A_TEXT = 3
_REFUSED_AT_FIRST = 10
_REST_OF_LOCKED = 30.0
_LOCKED_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_SWEEPS_IN_VAIN = 3
"""Sweeps in a row in which every row was edited while the model ran, after which a run that does not follow ends: rows
that are edited faster than they are embedded would keep it, and its embedder, at work for ever."""


def work(run: Run, claims: Claims) -> Generator[Step, Any, None]:
    """Yield the steps of one worker until nothing is left that it may take, or for ever where it follows the table.

    Raises:
        EmbedderRefusesAllError: the embedder can not be reached, or refuses every text.
    """
    yield Ask(claims.come_alive)
    worker = _Worker(run, claims)
    in_vain = 0
    while not run.stopped:
        handled = yield from worker.sweep()
        if run.exhausted:
            break
        in_vain = 0 if handled else in_vain + 1
        if not handled:
            yield Ask(claims.forget_finished)
            if run.follow is not None:
                yield Wake(run.follow)
            elif not worker.edited or in_vain == _SWEEPS_IN_VAIN:
                break


@dataclass(slots=True)
class _Group:
    """Texts that go to the embedder together, and how often they have been sent."""

    rows: tuple[Claimed, ...]
    tries: int = 0


@dataclass(slots=True)
class _Worker:
    run: Run
    claims: Claims
    writer: Writer = field(init=False)
    batch: Adaptive = field(init=False)
    claim: Adaptive = field(init=False)
    chunk: Adaptive = field(init=False)
    resting: dict[str, float] = field(default_factory=dict)
    edited: int = 0
    """Rows of the last sweep whose text was changed while the model ran."""

    def __post_init__(self) -> None:
        self.writer = Writer(self.claims)
        most = self.run.embedder.batch_size
        self.batch = Adaptive(most, most, quick=10.0, slow=60.0)
        self.claim = Adaptive(most, max(most, min(most * 32, 2048)), quick=0.5, slow=4.0)
        self.chunk = Adaptive(1, 512, quick=0.02, slow=0.06)

    def sweep(self) -> Generator[Step, Any, int]:
        """Go once through the pending rows in the order of their keys; return how many came to an end."""
        handled, after, self.edited = 0, None, 0
        while not self.run.stopped:
            yield from self._throttled()
            size = self.run.budget.reserve_rows(self.claim.size)
            if not size:
                self.run.exhausted = True
                break
            found = yield Ask(partial(self.claims.find, after=after, size=size))
            rows = (yield from self._claim(found)) if found else ()
            self.run.budget.give_back_rows(size - len(rows))
            if not found:
                break
            after = found[-1].key
            begin = time.monotonic()
            handled += yield from self._claimed(rows)
            if rows:
                self.claim.learn(time.monotonic() - begin)
        return handled

    def _claim(self, found: list[Found]) -> Generator[Step, Any, tuple[Claimed, ...]]:
        mine = yield Ask(partial(self.claims.claim, found=found))
        rows: tuple[Claimed, ...] = yield Ask(partial(self.claims.read, claimed=mine))
        embedded = {one.row_key for one in mine} - {one.row_key for one in rows}
        if embedded:
            yield Ask(partial(self.claims.release, row_keys=sorted(embedded)))
        return rows

    def _throttled(self) -> Generator[Step, Any, None]:
        while self.run.throttle is not None and not self.run.stopped:
            seconds = yield Ask(self.run.throttle)
            if not seconds:
                return
            yield Wait(seconds)

    def _claimed(self, rows: tuple[Claimed, ...]) -> Generator[Step, Any, int]:
        """Embed and write rows, a batch after the other; return how many were written or refused."""
        handled = 0
        rows = yield from self._without_resting(rows)
        blank = [one for one in rows if self.run.clears_blank and not one.text.strip(" \t\n\r")]
        if blank:
            handled += yield from self._write([Made(one, None) for one in blank])
        waiting = deque(one for one in rows if one not in set(blank))
        while waiting:
            allowed = [waiting.popleft() for _ in range(min(self.batch.size, len(waiting)))]
            if not self.run.stopped:
                count = self.run.budget.fitting([one.text for one in allowed])
                handled += yield from self._batch(tuple(allowed[:count]))
                allowed = allowed[count:]
                self.run.exhausted = self.run.exhausted or bool(allowed)
            if allowed:
                left = [*allowed, *waiting]
                self.run.budget.give_back_rows(len(left))
                yield Ask(partial(self.claims.release, row_keys=[one.row_key for one in left]))
                break
        return handled

    def _without_resting(self, rows: tuple[Claimed, ...]) -> Generator[Step, Any, tuple[Claimed, ...]]:
        """Give back the rows that were locked when their vectors came: to embed them again at once is waste."""
        now = time.monotonic()
        self.resting = {key: since for key, since in self.resting.items() if now - since < _REST_OF_LOCKED}
        resting = [one.row_key for one in rows if one.row_key in self.resting]
        if resting:
            self.run.budget.give_back_rows(len(resting))
            yield Ask(partial(self.claims.release, row_keys=resting))
        return tuple(one for one in rows if one.row_key not in self.resting)

    def _batch(self, rows: tuple[Claimed, ...]) -> Generator[Step, Any, int]:
        """Embed rows and write them; what is refused is split until the texts to blame stand alone."""
        handled = 0
        groups = deque([_Group(rows)] if rows else [])
        while groups:
            group = groups.popleft()
            try:
                vectors = yield from self._answer(group)
            except EmbedderRefusesAllError:
                raise
            except Exception as error:  # noqa: BLE001  # an embedder may raise anything
                if len(group.rows) > 1:
                    groups.extendleft(reversed(_halves(group.rows)))
                else:
                    handled += yield from self._again_or_refused(groups, group, reason_of(error), error)
                continue
            good, bad = self._checked(group.rows, vectors)
            self.run.embedded_some = self.run.embedded_some or bool(good)
            handled += yield from self._write(good)
            for row, fault in bad:
                again = _Group((row,), group.tries if len(group.rows) == 1 else 0)
                handled += yield from self._again_or_refused(groups, again, str(fault), fault)
        return handled

    def _answer(self, group: _Group) -> Generator[Step, Any, list[Any]]:
        """Ask the embedder, again while it can not answer; Any: vectors of whatever form it returns."""
        texts = tuple(one.text for one in group.rows)
        attempt = 0
        while True:
            attempt += 1
            pause = self.run.rate.reserve(len(texts), tokens_in(texts))
            if pause:
                yield Wait(pause)
            begin = time.monotonic()
            try:
                answer = yield Embed(texts)
            except Exception as error:
                fault = fault_of(error)
                if fault is Fault.REFUSED:
                    raise
                if fault is Fault.FATAL or (attempt >= self.run.retry.attempts and self.run.follow is None):
                    raise _unreachable(self.run.embedder.name, error, attempt) from error
                self.batch.halve()
                yield Wait(self.run.retry.wait(attempt, wait_wanted_by(error)))
                if self.run.stopped:
                    raise _unreachable(self.run.embedder.name, error, attempt) from error
            else:
                self.batch.learn(time.monotonic() - begin)
                self.run.count_sent(len(texts), tokens_in(texts))
                return checked_batch(answer, len(texts), self.run.embedder.name)

    def _checked(
        self, rows: Sequence[Claimed], vectors: Sequence[Any]
    ) -> tuple[list[Made], list[tuple[Claimed, VectorValueError]]]:
        good: list[Made] = []
        bad: list[tuple[Claimed, VectorValueError]] = []
        for row, vector in zip(rows, vectors, strict=True):
            try:
                checked = checked_answer(vector, self.claims.found.column, zero_allowed=self.run.zero_allowed)
            except VectorValueError as error:
                bad.append((row, error))
            else:
                good.append(Made(row, checked))
        return good, bad

    def _again_or_refused(
        self, groups: deque[_Group], group: _Group, reason: str, error: Exception
    ) -> Generator[Step, Any, int]:
        tries = group.tries + 1
        if tries < min(_TRIES_OF_A_TEXT, self.run.retry.attempts):
            groups.append(_Group(group.rows, tries))
            yield Wait(self.run.retry.wait(tries))
            return 0
        (row,) = group.rows
        refuse = partial(self.claims.refuse, row=row, reason=reason, first_wait=self.run.refused_wait)
        yield Ask(refuse)
        self.run.count(refused=1)
        if not self.run.embedded_some and self.run.progress_now.refused >= _REFUSED_AT_FIRST:
            raise EmbedderRefusesAllError(
                f"The embedder {self.run.embedder.name!r} has refused each of the first {_REFUSED_AT_FIRST} texts. "
                f"The last time it said: {reason.rstrip('.')}. "
                "The texts are hardly to blame: call it with one of them, and correct it."
            ) from error
        return 1

    def _write(self, made: list[Made]) -> Generator[Step, Any, int]:
        """Write vectors by statements that are too short to be noticed, trying again where a row is locked."""
        left, count = tuple(made), 0
        for seconds in (*_LOCKED_WAITS, None):
            if not left:
                break
            target = yield Ask(self.writer.target)
            written: set[str] = set()
            for part in self._parts(left):
                wrote = yield Ask(partial(self.writer.write, target=target, made=part))
                written |= wrote.row_keys
                self.chunk.learn(wrote.seconds)
            done = yield Ask(partial(self.writer.settle, made=left, written=frozenset(written)))
            count += len(written)
            self.edited += done.edited
            self.run.count(written=len(written), edited=done.edited)
            left = done.locked
            if left and seconds is not None:
                yield Wait(seconds)
        if left:
            yield Ask(partial(self.claims.release, row_keys=[one.row.row_key for one in left]))
            self.resting |= {one.row.row_key: time.monotonic() for one in left}
            self.run.count(locked=len(left))
        return count

    def _parts(self, made: tuple[Made, ...]) -> Iterator[tuple[Made, ...]]:
        """Yield the rows of each statement: as many as are written in the time that nobody notices."""
        start = 0
        while start < len(made):
            end = start + self.chunk.size
            yield made[start:end]
            start = end


def _halves(rows: tuple[Claimed, ...]) -> list[_Group]:
    middle = len(rows) // 2
    return [_Group(rows[:middle]), _Group(rows[middle:])]


def _unreachable(name: str, error: Exception, attempts: int) -> EmbedderRefusesAllError:
    times = "once" if attempts == 1 else f"{attempts} times"
    return EmbedderRefusesAllError(
        f"The embedder {name!r} gave no answer; it was asked {times}. "
        f"The last time it raised {reason_of(error).rstrip('.')}. "
        "What was written stays and the rest is pending: put the embedder right, and run the worker again."
    )
