"""Rebuild the index with more links, while it goes on serving searches.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic_ops import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the new index beside the old one, switch, drop the old one."""
    op.rebuild_vector_index(
        "ix_document_embedding",
        "document",
        "embedding",
        method="hnsw",
        operator_class="vector_cosine_ops",
        with_={"m": 24, "ef_construction": 128},
    )


def downgrade() -> None:
    """Go back to fewer links the same way."""
    op.rebuild_vector_index(
        "ix_document_embedding",
        "document",
        "embedding",
        method="hnsw",
        operator_class="vector_cosine_ops",
        with_={"m": 16, "ef_construction": 64},
    )
