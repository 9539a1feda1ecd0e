"""Every registration with Alembic, in one function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from alembic.autogenerate import renderers
from alembic.operations import Operations

from alembic_ops import render, run, run_columns, transactional
from alembic_ops.compare import register_comparators
from alembic_ops.operations import (
    AddEmbeddingColumnOp,
    AlterEmbeddingTypeOp,
    CreateVectorExtensionOp,
    CreateVectorIndexOp,
    DropVectorExtensionOp,
    DropVectorIndexOp,
    RebuildVectorIndexOp,
    RenameVectorIndexOp,
    SwapEmbeddingColumnsOp,
    SwapVectorIndexOp,
    UpdateVectorExtensionOp,
)
from alembic_ops.script_path import lead_scripts_to_vectors
from alembic_ops.translated import in_translated_schema

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
    _Registration(
        AddEmbeddingColumnOp, "add_embedding_column", run_columns.perform_add_embedding_column, render.render_add_column
    ),
    _Registration(
        SwapEmbeddingColumnsOp,
        "swap_embedding_columns",
        run_columns.perform_swap_embedding_columns,
        render.render_swap_columns,
    ),
    _Registration(SwapVectorIndexOp, "swap_vector_index", run.perform_index_operation, render.render_swap_index),
    _Registration(
        CreateVectorExtensionOp,
        "create_vector_extension",
        run.perform_extension_operation,
        render.render_create_extension,
    ),
    _Registration(
        UpdateVectorExtensionOp,
        "update_vector_extension",
        run.perform_extension_operation,
        render.render_update_extension,
    ),
    _Registration(
        DropVectorExtensionOp, "drop_vector_extension", run.perform_extension_operation, render.render_drop_extension
    ),
    _Registration(CreateVectorIndexOp, "create_vector_index", run.perform_index_operation, render.render_create_index),
    _Registration(DropVectorIndexOp, "drop_vector_index", run.perform_index_operation, render.render_drop_index),
    _Registration(
        RebuildVectorIndexOp, "rebuild_vector_index", run.perform_index_operation, render.render_rebuild_index
    ),
    _Registration(
        RenameVectorIndexOp,
        "rename_vector_index",
        transactional.perform_rename_vector_index,
        render.render_rename_index,
    ),
    _Registration(
        AlterEmbeddingTypeOp,
        "alter_embedding_type",
        transactional.perform_alter_embedding_type,
        render.render_alter_type,
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
    lead_scripts_to_vectors()
