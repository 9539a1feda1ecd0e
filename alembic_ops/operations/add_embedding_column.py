"""Add a column of vectors without rewriting the table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alembic.operations import MigrateOperation
from alembic.operations.ops import DropColumnOp
from sqlalchemy import Computed

from alembic_ops.errors import OperationArgumentError
from alembic_ops.operations.definitions import qualified, require_name

if TYPE_CHECKING:
    from alembic.operations import Operations
    from sqlalchemy import Column

__all__ = ["AddEmbeddingColumnOp"]


@dataclass(kw_only=True, unsafe_hash=True)
class AddEmbeddingColumnOp(MigrateOperation):
    """The wish that a table has a column of vectors.

    ``wording`` is the column as text: columns themselves cannot be compared, because ``==`` makes SQL of them.
    """

    table_name: str
    column: Column[Any] = field(compare=False)  # Any: the type of the values does not matter here
    schema: str | None = None
    wording: str = field(init=False)

    def __post_init__(self) -> None:
        require_name("add_embedding_column", "table_name", self.table_name)
        require_name("add_embedding_column", "column", self.column.name)
        if isinstance(self.column.server_default, Computed):
            raise OperationArgumentError(
                f"op.add_embedding_column({self.table_name!r}) was given the generated column {self.column.name!r}. "
                "PostgreSQL computes a stored column for every row at once, and stops readers and writers meanwhile. "
                "Add a plain column and fill it in batches, or use op.add_column() while nobody uses the table.",
                operation="add_embedding_column",
                argument="column",
            )
        object.__setattr__(self, "wording", repr(self.column))

    @classmethod
    def add_embedding_column(
        cls,
        operations: Operations,
        table_name: str,
        column: Column[Any],
        *,
        schema: str | None = None,
    ) -> None:
        """Add a column of vectors, or make one that is there and filled NOT NULL.

        Costs an ACCESS EXCLUSIVE lock for milliseconds, asked for with a time limit and again until it is free; the
        table is not rewritten. NOT NULL on a column that is there is checked by ADD CHECK NOT VALID and VALIDATE, which
        block nobody, before it is set. Commits what the revision did before it; run again, it finishes.

        Args:
            table_name: the table.
            column: the column. ``nullable=False`` needs a constant ``server_default``, an empty table, or a column that
                is there already and has a vector in each row.
            schema: the schema of the table, None for the default one.

        Raises:
            OperationArgumentError: the column is generated.
            MigrationError: the table has rows that the column would leave without a vector, or a column of this name
                and another type.
            LockWaitError: the table was in use up to the deadline.
            ExternalTransactionError: ``env.py`` holds a transaction open.
        """
        operations.invoke(cls(table_name=table_name, column=column, schema=schema))

    def reverse(self) -> DropColumnOp:
        """Return Alembic's operation that drops the column."""
        return DropColumnOp.from_column_and_tablename(self.schema, self.table_name, self.column)

    def to_diff_tuple(self) -> tuple[str, str | None, str, Column[Any]]:
        """Return what ``alembic check`` shows."""
        return ("add_embedding_column", self.schema, self.table_name, self.column)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"add the column {self.column.name} to {qualified(self.schema, self.table_name)}"
