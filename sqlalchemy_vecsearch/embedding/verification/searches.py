"""What searches of a re-embedded column say: by its index, exactly, and beside those of the live column."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, not_, select

from sqlalchemy_vecsearch.embedding.verification.report import Answered, Measurement, median
from sqlalchemy_vecsearch.embedding.verification.subject import NO_ROWS, metric_of, usable
from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.measuring.asserting import IndexNotServedError, assert_index_served
from sqlalchemy_vecsearch.measuring.recall import recall
from sqlalchemy_vecsearch.search.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, Connection

    from sqlalchemy_vecsearch.embedding.verification.subject import Progress, Subject

__all__ = [
    "Question",
    "asked_of_both",
    "measured_answers",
    "measured_index",
    "measured_recall",
    "stored_questions",
]

_SHOWN: Final = 200
"""The most characters of a question that a report keeps."""

_TIMER: Final = 1.0
"""Milliseconds that a search counts as at least: below them the time is that of the machine's other work, and a table
of a few rows would be ready one time and not the next."""


@dataclass(frozen=True, slots=True)
class Question:
    """What both columns are asked: its words, a vector of each model, and the row that must not answer itself."""

    words: str
    old: Any  # Any: a vector of whatever form
    new: Any
    own_key: tuple[Any, ...] | None = None


def measured_index(connection: Connection, subject: Subject) -> Measurement:
    """Return whether the new index can serve a search of the column."""
    column = subject.found.column
    row = connection.execute(select(column).where(usable(column)).limit(1)).first()
    if row is None:
        return Measurement(name="index", value=None, note=NO_ROWS)
    try:
        assert_index_served(connection, nearest(subject.searched, column, row[0], k=10), subject.index)
    except IndexNotServedError as error:
        return Measurement(name="index", value=0, note=str(error).partition("\n")[0])
    return Measurement(name="index", value=1, note=subject.index or "")


def measured_recall(
    connection: Connection,
    subject: Subject,
    *,
    k: int,
    sample: int,
    questions: Sequence[Any] | None,  # Any: vectors
    told: Progress,
) -> Measurement:
    """Return the recall of searches by the new index; ``questions`` are vectors, None takes stored rows."""
    where = subject.searched.whereclause
    try:
        share = recall(
            connection, subject.found.column, k=k, sample=sample, questions=questions, where=where, progress=told
        )
    except SearchError as error:  # no row answers
        return Measurement(name="recall", value=None, note=str(error).partition(". ")[2])
    return Measurement(name="recall", value=float(share), note=f"recall@{k} of {share.questions} questions")


def stored_questions(connection: Connection, subject: Subject, *, count: int) -> list[Question]:
    """Return rows that have a vector of each model as questions: what else is like this row?"""
    found = subject.found
    rows = connection.execute(
        subject.searched.add_columns(found.text, subject.live, found.column)
        .where(usable(found.column), usable(subject.live), not_(found.pending))
        .order_by(func.pg_catalog.random())
        .limit(count)
    )
    return [Question(row[-3] or "", row[-2], row[-1], tuple(row[:-3])) for row in rows]


def asked_of_both(
    connection: Connection, subject: Subject, questions: Sequence[Question], *, k: int, told: Progress
) -> list[Answered]:
    """Ask both columns each question, in turns, and return how far they agree and how long each took."""
    for warm in questions[:1]:
        _asked(connection, subject, warm, k=k, new_first=True)
    made = []
    for done, question in enumerate(questions, start=1):
        made.append(_asked(connection, subject, question, k=k, new_first=done % 2 == 0))
        told("questions asked of both models", done, len(questions))
    return made


def measured_answers(answered: Sequence[Answered], *, k: int, timed: bool) -> list[Measurement]:
    """Return the overlap over all questions, and where each column has its index how their times compare."""
    shares = [one.overlap for one in answered if one.overlap is not None]
    if not shares:
        return [Measurement(name="overlap", value=None, note="no row has a vector of each model")]
    note = f"overlap@{k} of {len(shares)} questions"
    measured = [Measurement(name="overlap", value=sum(shares) / len(shares), note=note)]
    if timed:
        old = median([one.old_milliseconds for one in answered])
        new = median([one.new_milliseconds for one in answered])
        note = f"{new:.2f} ms, and {old:.2f} ms before"
        measured.append(Measurement(name="latency", value=new / max(old, _TIMER), note=note))
    return measured


def _asked(connection: Connection, subject: Subject, question: Question, *, k: int, new_first: bool) -> Answered:
    pairs = [(subject.live, question.old), (subject.found.column, question.new)]
    answers = {
        column.name: _answer(connection, subject, column, vector, question.own_key, k)
        for column, vector in (reversed(pairs) if new_first else pairs)
    }
    (old, old_time), (new, new_time) = answers[subject.live.name], answers[subject.found.column.name]
    return Answered(
        question=question.words[:_SHOWN],
        overlap=len(set(old) & set(new)) / len(old) if old else None,
        old_milliseconds=round(old_time, 3),
        new_milliseconds=round(new_time, 3),
    )


def _answer(
    connection: Connection,
    subject: Subject,
    column: Column[Any],
    vector: Any,
    own_key: tuple[Any, ...] | None,
    k: int,
) -> tuple[list[tuple[Any, ...]], float]:
    """Return the keys of the nearest rows, without the row that asks, and the milliseconds that they took."""
    without_index = column is subject.found.column and subject.index is None
    statement = nearest(
        subject.searched,
        column,
        vector,
        k=k if own_key is None else k + 1,
        metric=metric_of(column),
        exact=without_index,
    )
    begin = perf_counter()
    rows = connection.execute(statement).all()
    milliseconds = 1000 * (perf_counter() - begin)
    return [key for row in rows if (key := tuple(row[:-1])) != own_key][:k], milliseconds
