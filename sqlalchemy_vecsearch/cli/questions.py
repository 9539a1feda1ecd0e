"""Reads questions from a file: vectors, or texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sqlalchemy_vecsearch.errors import SearchError

__all__ = ["QuestionsFile", "read_questions", "read_texts_or_vectors"]

QuestionsFile = Annotated[
    Path | None,
    typer.Option(
        "--questions",
        exists=True,
        dir_okay=False,
        show_default=False,
        help="Your own questions instead of stored rows: a .npy array, or JSON, a vector a line or a list of them.",
    ),
]


def read_questions(path: Path) -> Any:  # Any: an array of numpy, or lists of numbers
    """Return the vectors of a file: an array of numpy (.npy), one JSON list of vectors, or a JSON vector a line.

    Raises:
        SearchError: the file holds something else.
    """
    try:
        if path.suffix == ".npy":
            import numpy as np

            vectors: Any = np.load(path, allow_pickle=False)
        else:
            vectors = _of_text(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise _unreadable(path, str(error)) from error
    if getattr(vectors, "ndim", 2) != 2 or not len(vectors):  # noqa: PLR2004  # rows of vectors
        raise _unreadable(path, "it holds no rows of vectors")
    return vectors


def read_texts_or_vectors(path: Path) -> Any:  # Any: texts, an array of numpy, or lists of numbers
    """Return the vectors of a file as :func:`read_questions` does, or its texts: a line each, or a JSON list of them.

    Raises:
        SearchError: the file holds something else.
    """
    if path.suffix == ".npy":
        return read_questions(path)
    try:
        words = path.read_text(encoding="utf-8")
    except (ValueError, OSError) as error:
        raise _unreadable(path, str(error)) from error
    if words.lstrip().startswith("["):
        texts = _texts_in_json(words)
        if not texts:
            return read_questions(path)
    else:
        texts = [line.strip() for line in words.splitlines() if line.strip()]
    if not texts:
        raise _unreadable(path, "it holds no question")
    return texts


def _texts_in_json(words: str) -> list[str]:
    try:
        found = json.loads(words)
    except ValueError:
        return []  # a vector a line
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else []


def _of_text(text: str) -> list[Any]:
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        found = json.loads(text)
    except ValueError:
        found = [json.loads(line) for line in lines]
    if not isinstance(found, list):
        raise ValueError("it holds no list")  # noqa: TRY004  # as json says it
    return [found] if found and not isinstance(found[0], list) else found


def _unreadable(path: Path, reason: str) -> SearchError:
    return SearchError(
        f"The questions in {str(path)!r} can not be read: {reason}. "
        "A question is a vector of the column's length. "
        "Write an array of shape (questions, dimensions) with numpy.save, or a JSON list of numbers a line."
    )
