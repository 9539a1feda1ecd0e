"""Operations on the name of a vector index: rename it, or swap in an index that was built earlier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from alembic.operations import MigrateOperation

from alembic_ops.errors import IrreversibleOperationError, OperationArgumentError
from alembic_ops.model.differences import renamed_index
from alembic_ops.operations.arguments import qualified, require_name

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["RenameVectorIndexOp", "SwapVectorIndexOp"]


@dataclass(kw_only=True, unsafe_hash=True)
class RenameVectorIndexOp(MigrateOperation):
    """The wish that an index has another name and stays what it is."""

    concurrently: ClassVar[bool] = False
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

    @property
    def subject(self) -> str:
        """The name of the index."""
        return self.name

    def reverse(self) -> RenameVectorIndexOp:
        """Return the operation that gives the index its former name."""
        return RenameVectorIndexOp(
            name=self.new_name, new_name=self.name, table_name=self.table_name, schema=self.schema
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, str]:
        """Return what ``alembic check`` shows, in autogenerate's words at the end."""
        words = renamed_index(self.schema, self.table_name, self.name, self.new_name)
        return ("rename_vector_index", self.schema, self.table_name, self.name, words)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"rename vector index {qualified(self.schema, self.name)} to {self.new_name}"


@dataclass(kw_only=True, unsafe_hash=True)
class SwapVectorIndexOp(MigrateOperation):
    """The wish that ``replacement`` is what ``name`` was."""

    name: str
    replacement: str
    table_name: str
    schema: str | None = None
    concurrently: bool = True

    def __post_init__(self) -> None:
        require_name("swap_vector_index", "name", self.name)
        require_name("swap_vector_index", "replacement", self.replacement)
        require_name("swap_vector_index", "table_name", self.table_name)
        if self.name == self.replacement:
            raise OperationArgumentError(
                f"op.swap_vector_index({self.name!r}) was given the same name as its replacement. "
                "A swap needs two indexes: the one in use, and the one that takes its place. "
                "Write the name of the index that was built beside it as replacement.",
                operation="swap_vector_index",
                argument="replacement",
            )

    @classmethod
    def swap_vector_index(
        cls,
        operations: Operations,
        name: str,
        *,
        replacement: str,
        table_name: str,
        schema: str | None = None,
        concurrently: bool = True,
    ) -> None:
        """Drop an index and give its name to one that was built earlier, after making sure that that one is valid.

        Costs nothing but the wait for transactions that use the table. The drop is what switches the queries: while
        both indexes are there, the planner takes the one it thinks cheaper, whatever their names.

        Args:
            name: the name of the index in use.
            replacement: the name of the index that takes its place and its name.
            table_name: the table of both.
            schema: the schema of the table, None for the default one.
            concurrently: False drops inside the migration's transaction, and blocks readers and writers until it ends.

        Raises:
            IndexConflictError: the replacement is missing or not valid, or a name belongs to another table.
            ExternalTransactionError: ``env.py`` holds a transaction open.
        """
        operations.invoke(
            cls(name=name, replacement=replacement, table_name=table_name, schema=schema, concurrently=concurrently)
        )

    @property
    def subject(self) -> str:
        """The name of the index."""
        return self.name

    def reverse(self) -> SwapVectorIndexOp:
        """Refuse: the index that was in use is gone.

        Raises:
            IrreversibleOperationError: always.
        """
        raise IrreversibleOperationError(
            f"Swapping the index {self.replacement!r} for {self.name!r} cannot be reversed. "
            "The swap drops the index that was in use, as dropping is what switches the queries. "
            f"Write op.rebuild_vector_index({self.name!r}, ...) with the former definition in downgrade().",
            operation="swap_vector_index",
            subject=self.name,
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, str]:
        """Return what ``alembic check`` shows."""
        return ("swap_vector_index", self.schema, self.table_name, self.name, self.replacement)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return (
            f"put vector index {qualified(self.schema, self.replacement)} of "
            f"{qualified(self.schema, self.table_name)} in the place of {self.name}"
        )
