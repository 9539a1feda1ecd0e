"""A revision as autogenerate writes it, with `op` from this package, passes strict type checking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pgvector.sqlalchemy
import sqlalchemy as sa

import alembic_ops
from alembic_ops import op

if TYPE_CHECKING:
    from collections.abc import Sequence

revision: str = "1"
down_revision: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_vector_extension()
    op.create_table("items", sa.Column("id", sa.Integer(), nullable=False), sa.PrimaryKeyConstraint("id"))
    op.add_embedding_column("items", sa.Column("embedding", pgvector.sqlalchemy.VECTOR(3), nullable=True))
    op.create_vector_index(
        "ix",
        "items",
        sa.text("(embedding\\:\\:halfvec(3))"),
        method="hnsw",
        operator_class="halfvec_l2_ops",
        with_={"m": 24},
        build=alembic_ops.Build(memory="1GB"),
    )
    with op.get_context().autocommit_block():
        op.execute("SELECT 1")


def downgrade() -> None:
    op.drop_vector_index("ix", "items", "embedding", method="hnsw", operator_class="halfvec_l2_ops")
    op.drop_table("items")


def wrong() -> None:
    """What is no argument of an operation is found: strict checking refuses a comment that is not needed."""
    op.create_vector_index("ix", "items", "embedding", operator_clas="vector_l2_ops")  # type: ignore[call-arg]
    op.rebuild_vector_index("ix")  # type: ignore[call-arg]
