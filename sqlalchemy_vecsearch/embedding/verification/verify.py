"""The verification of a re-embedded column, from the rows to its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from sqlalchemy_vecsearch.embedding.embedders import checked_answer, embedder_for
from sqlalchemy_vecsearch.embedding.errors import UnknownEmbedderError, VerificationError
from sqlalchemy_vecsearch.embedding.verification.report import Report, judged, require_names
from sqlalchemy_vecsearch.embedding.verification.rows import embedded, measured_rows, measured_sample
from sqlalchemy_vecsearch.embedding.verification.searches import (
    Question,
    asked_of_both,
    measured_answers,
    measured_index,
    measured_recall,
    stored_questions,
)
from sqlalchemy_vecsearch.measuring.connections import undone
from sqlalchemy_vecsearch.storages import dimensions_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Engine

    from sqlalchemy_vecsearch.embedding.embedders import Embedder
    from sqlalchemy_vecsearch.embedding.reembedding import ReembeddedColumns
    from sqlalchemy_vecsearch.embedding.verification.report import Answered, Measurement
    from sqlalchemy_vecsearch.embedding.verification.subject import Progress, Subject

__all__ = ["Verification", "verified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How a column is verified.

    Args:
        k: how many neighbours a question asks for, 1 or more.
        sample: how many stored rows are embedded again, and ask questions where none are given, 1 or more.
        questions: texts that people ask, or vectors of the new model; None lets stored rows ask.
        thresholds: by the names of checks, in place of their defaults.
        waived: the names of checks that need not pass.

    Raises:
        VerificationError: a number is out of range, a name is that of no check, or the questions are not of one kind.
    """

    k: int = 10
    sample: int = 50
    questions: Sequence[Any] | None = None  # Any: texts, or vectors
    thresholds: Mapping[str, float] = field(default_factory=dict)
    waived: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        require_names([*self.thresholds, *self.waived])
        if self.k < 1 or self.sample < 1:
            raise VerificationError(
                f"Nothing can be verified with k={self.k} and sample={self.sample}. "
                "Questions ask for one neighbour at least, and one row at least is embedded again. "
                "Write k=10 and sample=50, or leave them out."
            )
        kinds = set() if self.questions is None else {isinstance(one, str) for one in self.questions}
        if len(kinds) > 1 or (self.questions is not None and not kinds):
            raise VerificationError(
                "The questions are none at all, or texts and vectors among each other. "
                "Texts are embedded by both models, and vectors are taken as they are. "
                "Give texts, or vectors, at least one."
            )

    @property
    def texts(self) -> list[str] | None:
        """The questions, where they are texts."""
        return None if self.questions is None or not isinstance(self.questions[0], str) else list(self.questions)

    @property
    def vectors(self) -> list[Any] | None:
        """The questions, where they are vectors of the new model; Any: of whatever form."""
        return None if self.questions is None or self.texts is not None else list(self.questions)


def verified(
    engine: Engine,
    columns: ReembeddedColumns,
    subject: Subject,
    embedder: Embedder,
    wish: Verification,
    *,
    told: Progress,
) -> Report:
    """Measure a re-embedded column, and return the judgement.

    It reads the vectors of the table once to count them, and once more for each question whose exact answer it needs.
    It changes nothing: what searches set for themselves is taken back. No transaction is open while an embedder runs.

    Args:
        engine: of the database.
        columns: both columns of the job.
        subject: what is looked at.
        embedder: of the new model.
        wish: how it is done.
        told: called with the progress.
    """
    job, k = columns.job, wish.k
    measured: list[Measurement] = []
    with engine.connect() as connection:
        rows, now = subject.count(connection), connection.scalar(select(func.pg_catalog.now()))
        measured += measured_rows(connection, subject)
    measured.append(measured_sample(engine, subject, embedder, count=wish.sample, told=told))
    texts = wish.texts
    new_vectors = wish.vectors if texts is None else _of_texts(embedder, texts, subject.found.column)
    if subject.index is not None:
        with engine.connect() as connection:
            measured.append(measured_index(connection, subject))
        with engine.connect() as connection:
            measured.append(
                measured_recall(connection, subject, k=k, sample=wish.sample, questions=new_vectors, told=told)
            )
    answered: list[Answered] = []
    if columns.live is not None:
        asked = _asked_in_words(texts, new_vectors, columns, subject)
        with engine.connect() as connection, undone(connection):
            asked = stored_questions(connection, subject, count=wish.sample) if asked is None else asked
            answered = asked_of_both(connection, subject, asked, k=k, told=told)
        measured += measured_answers(answered, k=k, timed=subject.index is not None)
    return Report(
        job=job.job,
        table=subject.found.table.fullname,
        live=subject.live.name,
        previous_model=job.previous_model,
        replacement=subject.found.column.name,
        model=job.model,
        where=None if subject.where is None else str(subject.where),
        rows=rows,
        k=k,
        measured_at="" if now is None else now.isoformat(timespec="seconds"),
        checks=judged(measured, wish.thresholds, wish.waived),
        answered=tuple(answered),
    )


def _of_texts(embedder: Embedder, texts: list[str], column: Any) -> list[Any]:
    found = embedded(embedder, texts, lambda _: None, as_questions=True)
    return [checked_answer(vector, column, zero_allowed=False) for vector in found]


def _asked_in_words(
    texts: list[str] | None, new_vectors: list[Any] | None, columns: ReembeddedColumns, subject: Subject
) -> list[Question] | None:
    """Return the caller's questions with the vectors of both models, None where the old one can not be asked."""
    if texts is None or new_vectors is None or columns.job.previous_model is None:
        return None
    try:
        old = embedder_for(columns.job.previous_model)
    except UnknownEmbedderError:
        return None
    if old.dimensions != dimensions_of(subject.live.type):
        return None
    old_vectors = embedded(old, texts, lambda _: None, as_questions=True)
    return [Question(words, before, now) for words, before, now in zip(texts, old_vectors, new_vectors, strict=True)]
