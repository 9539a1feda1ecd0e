"""Give a vector index another name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic.operations import MigrateOperation

from alembic_ops.operations.definitions import qualified, require_name

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["RenameVectorIndexOp"]


@dataclass(kw_only=True, unsafe_hash=True)
class RenameVectorIndexOp(MigrateOperation):
    """The wish that an index has another name and stays what it is."""

    name: str
    new_name: str
    table_name: str
    schema: str | None = None

    def __post_init__(self) -> None:
        require_name("rename_vector_index", "name", self.name)
        require_name("rename_vector_index", "new_name", self.new_name)

    @classmethod
    def rename_vector_index(
        cls, operations: Operations, name: str, new_name: str, *, table_name: str, schema: str | None = None
    ) -> None:
        """Give a vector index another name without building it again.

        Costs nothing: a lock that neither reading nor writing waits for, inside the migration's transaction. Run again
        after a failure it finds the new name and does nothing.

        Args:
            name: the name that the index has.
            new_name: the name that it gets, 63 bytes at most.
            table_name: its table.
            schema: the schema of the table, None for the default one.

        Raises:
            OperationArgumentError: a name is too long.
            IndexConflictError: there is no index of either name on the table.
        """
        operations.invoke(cls(name=name, new_name=new_name, table_name=table_name, schema=schema))

    def reverse(self) -> RenameVectorIndexOp:
        """Return the operation that gives the index its former name."""
        return RenameVectorIndexOp(
            name=self.new_name, new_name=self.name, table_name=self.table_name, schema=self.schema
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, str]:
        """Return what ``alembic check`` shows: the former name, then the new one."""
        return ("rename_vector_index", self.schema, self.table_name, self.name, self.new_name)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"rename vector index {qualified(self.schema, self.name)} to {self.new_name}"
