"""Create the extension, the table of documents, and the tables of the worker that keeps their embeddings fresh.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

import sqlalchemy_vecsearch
from alembic_ops import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PENDING = (
    "(embedding IS NOT NULL AND (pg_catalog.md5(CAST("
    r"name || '\: ' || split_part(docstring, E'\n\n', 1)"
    " AS pg_catalog.text)) OPERATOR(pg_catalog.=) CAST(embedding_source_hash AS pg_catalog.text))"
    " AND (CAST(embedding_model AS pg_catalog.text) OPERATOR(pg_catalog.=) CAST('wordllama-256' AS pg_catalog.text)))"
    " IS NOT true"
)


def upgrade() -> None:
    """Create all in one transaction."""
    op.create_vector_extension()
    op.create_table(
        "document",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("docstring", sa.String(), nullable=False),
        sa.Column("embedding", sqlalchemy_vecsearch.VECTOR(256), nullable=False),
        sa.Column("embedding_source_hash", sa.String(64), nullable=True),
        sa.Column("embedding_model", sa.String(200), nullable=True),
        sa.Column("embedded_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("ix_document_module", "document", ["module"])
    op.create_index("ix_document_embedding_pending", "document", ["id"], postgresql_where=sa.text(PENDING))
    create_worker_tables()


def create_worker_tables() -> None:
    """Create what workers keep: the rows that they are embedding, and the models that they used."""
    op.create_table(
        "vecsearch_embedding_work",
        sa.Column("target", sa.String(200), nullable=False, comment="table.column of the embedding"),
        sa.Column("row_key", postgresql.JSONB(), nullable=False, comment="The primary key of the row, as a list"),
        sa.Column("source_hash", sa.String(64), comment="Of the text that was claimed or refused"),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("worker", sa.BigInteger(), comment="Who has claimed the row"),
        sa.Column("claimed_until", sa.DateTime(timezone=True), comment="When the claim lapses by itself"),
        sa.Column(
            "attempts", sa.Integer(), server_default="0", nullable=False, comment="How often the text was refused"
        ),
        sa.Column("retry_at", sa.DateTime(timezone=True), comment="When a refused text is tried again"),
        sa.Column("reason", sa.Text(), comment="Why the embedder refused the text"),
        sa.PrimaryKeyConstraint("target", "row_key"),
    )
    op.create_table(
        "vecsearch_embedding_model",
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="Tells one model from another of the same name"),
        sa.Column("first_used_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("model"),
    )


def downgrade() -> None:
    """Drop the tables with their rows."""
    op.drop_table("vecsearch_embedding_model")
    op.drop_table("vecsearch_embedding_work")
    op.drop_table("document")
    op.drop_vector_extension()
