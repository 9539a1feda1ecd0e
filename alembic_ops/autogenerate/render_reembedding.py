"""The operations on a job of re-embedding as the Python text of a revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.autogenerate.render import _render_column

from alembic_ops.autogenerate.render import call, given, published_argument, sql_text

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

    from alembic_ops.operations import (
        AbortReembeddingOp,
        BeginReembeddingOp,
        FinishReembeddingOp,
        SwapEmbeddingBackOp,
        SwapEmbeddingOp,
    )
    from alembic_ops.operations.index_wish import IndexWish

__all__ = [
    "render_abort_reembedding",
    "render_begin_reembedding",
    "render_finish_reembedding",
    "render_swap_embedding",
    "render_swap_embedding_back",
]


def render_begin_reembedding(context: AutogenContext, operation: BeginReembeddingOp) -> str:
    """Return the call of ``op.begin_reembedding``."""
    source = repr(list(operation.source)) if operation.source is not None else None
    keywords = {
        "table_name": repr(operation.table_name),
        "source": source or sql_text(context, operation.source_sql or ""),
        "live": repr(operation.live),
        "new": _render_column(operation.column, context),
        "model": repr(operation.model),
    }
    if operation.index is not None:
        keywords["index"] = _index(context, operation.index)
    keywords |= given(previous_model=operation.previous_model)
    if operation.digest != "md5":
        keywords["digest"] = repr(operation.digest)
    if operation.key is not None:
        keywords["key"] = repr(list(operation.key))
    keywords |= given(schema=operation.schema) | published_argument(operation.published)
    return call(context, "begin_reembedding", [repr(operation.job)], keywords)


def render_abort_reembedding(context: AutogenContext, operation: AbortReembeddingOp) -> str:
    """Return the call of ``op.abort_reembedding``."""
    keywords = {"discard_vectors": "True"} if operation.discard_vectors else {}
    return call(context, "abort_reembedding", [repr(operation.job)], keywords | given(schema=operation.schema))


def render_swap_embedding(context: AutogenContext, operation: SwapEmbeddingOp) -> str:
    """Return the call of ``op.swap_embedding``."""
    keywords = given(mode=operation.mode)
    if operation.max_pending:
        keywords["max_pending"] = repr(operation.max_pending)
    keywords |= given(schema=operation.schema) | published_argument(operation.published)
    return call(context, "swap_embedding", [repr(operation.job)], keywords)


def render_swap_embedding_back(context: AutogenContext, operation: SwapEmbeddingBackOp) -> str:
    """Return the call of ``op.swap_embedding_back``."""
    keywords = {"allow_stale": "True"} if operation.allow_stale else {}
    keywords |= given(schema=operation.schema) | published_argument(operation.published)
    return call(context, "swap_embedding_back", [repr(operation.job)], keywords)


def render_finish_reembedding(context: AutogenContext, operation: FinishReembeddingOp) -> str:
    """Return the call of ``op.finish_reembedding``."""
    keywords = {"keep_old": "True"} if operation.keep_old else {}
    return call(context, "finish_reembedding", [repr(operation.job)], keywords | given(schema=operation.schema))


def _index(context: AutogenContext, wish: IndexWish) -> str:
    """Return an index as a mapping, whose expression is a text."""
    one = wish.definition
    written = {name: repr(value) for name, value in wish.as_json().items() if name not in {"column", "expression"}}
    if one.expression is not None:
        written["column"] = sql_text(context, one.expression)
    return "{" + ", ".join(f"{name!r}: {value}" for name, value in written.items()) + "}"
