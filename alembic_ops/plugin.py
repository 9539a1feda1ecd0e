"""Every registration with Alembic, in one function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from alembic.autogenerate import renderers
from alembic.operations import Operations

from alembic_ops.autogenerate import render, render_reembedding
from alembic_ops.autogenerate.compare import register_comparators
from alembic_ops.offline.search_path import FindsVectors
from alembic_ops.operations import (
    AbortReembeddingOp,
    AddEmbeddingColumnOp,
    AlterEmbeddingTypeOp,
    BeginReembeddingOp,
    CreateVectorExtensionOp,
    CreateVectorIndexOp,
    DropVectorExtensionOp,
    DropVectorIndexOp,
    FinishReembeddingOp,
    RebuildVectorIndexOp,
    RenameVectorIndexOp,
    SwapEmbeddingBackOp,
    SwapEmbeddingColumnsOp,
    SwapEmbeddingOp,
    SwapVectorIndexOp,
    UpdateVectorExtensionOp,
)
from alembic_ops.running.column import perform_add_embedding_column, perform_swap_embedding_columns
from alembic_ops.running.column_type import perform_alter_embedding_type
from alembic_ops.running.extension import perform_extension_operation
from alembic_ops.running.index import perform_index_operation
from alembic_ops.running.reembedding import perform_begin_reembedding
from alembic_ops.running.reembedding_end import perform_abort_reembedding, perform_finish_reembedding
from alembic_ops.running.reembedding_switch import perform_swap_embedding, perform_swap_embedding_back
from alembic_ops.running.schema_translate_map import in_translated_schema
from alembic_ops.running.stock_operations import WarnsOfStockOperations
from alembic_ops.sql.implementation import extend_implementation

if TYPE_CHECKING:
    from collections.abc import Callable

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import MigrateOperation

__all__ = ["register"]


class _Registration(NamedTuple):
    operation: type[MigrateOperation]
    name: str
    perform: Callable[[Operations, Any], None]  # Any: the operation class of this row
    render: Callable[[AutogenContext, Any], str]  # Any: likewise


_OPERATIONS: Final = (
    _Registration(AddEmbeddingColumnOp, "add_embedding_column", perform_add_embedding_column, render.render_add_column),
    _Registration(
        SwapEmbeddingColumnsOp,
        "swap_embedding_columns",
        perform_swap_embedding_columns,
        render.render_swap_columns,
    ),
    _Registration(SwapVectorIndexOp, "swap_vector_index", perform_index_operation, render.render_swap_index),
    _Registration(
        CreateVectorExtensionOp,
        "create_vector_extension",
        perform_extension_operation,
        render.render_create_extension,
    ),
    _Registration(
        UpdateVectorExtensionOp,
        "update_vector_extension",
        perform_extension_operation,
        render.render_update_extension,
    ),
    _Registration(
        DropVectorExtensionOp, "drop_vector_extension", perform_extension_operation, render.render_drop_extension
    ),
    _Registration(CreateVectorIndexOp, "create_vector_index", perform_index_operation, render.render_create_index),
    _Registration(DropVectorIndexOp, "drop_vector_index", perform_index_operation, render.render_drop_index),
    _Registration(RebuildVectorIndexOp, "rebuild_vector_index", perform_index_operation, render.render_rebuild_index),
    _Registration(
        RenameVectorIndexOp,
        "rename_vector_index",
        perform_index_operation,
        render.render_rename_index,
    ),
    _Registration(
        AlterEmbeddingTypeOp,
        "alter_embedding_type",
        perform_alter_embedding_type,
        render.render_alter_type,
    ),
    _Registration(
        BeginReembeddingOp, "begin_reembedding", perform_begin_reembedding, render_reembedding.render_begin_reembedding
    ),
    _Registration(
        AbortReembeddingOp, "abort_reembedding", perform_abort_reembedding, render_reembedding.render_abort_reembedding
    ),
    _Registration(SwapEmbeddingOp, "swap_embedding", perform_swap_embedding, render_reembedding.render_swap_embedding),
    _Registration(
        SwapEmbeddingBackOp,
        "swap_embedding_back",
        perform_swap_embedding_back,
        render_reembedding.render_swap_embedding_back,
    ),
    _Registration(
        FinishReembeddingOp,
        "finish_reembedding",
        perform_finish_reembedding,
        render_reembedding.render_finish_reembedding,
    ),
)


def register() -> None:
    """Make the operations and comparators known to Alembic, as ``import alembic_ops`` does.

    A second call only extends an ``alembic.ddl.impl.DefaultImpl`` for ``postgresql`` that was defined since the first.

    Example:
        >>> import alembic_ops
        >>> alembic_ops.register()
    """
    for row in _OPERATIONS:
        if getattr(Operations, row.name, None) is not None:
            continue
        Operations.register_operation(row.name)(row.operation)
        Operations.implementation_for(row.operation)(in_translated_schema(row.perform))
        renderers.dispatch_for(row.operation)(row.render)
    register_comparators()
    extend_implementation(FindsVectors)
    extend_implementation(WarnsOfStockOperations)
