"""Index the embeddings, once the rows are there: that is faster than an index that grows with every row.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic_ops import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index; readers and writers do not wait for it."""
    op.create_vector_index(
        "ix_document_embedding",
        "document",
        "embedding",
        method="hnsw",
        operator_class="vector_cosine_ops",
        with_={"m": 16, "ef_construction": 64},
    )


def downgrade() -> None:
    """Drop the index."""
    op.drop_vector_index(
        "ix_document_embedding",
        "document",
        "embedding",
        method="hnsw",
        operator_class="vector_cosine_ops",
        with_={"m": 16, "ef_construction": 64},
    )
