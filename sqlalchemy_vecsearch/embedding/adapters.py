"""Embedders over the models and clients of other libraries, which the caller makes: nothing is downloaded here."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from sqlalchemy_vecsearch.embedding.embedders import embedder, embedder_for

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.embedding.embedders import Embedder

__all__ = ["use_fastembed", "use_openai", "use_sentence_transformers", "use_wordllama"]


def use_sentence_transformers(
    model: Any,  # a SentenceTransformer, whose package is not needed here
    *,
    name: str,
    batch_size: int = 64,
    prompt: str | None = None,
    query_prompt: str | None = None,
    normalise: bool = True,
    fingerprint: str | None = None,
) -> Embedder:
    """Register a model of sentence-transformers, in the extra ``[sentence-transformers]``.

    Args:
        model: a ``SentenceTransformer``.
        name: of the model, as columns declare it.
        batch_size: the most texts of one call, and of one pass of the model.
        prompt: stands before every text that is stored, such as "passage: "; None for nothing.
        query_prompt: stands before every question, such as "query: ".
        normalise: whether vectors have length 1.
        fingerprint: see :func:`embedder`; include the model's revision.

    Example:
        ```text
        use_sentence_transformers(SentenceTransformer("all-MiniLM-L6-v2", local_files_only=True), name="minilm-384")
        ```
    """

    def encode(texts: list[str], given: str | None) -> Any:
        return model.encode(
            texts,
            batch_size=batch_size,
            prompt=given,
            normalize_embeddings=normalise,
            convert_to_numpy=True,
            show_progress_bar=False,
        )

    return _registered(
        name,
        dimensions=int(model.get_sentence_embedding_dimension()),
        batch_size=batch_size,
        embed=lambda texts: encode(texts, prompt),
        query=lambda texts: encode(texts, query_prompt),
        fingerprint=fingerprint,
    )


def use_fastembed(
    model: Any,  # a TextEmbedding, whose package is not needed here
    *,
    name: str,
    dimensions: int,
    batch_size: int = 64,
    fingerprint: str | None = None,
) -> Embedder:
    """Register a model of fastembed, in the extra ``[fastembed]``; its own query form embeds questions.

    Args:
        model: a ``TextEmbedding``.
        name: of the model, as columns declare it.
        dimensions: the length of its vectors.
        batch_size: the most texts of one call.
        fingerprint: see :func:`embedder`.
    """
    return _registered(
        name,
        dimensions=dimensions,
        batch_size=batch_size,
        embed=lambda texts: list(model.embed(texts, batch_size=batch_size)),
        query=lambda texts: list(model.query_embed(texts)),
        fingerprint=fingerprint,
    )


def use_openai(
    client: Any,  # an OpenAI or AsyncOpenAI, whose package is not needed here
    *,
    name: str,
    model: str,
    dimensions: int,
    shorten: bool = False,
    batch_size: int = 128,
    price: float | None = None,
    fingerprint: str | None = None,
) -> Embedder:
    """Register a model behind an HTTP service of OpenAI's form, in the extra ``[openai]``.

    The client's own retries with back-off come first, for 429, time-outs and broken connections; the worker's after
    those.

    Args:
        client: an ``OpenAI`` or an ``AsyncOpenAI``, with the ``base_url`` of any service of this form.
        name: of the model, as columns declare it.
        model: of the model, as the service has it.
        dimensions: the length of its vectors.
        shorten: whether the service is asked for vectors of that length, which models of fixed length refuse.
        batch_size: the most texts of one request.
        price: of a million tokens.
        fingerprint: see :func:`embedder`.
    """
    wanted: dict[str, Any] = {"model": model, "encoding_format": "float"}
    if shorten:
        wanted["dimensions"] = dimensions

    def in_order(answer: Any) -> list[Any]:
        return [one.embedding for one in sorted(answer.data, key=lambda one: one.index)]

    def now(texts: list[str]) -> list[Any]:
        return in_order(client.embeddings.create(input=texts, **wanted))

    async def later(texts: list[str]) -> list[Any]:
        return in_order(await client.embeddings.create(input=texts, **wanted))

    return _registered(
        name,
        dimensions=dimensions,
        batch_size=batch_size,
        embed=later if inspect.iscoroutinefunction(client.embeddings.create) else now,
        price=price,
        fingerprint=fingerprint,
    )


def use_wordllama(
    model: Any,  # of wordllama, whose package is not needed here
    *,
    name: str,
    dimensions: int = 256,
    batch_size: int = 256,
    fingerprint: str | None = None,
) -> Embedder:
    """Register a model of wordllama, in the extra ``[wordllama]``: static vectors, whose wheel carries the weights.

    Args:
        model: what ``WordLlama.load(disable_download=True)`` returns.
        name: of the model, as columns declare it.
        dimensions: the length of its vectors.
        batch_size: the most texts of one call.
        fingerprint: see :func:`embedder`.
    """
    return _registered(
        name,
        dimensions=dimensions,
        batch_size=batch_size,
        embed=lambda texts: model.embed(texts, norm=True),
        fingerprint=fingerprint,
    )


def _registered(name: str, *, embed: Any, **arguments: Any) -> Embedder:
    embedder(name, **arguments)(embed)
    return embedder_for(name)
