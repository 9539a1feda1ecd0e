"""The creation, the update and the drop of the vector extension."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alembic.operations import MigrateOperation

from alembic_ops.errors import IrreversibleOperationError, OperationArgumentError

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["CreateVectorExtensionOp", "DropVectorExtensionOp", "UpdateVectorExtensionOp"]

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

    @property
    def subject(self) -> str:
        """The name of the extension."""
        return "vector"

    def reverse(self) -> DropVectorExtensionOp:
        """Return the operation that drops the extension."""
        return DropVectorExtensionOp(schema=self.schema, minimum_version=self.minimum_version)

    def to_diff_tuple(self) -> tuple[str, str | None, str | None, str]:
        """Return what ``alembic check`` shows, in autogenerate's words at the end."""
        return ("create_vector_extension", self.minimum_version, self.schema, "missing extension 'vector'")

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        version = f" {self.minimum_version} or newer" if self.minimum_version else ""
        schema = f" in schema {self.schema}" if self.schema else ""
        return f"create extension vector{version}{schema}"


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

    @property
    def subject(self) -> str:
        """The name of the extension."""
        return "vector"

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

    def to_diff_tuple(self) -> tuple[str, str]:
        """Return what ``alembic check`` shows, in autogenerate's words at the end."""
        return ("update_vector_extension", "outdated extension 'vector'")

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return "update extension vector"


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

    @property
    def subject(self) -> str:
        """The name of the extension."""
        return "vector"

    def reverse(self) -> CreateVectorExtensionOp:
        """Return the operation that creates the extension again."""
        return CreateVectorExtensionOp(minimum_version=self.minimum_version, schema=self.schema)

    def to_diff_tuple(self) -> tuple[str, str | None, str | None]:
        """Return what ``alembic check`` shows."""
        return ("drop_vector_extension", self.minimum_version, self.schema)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return "drop extension vector"
