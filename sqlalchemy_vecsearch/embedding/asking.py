"""One text or question, embedded by the model that its column declares."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy_vecsearch.embedding.embedders import (
    arun,
    checked_answer,
    checked_batch,
    embedder_of,
    needs_awaiting,
    run,
)
from sqlalchemy_vecsearch.embedding.errors import EmbedderError
from sqlalchemy_vecsearch.errors import SearchError, VectorValueError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy_vecsearch.embedding.embedders import Embedder, Function, Vectors

__all__ = ["aembed", "aembed_query", "embed", "embed_query"]


def embed_query(column: Any, text: str) -> Any:
    """Return the vector of a question, by the model that the column declares, for any search through that column.

    Args:
        column: the embedding column, such as ``Document.embedding``.
        text: the question in words.

    Raises:
        SearchError: the question has no words.
        UnknownEmbedderError: the column declares no model, or one that is not registered.
        EmbedderError: the embedder is async and a loop is running, or it returned what is no vector of the column.

    Example:
        ```text
        nearest(Document, Document.embedding, embed_query(Document.embedding, "walk a directory tree"), k=5)
        ```
    """
    model = embedder_of(column)
    _refuse_empty(text)
    return _only(_run(model.query or model.embed, [text], model), column, model)


async def aembed_query(column: Any, text: str) -> Any:
    """Return what :func:`embed_query` returns, awaiting an async embedder and leaving the loop free for another."""
    model = embedder_of(column)
    _refuse_empty(text)
    return _only(await arun(model.query or model.embed, [text]), column, model)


def _refuse_empty(text: str) -> None:
    if not text.strip():
        raise SearchError(
            f"The question {text!r} has no words. "
            "Models make a vector of nothing from it, or none at all, and every row would be as near as another. "
            "Ask for a question before you search."
        )


def embed(column: Any, text: str) -> Any:
    """Return the vector of a text to store, by the model that the column declares.

    Assigned to a mapped object, ``document.embedding = embed(Document.embedding, ...)``, it sets the hash of the text
    that the object has then, the model and the time by itself.

    Raises:
        UnknownEmbedderError: the column declares no model, or one that is not registered.
        EmbedderError: the embedder is async and a loop is running, or it returned what is no vector of the column.
    """
    model = embedder_of(column)
    return _only(_run(model.embed, [text], model), column, model)


async def aembed(column: Any, text: str) -> Any:
    """Return what :func:`embed` returns, awaiting an async embedder and leaving the loop free for another."""
    model = embedder_of(column)
    return _only(await arun(model.embed, [text]), column, model)


def _only(found: Vectors, column: Any, model: Embedder) -> Any:
    (vector,) = checked_batch(found, 1, model.name)
    try:
        return checked_answer(vector, column, zero_allowed=False)
    except VectorValueError as error:
        raise EmbedderError(f"The embedder {model.name!r} returned what is no vector of the column. {error}") from error


def _run(function: Function, texts: Sequence[str], model: Embedder) -> Vectors:
    if needs_awaiting(function):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return run(function, texts)
        raise EmbedderError(
            f"The embedder {model.name!r} is async, and this thread runs an event loop. "
            "The loop can not wait here for something that it has to do itself. "
            "Write await aembed_query(...), or await aembed(...)."
        )
    return run(function, texts)
