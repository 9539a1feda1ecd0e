"""The functions that turn texts into vectors, registered by the name of their model."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np

from sqlalchemy_vecsearch.columns import declaration_of
from sqlalchemy_vecsearch.embedding.errors import EmbedderError, UnknownEmbedderError
from sqlalchemy_vecsearch.errors import VectorValueError
from sqlalchemy_vecsearch.indexes import plain_column
from sqlalchemy_vecsearch.metrics import Metric, Storage
from sqlalchemy_vecsearch.types.validation import checked_vector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Embedder",
    "arun",
    "checked_answer",
    "checked_batch",
    "embedder",
    "embedder_for",
    "embedder_named",
    "embedder_of",
    "needs_awaiting",
    "run",
]

Vectors: TypeAlias = Any
"""What an embedder returns: a list of vectors, or an array of shape (texts, dimensions); from an async one awaited."""

Function: TypeAlias = "Callable[[list[str]], Vectors]"
_F = TypeVar("_F", bound="Callable[..., Any]")

LONGEST_NAME: Final = 200  # the column that keeps it is a varchar of this length


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedder:
    """A model that embeds texts.

    Args:
        name: what rows keep of the model that made their vectors, 1 to 200 characters.
        dimensions: the length of every vector.
        batch_size: the most texts of one call, at least 1.
        embed: the function for texts that are stored.
        query: the function for questions, where the model embeds them another way; None takes ``embed``.
        fingerprint: what tells one model from another that goes by the same name: revision, prefix, normalisation.
        price: what a million tokens cost, in any currency; None when it costs nothing or is not known.

    Raises:
        EmbedderError: an argument is out of its range.
    """

    name: str
    dimensions: int
    batch_size: int
    embed: Function
    query: Function | None = None
    fingerprint: str | None = None
    price: float | None = None

    def __post_init__(self) -> None:
        for what, right, rule in (
            (f"name={self.name!r}", isinstance(self.name, str) and 0 < len(self.name) <= LONGEST_NAME, _NAME_RULE),
            (f"dimensions={self.dimensions!r}", _positive(self.dimensions), "It is the length of every vector."),
            (f"batch_size={self.batch_size!r}", _positive(self.batch_size), "A call embeds at least one text."),
            (f"price={self.price!r}", self.price is None or self.price >= 0, "It is what a million tokens cost."),
        ):
            if not right:
                raise EmbedderError(
                    f"An embedder can not be registered with {what}. {rule} Correct it in @embedder(...)."
                )

    @property
    def is_async(self) -> bool:
        """Whether the function for stored texts has to be awaited."""
        return needs_awaiting(self.embed)


def embedder(
    name: str,
    *,
    dimensions: int,
    batch_size: int = 64,
    query: Function | None = None,
    fingerprint: str | None = None,
    price: float | None = None,
) -> Callable[[_F], _F]:
    """Register a function as the model of a name, for the columns that declare ``model=name``.

    The function gets a list of texts, never empty and at most ``batch_size`` long, and returns a vector for each, in
    their order: a list of lists, or an array of shape (texts, dimensions). It may be async. It may be called from
    several threads at once where a worker is told to use several.

    Registering a name again replaces its function, as a test does that puts a quick one in its place.

    A row keeps the *name*. ``fingerprint`` guards the name: it is remembered in the database, and a worker whose
    embedder has another one refuses to go on, so that vectors of two models are never mixed under one name.

    Args:
        name: of the model, as ``embedding_column(model=...)`` declares it.
        dimensions: the length of every vector.
        batch_size: the most texts of one call.
        query: embeds questions, where the model embeds them another way than texts; same form.
        fingerprint: model, revision, prefix and normalisation in one text.
        price: of a million tokens, for the estimate before the work.

    Raises:
        EmbedderError: an argument is out of its range.

    Example:
        ```python
        from sqlalchemy_vecsearch import embedder

        @embedder("letters-26", dimensions=26)
        def letters(texts):
            return [[float(text.lower().count(chr(97 + place))) for place in range(26)] for text in texts]
        ```
    """

    def register(function: _F) -> _F:
        made = Embedder(
            name=name,
            dimensions=dimensions,
            batch_size=batch_size,
            embed=function,
            query=query,
            fingerprint=fingerprint,
            price=price,
        )
        _registered[name] = made
        return function

    return register


def embedder_for(name: str) -> Embedder:
    """Return the embedder of a name.

    Raises:
        UnknownEmbedderError: none is registered.
    """
    if name in _registered:
        return _registered[name]
    known = ", ".join(repr(one) for one in sorted(_registered)) or "none"
    raise UnknownEmbedderError(
        f"No embedder is registered for the model {name!r}; registered: {known}. "
        "A column declares the name of its model, and the function that embeds for it is registered under that name. "
        f"Import the module that has @embedder({name!r}, ...), or correct model= of the column."
    )


def embedder_named(model: str, given: Any, *, dimensions: int) -> Embedder:  # Any: an Embedder, or a function
    """Return the embedder of a model that is given as a value or a function, and register it where it is not.

    Args:
        model: the name of the model.
        given: what ``embedder_for`` or an adapter returned, or a function that embeds.
        dimensions: the length of the vectors of a function that is not registered.

    Raises:
        EmbedderError: it is registered as another model, or can not embed.
    """
    names = [given.name] if isinstance(given, Embedder) else _names_of(given)
    if model in names:
        _registered[model] = given if isinstance(given, Embedder) else _registered[model]
    elif names:
        raise EmbedderError(
            f"The embedder that was given is that of the model {names[0]!r}, and the model {model!r} is wanted. "
            "Vectors of two models under one name could not be told from each other. "
            f"Give the function that is registered by @embedder({model!r}, ...)."
        )
    elif callable(given):
        embedder(model, dimensions=dimensions)(given)
    else:
        raise EmbedderError(
            f"{given!r} is no embedder. "
            "It is called with a list of texts and returns a vector for each. "
            "Give a function, or what an adapter such as use_openai() returned."
        )
    return _registered[model]


def embedder_of(column: Any) -> Embedder:
    """Return the embedder of a column's declared model.

    Raises:
        UnknownEmbedderError: the column declares no model, or one that is not registered.
        EmbedderError: the model has another length than the column.
    """
    element = plain_column(column)
    declaration = declaration_of(element)
    label = f"{element.table.name}.{element.name}" if element.table is not None else element.name
    if declaration is None or declaration.model is None:
        raise UnknownEmbedderError(
            f"The column {label!r} declares no model. "
            "A question must be embedded by the model that embedded the rows, and only the column can say which. "
            'Declare it: embedding_column(..., model="...").'
        )
    found = embedder_for(declaration.model)
    if found.dimensions != declaration.dimensions:
        raise EmbedderError(
            f"The model {found.name!r} makes vectors of {found.dimensions} dimensions, and the column {label!r} holds "
            f"{declaration.dimensions}. Vectors of another length belong to another model. "
            "Correct the dimensions, or the model of the column."
        )
    return found


def needs_awaiting(function: Callable[..., Any]) -> bool:
    """Say whether what a function, or an object that is called, returns has to be awaited."""
    call = getattr(function, "__call__", None)  # noqa: B004  # an object with an async __call__
    return inspect.iscoroutinefunction(inspect.unwrap(function)) or inspect.iscoroutinefunction(call)


def run(function: Function, texts: Sequence[str]) -> Vectors:
    """Return what an embedder answers; an async one gets a loop of its own, in a thread that has none."""
    if not needs_awaiting(function):
        return function(list(texts))

    async def answer() -> Vectors:
        return await function(list(texts))

    return asyncio.run(answer())


async def arun(function: Function, texts: Sequence[str]) -> Vectors:
    """Return what an embedder answers; one that is not async runs in a thread."""
    if needs_awaiting(function):
        return await function(list(texts))
    return await asyncio.to_thread(function, list(texts))


def checked_batch(found: Vectors, count: int, name: str) -> list[Any]:
    """Return an embedder's answer as one value for each text.

    Raises:
        EmbedderError: it has not one for each.
    """
    try:
        vectors: list[Any] | None = list(found)
    except TypeError:
        vectors = None  # it has no length to compare
    if vectors is not None and len(vectors) == count and (not isinstance(found, np.ndarray) or found.ndim == _AXES):
        return vectors
    got = f"an array of shape {found.shape}" if isinstance(found, np.ndarray) else _amount(found, vectors)
    raise EmbedderError(
        f"The embedder {name!r} returned {got} for {count} {'text' if count == 1 else 'texts'}. "
        "Vectors and texts are matched by their order, so that one missing would shift all that follow. "
        "Return one vector for each text: a list of lists, or an array of shape (texts, dimensions)."
    )


def checked_answer(vector: Any, column: Any, *, zero_allowed: bool) -> Any:
    """Return one vector of an embedder when the column can hold it and searches can find it.

    Raises:
        VectorValueError: it has another length, is not finite, or is zero where directions are compared.
    """
    element = plain_column(column)
    declaration = declaration_of(element)
    assert declaration is not None
    storage = Storage.of(declaration.storage)
    checked_vector(vector, storage, dimensions=declaration.dimensions, column=f"{element.table.name}.{element.name}")
    if zero_allowed or Metric.of(declaration.metric) is not Metric.COSINE or storage is Storage.BIT:
        return vector
    numbers = vector.to_numpy() if hasattr(vector, "to_numpy") else vector
    if storage is not Storage.SPARSEVEC and not np.any(numbers):
        raise VectorValueError(
            f"The vector for {element.table.name}.{element.name} is zero. "
            "Cosine compares directions and a zero vector has none, so no search would find the row. "
            "Leave such texts out of the source, or allow zero vectors."
        )
    return vector


_AXES: Final = 2
_NAME_RULE: Final = f"Rows keep it, in a column of {LONGEST_NAME} characters."
_registered: Final[dict[str, Embedder]] = {}


def _names_of(function: Any) -> list[str]:
    """Return the models that a function is registered for."""
    return [name for name, known in _registered.items() if known.embed is function]


def _amount(found: Any, vectors: Sequence[Any] | None) -> str:
    if vectors is None:
        return f"a {type(found).__name__}"
    return f"{len(vectors)} {'vector' if len(vectors) == 1 else 'vectors'}"


def _positive(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 1
