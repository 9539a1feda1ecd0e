"""Bring the vector extension of a database to the version that the server has installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic.operations import MigrateOperation

from alembic_ops.errors import IrreversibleOperationError

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["UpdateVectorExtensionOp"]


@dataclass(kw_only=True, unsafe_hash=True)
class UpdateVectorExtensionOp(MigrateOperation):
    """The wish that the database's vector extension is as new as the server's files."""

    @classmethod
    def update_vector_extension(cls, operations: Operations) -> None:
        """Update the vector extension to the version that the server has installed.

        Costs milliseconds inside the migration's transaction; needs the owner of the extension.

        Raises:
            ExtensionError: the database has no vector extension.
        """
        operations.invoke(cls())

    def reverse(self) -> UpdateVectorExtensionOp:
        """Refuse: pgvector has no way to an older version.

        Raises:
            IrreversibleOperationError: always.
        """
        raise IrreversibleOperationError(
            "Updating the vector extension cannot be reversed. "
            "pgvector ships no scripts to an older version, and a newer one reads all that an older one wrote. "
            "Leave it updated, and take the operation out of downgrade().",
            operation="update_vector_extension",
            subject="vector",
        )

    def to_diff_tuple(self) -> tuple[str]:
        """Return what ``alembic check`` shows."""
        return ("update_vector_extension",)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return "update extension vector"
