"""The text form of arrays, as PostgreSQL's array input and output functions define it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from sqlalchemy_vecsearch.errors import VectorValueError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["array_of_text", "array_text"]

Write: TypeAlias = Callable[[Any], str]  # any value that a vector column takes

_NULL: Final = "NULL"
_EMPTY: Final = "{}"
_TOKEN: Final = re.compile(r'"([^"]*)"|([{}])|([^{},"]+)')


def array_text(value: Any, write: Write, *, dimensions: int | None, column: str | None) -> str:
    """Return ``{"[1,2]",NULL}``.

    Args:
        value: a sequence of vectors, or of sequences of them; a numpy array counts as a sequence along its first axis.
        write: gives the text of one vector, which holds neither quotes nor backslashes.
        dimensions: how deep the vectors lie, None to find out: a row of numbers is a vector.
        column: the column that an error names, None when it is not known.

    Raises:
        VectorValueError: the value is no sequence.
    """
    if not _is_row(value):
        subject = "The array" if column is None else f"The array for {column!r}"
        raise VectorValueError(
            f"{subject} is a {type(value).__name__}. "
            "An array column holds a list of vectors in each row. "
            "Pass a list of vectors, with None for a missing one."
        )
    deeper = _holds_arrays(value) if dimensions is None else dimensions > 1
    below = None if dimensions is None else dimensions - 1
    parts = []
    for element in value:
        if element is None:
            parts.append(_NULL)
        elif deeper:
            parts.append(array_text(element, write, dimensions=below, column=column))
        else:
            parts.append(f'"{write(element)}"')
    if deeper and all(part == _EMPTY for part in parts):  # the server knows one empty array, without dimensions
        return _EMPTY
    return f"{{{','.join(parts)}}}"


def array_of_text(text: str) -> list[Any]:  # lists, of any depth, of texts and None
    """Return the elements that stand in the text of an array, each as text."""
    root: list[Any] = []
    open_lists = [root]
    for quoted, brace, bare in _TOKEN.findall(text.partition("=")[2] if text.startswith("[") else text):
        if brace == "{":
            below: list[Any] = []
            open_lists[-1].append(below)
            open_lists.append(below)
        elif brace:
            open_lists.pop()
        else:
            open_lists[-1].append(None if bare == _NULL else quoted or bare)
    (elements,) = root
    return list(elements)


def _is_row(value: Any) -> bool:
    return isinstance(value, (list, tuple, np.ndarray))


def _holds_arrays(value: Iterable[Any]) -> bool:
    """Tell whether the elements are arrays of vectors, and not vectors."""
    for element in value:
        if isinstance(element, np.ndarray):
            return element.ndim > 1
        if isinstance(element, Sequence) and not isinstance(element, (str, bytes)):
            return any(_is_vector(inner) for inner in element)
        if element is not None:
            return False
    return False


def _is_vector(element: Any) -> bool:
    return hasattr(element, "__len__") or hasattr(element, "to_text")
