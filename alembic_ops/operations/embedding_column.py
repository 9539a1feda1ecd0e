"""The operations on a column of vectors: add it, alter its type, swap two."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alembic.operations import MigrateOperation
from alembic.operations.ops import DropColumnOp
from sqlalchemy import Computed
from sqlalchemy.types import to_instance

from alembic_ops.errors import OperationArgumentError
from alembic_ops.model.differences import added_column, changed_type
from alembic_ops.operations.arguments import qualified, require_name

if TYPE_CHECKING:
    from alembic.operations import Operations
    from sqlalchemy import Column
    from sqlalchemy.types import TypeEngine

__all__ = ["AddEmbeddingColumnOp", "AlterEmbeddingTypeOp", "SwapEmbeddingColumnsOp"]


@dataclass(kw_only=True, unsafe_hash=True)
class AddEmbeddingColumnOp(MigrateOperation):
    """The wish that a table has a column of vectors.

    ``wording`` is the column as text: columns themselves cannot be compared, because ``==`` makes SQL of them.
    """

    table_name: str
    column: Column[Any] = field(compare=False)  # Any: the type of the values does not matter here
    schema: str | None = None
    published: bool = False
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
        published: bool = False,
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
            published: True where the table is in a publication of logical replication, and its subscribers are changed
                with it; False refuses there.

        Raises:
            OperationArgumentError: the column is generated.
            PublishedTableError: subscribers may lack the column.
            MigrationError: the table has rows that the column would leave without a vector, or a column of this name
                and another type.
            LockWaitError: the table was in use up to the deadline.
            ExternalTransactionError: ``env.py`` holds a transaction open.
        """
        operations.invoke(cls(table_name=table_name, column=column, schema=schema, published=published))

    @property
    def subject(self) -> str:
        """The name of the column."""
        return str(self.column.name)

    def reverse(self) -> DropColumnOp:
        """Return Alembic's operation that drops the column."""
        return DropColumnOp.from_column_and_tablename(self.schema, self.table_name, self.column)

    def to_diff_tuple(self) -> tuple[str, str | None, str, str]:
        """Return what ``alembic check`` shows, in Alembic's words of the log at the end."""
        words = added_column(self.schema, self.table_name, self.column.name)
        return ("add_embedding_column", self.schema, self.table_name, words)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"add the column {self.column.name} to {qualified(self.schema, self.table_name)}"


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
    published: bool = False

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
        published: bool = False,
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
            published: True where the table is in a publication of logical replication, and its subscribers are changed
                with it; False refuses there.

        Raises:
            OperationArgumentError: both ``using`` and ``discard_vectors`` are given.
            PublishedTableError: subscribers would not follow.
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
                published=published,
            )
        )

    @property
    def subject(self) -> str:
        """The name of the column."""
        return self.column

    def reverse(self) -> AlterEmbeddingTypeOp:
        """Return the operation that gives the column its former type, converting what can be converted."""
        return AlterEmbeddingTypeOp(
            table_name=self.table_name,
            column=self.column,
            existing_type=self.type_,
            type_=self.existing_type,
            schema=self.schema,
            published=self.published,
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, str]:
        """Return what ``alembic check`` shows, in autogenerate's words at the end."""
        words = changed_type(self.schema, self.table_name, self.column, self.existing_type, self.type_)
        return ("alter_embedding_type", self.schema, self.table_name, self.column, words)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"alter the type of {qualified(self.schema, self.table_name)}.{self.column} to {self.type_!r}"


@dataclass(kw_only=True, unsafe_hash=True)
class SwapEmbeddingColumnsOp(MigrateOperation):
    """The wish that the column ``replacement`` is what ``live`` was, and the other way round."""

    table_name: str
    live: str
    replacement: str
    schema: str | None = None
    published: bool = False

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
        cls,
        operations: Operations,
        table_name: str,
        *,
        live: str,
        replacement: str,
        schema: str | None = None,
        published: bool = False,
    ) -> None:
        """Let two columns exchange names, with their indexes and with what belongs to the name and not to the data.

        Costs one short transaction under an ACCESS EXCLUSIVE lock, which is asked for with a time limit and again until
        it is free. What belongs to the name stays with it: NOT NULL, CHECK constraints, default, comment, privileges,
        views, policies, triggers, statistics. The rows of the other column are checked before, without blocking
        anybody. Partitions and children are swapped with their table. The same call swaps back.

        Args:
            table_name: the table.
            live: the column in use.
            replacement: the column that takes its name, filled and indexed.
            schema: the schema of the table, None for the default one.
            published: True where the table is in a publication of logical replication, and its subscribers are changed
                with it; False refuses there.

        Raises:
            PublishedTableError: subscribers would mix the vectors of both columns.
            DependentsError: materialized views, rules, functions or other objects would go on using the old data.
            MigrationError: a column is missing, rows have no new vector or break a constraint, or an index is missing
                or being built.
            LockWaitError: the table was in use up to the deadline.
        """
        operations.invoke(
            cls(table_name=table_name, live=live, replacement=replacement, schema=schema, published=published)
        )

    @property
    def subject(self) -> str:
        """The name of the column in use."""
        return self.live

    def reverse(self) -> SwapEmbeddingColumnsOp:
        """Return the same operation: a second swap is the way back."""
        return self

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, str]:
        """Return what ``alembic check`` shows."""
        return ("swap_embedding_columns", self.schema, self.table_name, self.live, self.replacement)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"swap the columns {self.live} and {self.replacement} of {qualified(self.schema, self.table_name)}"
