"""Drop the vector extension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic.operations import MigrateOperation

from alembic_ops.operations import create_vector_extension

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["DropVectorExtensionOp"]


@dataclass(kw_only=True, unsafe_hash=True)
class DropVectorExtensionOp(MigrateOperation):
    """The wish that the vector extension is gone; ``schema`` and ``minimum_version`` say how it would come back."""

    schema: str | None = None
    minimum_version: str | None = None

    @classmethod
    def drop_vector_extension(
        cls, operations: Operations, *, schema: str | None = None, minimum_version: str | None = None
    ) -> None:
        """Drop the vector extension, which nothing may use any more.

        Costs milliseconds inside the migration's transaction; it never drops columns or indexes along with it.

        Args:
            schema: where it was, for the way back.
            minimum_version: what it had to be, for the way back.

        Raises:
            ExtensionError: columns, indexes or functions still use it.
        """
        operations.invoke(cls(schema=schema, minimum_version=minimum_version))

    def reverse(self) -> create_vector_extension.CreateVectorExtensionOp:
        """Return the operation that creates the extension again."""
        return create_vector_extension.CreateVectorExtensionOp(minimum_version=self.minimum_version, schema=self.schema)

    def to_diff_tuple(self) -> tuple[str, str | None, str | None]:
        """Return what ``alembic check`` shows."""
        return ("drop_vector_extension", self.minimum_version, self.schema)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return "drop extension vector"
