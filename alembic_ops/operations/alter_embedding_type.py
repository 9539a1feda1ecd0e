"""Give a column of vectors another type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alembic.operations import MigrateOperation
from sqlalchemy.types import to_instance

from alembic_ops.errors import OperationArgumentError
from alembic_ops.operations.definitions import qualified, require_name

if TYPE_CHECKING:
    from alembic.operations import Operations
    from sqlalchemy.types import TypeEngine

__all__ = ["AlterEmbeddingTypeOp"]


@dataclass(kw_only=True, unsafe_hash=True)
class AlterEmbeddingTypeOp(MigrateOperation):
    """The wish that a column of vectors has another storage or other dimensions."""

    table_name: str
    column: str
    existing_type: TypeEngine[Any]
    type_: TypeEngine[Any]
    using: str | None = None
    discard_vectors: bool = False
    schema: str | None = None

    def __post_init__(self) -> None:
        require_name("alter_embedding_type", "table_name", self.table_name)
        require_name("alter_embedding_type", "column", self.column)
        if self.using is not None and self.discard_vectors:
            raise OperationArgumentError(
                f"op.alter_embedding_type({self.table_name!r}, {self.column!r}) both converts and throws away. "
                "A USING expression says what becomes of the vectors, discard_vectors=True that they all become NULL. "
                "Give one of them.",
                operation="alter_embedding_type",
                argument="discard_vectors",
            )

    @classmethod
    def alter_embedding_type(
        cls,
        operations: Operations,
        table_name: str,
        column: str,
        *,
        existing_type: TypeEngine[Any] | type[TypeEngine[Any]],
        type_: TypeEngine[Any] | type[TypeEngine[Any]],
        using: str | None = None,
        discard_vectors: bool = False,
        schema: str | None = None,
    ) -> None:
        """Give a column of vectors another type, with its data and its indexes.

        Costs an ACCESS EXCLUSIVE lock for rewriting the table and rebuilding all of its indexes, so that nobody reads
        or writes meanwhile; for a table in use fill a second column instead. Vectors of the same number of dimensions
        are converted. Where they cannot be, because another number of dimensions is another model, the operation
        refuses as long as there are vectors, unless it is told what becomes of them.

        Args:
            table_name: the table.
            column: the column of vectors.
            existing_type: the type that it has.
            type_: the type that it gets.
            using: SQL over the row that makes the new value, such as ``subvector(embedding, 1, 256)::vector(256)``.
                None converts, where that is possible.
            discard_vectors: True sets every vector to NULL, to be embedded again.
            schema: the schema of the table, None for the default one.

        Raises:
            OperationArgumentError: both ``using`` and ``discard_vectors`` are given.
            VectorsInTheWayError: there are vectors that cannot follow, and nothing says what becomes of them.
        """
        operations.invoke(
            cls(
                table_name=table_name,
                column=column,
                existing_type=to_instance(existing_type),
                type_=to_instance(type_),
                using=using,
                discard_vectors=discard_vectors,
                schema=schema,
            )
        )

    def reverse(self) -> AlterEmbeddingTypeOp:
        """Return the operation that gives the column its former type, converting what can be converted."""
        return AlterEmbeddingTypeOp(
            table_name=self.table_name,
            column=self.column,
            existing_type=self.type_,
            type_=self.existing_type,
            schema=self.schema,
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, TypeEngine[Any], TypeEngine[Any]]:
        """Return what ``alembic check`` shows: the existing type, then the wished one."""
        return ("alter_embedding_type", self.schema, self.table_name, self.column, self.existing_type, self.type_)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"alter the type of {qualified(self.schema, self.table_name)}.{self.column} to {self.type_!r}"
