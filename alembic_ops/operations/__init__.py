"""The operations as data: what a revision asks for, its way back, and its words.

They are values by intent, and not frozen: Alembic's Rewriter marks each operation that a user's rule returns.
"""

from alembic_ops.operations.add_embedding_column import AddEmbeddingColumnOp
from alembic_ops.operations.alter_embedding_type import AlterEmbeddingTypeOp
from alembic_ops.operations.create_vector_extension import CreateVectorExtensionOp
from alembic_ops.operations.create_vector_index import CreateVectorIndexOp
from alembic_ops.operations.drop_vector_extension import DropVectorExtensionOp
from alembic_ops.operations.drop_vector_index import DropVectorIndexOp
from alembic_ops.operations.rebuild_vector_index import RebuildVectorIndexOp
from alembic_ops.operations.rename_vector_index import RenameVectorIndexOp
from alembic_ops.operations.swap_embedding_columns import SwapEmbeddingColumnsOp
from alembic_ops.operations.swap_vector_index import SwapVectorIndexOp
from alembic_ops.operations.update_vector_extension import UpdateVectorExtensionOp

__all__ = [
    "AddEmbeddingColumnOp",
    "AlterEmbeddingTypeOp",
    "CreateVectorExtensionOp",
    "CreateVectorIndexOp",
    "DropVectorExtensionOp",
    "DropVectorIndexOp",
    "RebuildVectorIndexOp",
    "RenameVectorIndexOp",
    "SwapEmbeddingColumnsOp",
    "SwapVectorIndexOp",
    "UpdateVectorExtensionOp",
]
