"""Searches as the demo's application asks them."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import select

from sqlalchemy_vecsearch import nearest
from sqlalchemy_vecsearch.demo.models import Document
from sqlalchemy_vecsearch.demo.summary import Answer, Answered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

__all__ = ["QUESTIONS", "Question", "answer", "search"]

ROWS: Final = 10


class Question(NamedTuple):
    """What a person asks, and a module that also has something to say about it."""

    text: str
    module: str


QUESTIONS: Final = (
    Question("run a command and capture its output", module="subprocess"),
    Question("walk a directory tree", module="shutil"),
    Question("random choice from a list", module="random"),
    Question("compress a file", module="tarfile"),
    Question("parse a date from text", module="datetime"),
)


def search(vector: NDArray[np.float32], *, module: str | None = None) -> Select[Document, float]:
    """Return the statement for the ten documents nearest to a vector.

    Args:
        vector: what is looked for, 256 numbers.
        module: the only module to look in; None means all.
    """
    documents = select(Document)
    if module is not None:
        documents = documents.where(Document.module == module)
    return nearest(documents, Document.embedding, vector, k=ROWS)


def answer(session: Session, question: Question, vector: NDArray[np.float32], *, restricted: bool) -> Answered:
    """Run a search, and return its matches as plain values.

    Args:
        session: of the application.
        question: what is asked.
        vector: its embedding.
        restricted: whether to look in the question's module alone.
    """
    module = question.module if restricted else None
    begin = perf_counter()
    rows = session.execute(search(vector, module=module)).all()
    milliseconds = (perf_counter() - begin) * 1000
    return Answered(
        question=question.text,
        module=module,
        milliseconds=round(milliseconds, 2),
        answers=[
            Answer(name=document.name, kind=document.kind, module=document.module, distance=round(distance, 4))
            for document, distance in rows
        ],
    )
