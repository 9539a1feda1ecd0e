"""Let two columns of vectors, and their indexes, exchange names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic.operations import MigrateOperation

from alembic_ops.errors import OperationArgumentError
from alembic_ops.operations.definitions import qualified, require_name

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["SwapEmbeddingColumnsOp"]


@dataclass(kw_only=True, unsafe_hash=True)
class SwapEmbeddingColumnsOp(MigrateOperation):
    """The wish that the column ``replacement`` is what ``live`` was, and the other way round."""

    table_name: str
    live: str
    replacement: str
    schema: str | None = None

    def __post_init__(self) -> None:
        for argument in ("table_name", "live", "replacement"):
            require_name("swap_embedding_columns", argument, getattr(self, argument))
        if self.live == self.replacement:
            raise OperationArgumentError(
                f"op.swap_embedding_columns({self.table_name!r}) was given the column {self.live!r} twice. "
                "A swap needs two columns: the one in use, and the one that takes its name. "
                "Write the name of the new column as replacement.",
                operation="swap_embedding_columns",
                argument="replacement",
            )

    @classmethod
    def swap_embedding_columns(
        cls, operations: Operations, table_name: str, *, live: str, replacement: str, schema: str | None = None
    ) -> None:
        """Let two columns exchange names, with their indexes and with what belongs to the name and not to the data.

        Costs one short transaction under an ACCESS EXCLUSIVE lock, which is asked for with a time limit and again until
        it is free. NOT NULL, default, comment and column privileges stay with the name; where the live column is NOT
        NULL, the rows of the other are checked before, without blocking anybody. The same call swaps back.

        Args:
            table_name: the table.
            live: the column in use.
            replacement: the column that takes its name, filled and indexed.
            schema: the schema of the table, None for the default one.

        Raises:
            DependentsError: views, policies, triggers or other objects would go on using the old data.
            MigrationError: a column is missing, rows have no new vector, or an index is missing or being built.
            LockWaitError: the table was in use up to the deadline.
        """
        operations.invoke(cls(table_name=table_name, live=live, replacement=replacement, schema=schema))

    def reverse(self) -> SwapEmbeddingColumnsOp:
        """Return the same operation: a second swap is the way back."""
        return self

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, str]:
        """Return what ``alembic check`` shows."""
        return ("swap_embedding_columns", self.schema, self.table_name, self.live, self.replacement)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"swap the columns {self.live} and {self.replacement} of {qualified(self.schema, self.table_name)}"
