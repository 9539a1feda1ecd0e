"""Create the vector extension."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alembic.operations import MigrateOperation

from alembic_ops.errors import OperationArgumentError
from alembic_ops.operations import drop_vector_extension

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["CreateVectorExtensionOp"]

_VERSION: Final = re.compile(r"^[0-9]+(\.[0-9]+)*$")


@dataclass(kw_only=True, unsafe_hash=True)
class CreateVectorExtensionOp(MigrateOperation):
    """The wish that the database has the vector extension."""

    minimum_version: str | None = None
    schema: str | None = None

    def __post_init__(self) -> None:
        if self.minimum_version is not None and not _VERSION.match(self.minimum_version):
            raise OperationArgumentError(
                f"op.create_vector_extension(minimum_version={self.minimum_version!r}) is not a version. "
                "Versions are compared number by number. "
                'Write minimum_version="0.8.0", for example.',
                operation="create_vector_extension",
                argument="minimum_version",
            )

    @classmethod
    def create_vector_extension(
        cls, operations: Operations, *, minimum_version: str | None = None, schema: str | None = None
    ) -> None:
        """Create the vector extension, or make sure that the one that is there is new enough.

        Costs milliseconds inside the migration's transaction; needs the right to create in the database, as the
        extension is trusted.

        Args:
            minimum_version: the oldest version that will do, such as "0.8.0". None takes any.
            schema: the schema for its types and operators, None for the first one of the search path.

        Raises:
            OperationArgumentError: the version is not made of numbers.
            ExtensionError: the server has none, or an older one, or has it in another schema.
        """
        operations.invoke(cls(minimum_version=minimum_version, schema=schema))

    def reverse(self) -> drop_vector_extension.DropVectorExtensionOp:
        """Return the operation that drops the extension."""
        return drop_vector_extension.DropVectorExtensionOp(schema=self.schema, minimum_version=self.minimum_version)

    def to_diff_tuple(self) -> tuple[str, str | None, str | None]:
        """Return what ``alembic check`` shows."""
        return ("create_vector_extension", self.minimum_version, self.schema)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        version = f" {self.minimum_version} or newer" if self.minimum_version else ""
        schema = f" in schema {self.schema}" if self.schema else ""
        return f"create extension vector{version}{schema}"
