"""Create the extension and the table of documents.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import alembic_ops  # noqa: F401 - the operations below
import sqlalchemy_vecsearch

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them in one transaction."""
    op.create_vector_extension()
    op.create_table(
        "document",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("docstring", sa.String(), nullable=False),
        sa.Column("embedding", sqlalchemy_vecsearch.VECTOR(256), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("ix_document_module", "document", ["module"])


def downgrade() -> None:
    """Drop the table with its rows."""
    op.drop_table("document")
    op.drop_vector_extension()
