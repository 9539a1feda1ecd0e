"""The operations as data: what a revision asks for, its way back, and its words.

They are values by intent, and not frozen: Alembic's Rewriter marks each operation that a user's rule returns.
"""

from alembic_ops.operations.embedding_column import AddEmbeddingColumnOp, AlterEmbeddingTypeOp, SwapEmbeddingColumnsOp
from alembic_ops.operations.operation import Operation
from alembic_ops.operations.reembedding import AbortReembeddingOp, BeginReembeddingOp
from alembic_ops.operations.reembedding_switch import FinishReembeddingOp, SwapEmbeddingBackOp, SwapEmbeddingOp
from alembic_ops.operations.vector_extension import (
    CreateVectorExtensionOp,
    DropVectorExtensionOp,
    UpdateVectorExtensionOp,
)
from alembic_ops.operations.vector_index import CreateVectorIndexOp, DropVectorIndexOp
from alembic_ops.operations.vector_index_name import RenameVectorIndexOp, SwapVectorIndexOp
from alembic_ops.operations.vector_index_rebuild import RebuildVectorIndexOp

__all__ = [
    "AbortReembeddingOp",
    "AddEmbeddingColumnOp",
    "AlterEmbeddingTypeOp",
    "BeginReembeddingOp",
    "CreateVectorExtensionOp",
    "CreateVectorIndexOp",
    "DropVectorExtensionOp",
    "DropVectorIndexOp",
    "FinishReembeddingOp",
    "Operation",
    "RebuildVectorIndexOp",
    "RenameVectorIndexOp",
    "SwapEmbeddingBackOp",
    "SwapEmbeddingColumnsOp",
    "SwapEmbeddingOp",
    "SwapVectorIndexOp",
    "UpdateVectorExtensionOp",
]
