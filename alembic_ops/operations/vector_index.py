"""The creation and the drop of a vector index."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from alembic.operations import MigrateOperation

from alembic_ops.errors import IrreversibleOperationError, OperationArgumentError
from alembic_ops.model.build import Build
from alembic_ops.model.differences import added_index, removed_index
from alembic_ops.operations.arguments import describe_definition, index_definition, qualified, require_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic.operations import Operations
    from sqlalchemy import TextClause

    from alembic_ops.model.index_state import IndexDefinition

__all__ = ["CreateVectorIndexOp", "DropVectorIndexOp"]


@dataclass(kw_only=True, unsafe_hash=True)
class CreateVectorIndexOp(MigrateOperation):
    """The wish that a table has an index of this name and definition.

    ``automatic_lists`` says that the number of lists of an ivfflat index follows from the rows at build time.
    """

    name: str
    table_name: str
    definition: IndexDefinition
    schema: str | None = None
    concurrently: bool = True
    build: Build = field(default_factory=Build)
    automatic_lists: bool = False

    def __post_init__(self) -> None:
        require_name("create_vector_index", "name", self.name)
        require_name("create_vector_index", "table_name", self.table_name)

    @classmethod
    def create_vector_index(
        cls,
        operations: Operations,
        name: str,
        table_name: str,
        column: str | TextClause,
        *,
        method: str = "hnsw",
        operator_class: str,
        with_: Mapping[str, int | Literal["auto"]] | None = None,
        where: str | TextClause | None = None,
        schema: str | None = None,
        concurrently: bool = True,
        build: Build | None = None,
    ) -> None:
        """Create a vector index that readers and writers do not notice.

        Costs a build, of minutes for a million rows; it takes a SHARE UPDATE EXCLUSIVE lock, waits for transactions
        that are open, and commits what the revision did before it. Run again after any failure it finishes the work.

        Args:
            name: the name of the index, 63 bytes at most.
            table_name: the table, which may be partitioned.
            column: the name of a column, or ``sa.text`` of an expression such as ``(embedding::halfvec(384))``.
            method: "hnsw" or "ivfflat".
            operator_class: the operator class that fits the type and the metric, such as ``vector_cosine_ops``.
            with_: build parameters such as ``{"m": 16, "ef_construction": 64}``; ``{"lists": "auto"}`` counts the
                rows; None leaves the server's defaults.
            where: the predicate of a partial index, None for all rows.
            schema: the schema of the table, None for the default one.
            concurrently: False builds inside the migration's transaction, and blocks writers: for new tables.
            build: memory and workers of the build, None for automatic ones.

        Raises:
            OperationArgumentError: pgvector would refuse the index whatever the rows.
            IndexConflictError: another index has the name.
            ExternalTransactionError: ``env.py`` holds a transaction open.
            BuildError: the server gave up the build.
        """
        parameters = dict(with_ or {})
        automatic_lists = method == "ivfflat" and parameters.get("lists") == "auto"
        if automatic_lists:
            del parameters["lists"]
        # Any: what is left over of "auto" is refused as a parameter that is not a number
        numbers: dict[str, Any] = dict(parameters)
        definition = index_definition(
            "create_vector_index",
            column,
            method=method,
            operator_class=operator_class,
            with_=numbers,
            where=where,
        )
        operation = cls(
            name=name,
            table_name=table_name,
            definition=definition,
            schema=schema,
            concurrently=concurrently,
            build=build or Build(),
            automatic_lists=automatic_lists,
        )
        operations.invoke(operation)

    @property
    def subject(self) -> str:
        """The name of the index."""
        return self.name

    def reverse(self) -> DropVectorIndexOp:
        """Return the operation that drops the index and keeps its definition."""
        return DropVectorIndexOp(
            name=self.name,
            table_name=self.table_name,
            definition=self.definition,
            schema=self.schema,
            concurrently=self.concurrently,
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, str]:
        """Return what ``alembic check`` shows, in autogenerate's words at the end."""
        words = added_index(self.schema, self.table_name, self.name)
        return ("create_vector_index", self.schema, self.table_name, self.name, words)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return (
            f"create vector index {qualified(self.schema, self.name)} on {qualified(self.schema, self.table_name)}: "
            f"{describe_definition(self.definition)}"
        )


@dataclass(kw_only=True, unsafe_hash=True)
class DropVectorIndexOp(MigrateOperation):
    """The wish that an index is gone; ``definition`` says what it was, so that it can come back."""

    name: str
    table_name: str
    definition: IndexDefinition | None = None
    schema: str | None = None
    concurrently: bool = True

    def __post_init__(self) -> None:
        require_name("drop_vector_index", "name", self.name)
        require_name("drop_vector_index", "table_name", self.table_name)

    @classmethod
    def drop_vector_index(
        cls,
        operations: Operations,
        name: str,
        table_name: str,
        column: str | TextClause | None = None,
        *,
        method: str = "hnsw",
        operator_class: str | None = None,
        with_: Mapping[str, int] | None = None,
        where: str | TextClause | None = None,
        schema: str | None = None,
        concurrently: bool = True,
    ) -> None:
        """Drop a vector index that readers and writers go on without.

        Costs nothing but the wait for transactions that use the table. From its first moment queries no longer use the
        index, also when it is cancelled; run again, it finishes.

        Args:
            name: the name of the index.
            table_name: its table.
            column: what it indexes, a column or ``sa.text`` of an expression: with the next four arguments the
                definition to build again at a downgrade. None for an index that needs no way back.
            method: its method, "hnsw" or "ivfflat".
            operator_class: its operator class, wanted wherever ``column`` is given.
            with_: its build parameters, None for the server's defaults.
            where: its predicate, None for all rows.
            schema: the schema of the table, None for the default one.
            concurrently: False drops inside the migration's transaction, and blocks readers and writers until it ends.

        Raises:
            OperationArgumentError: ``column`` is given without an operator class.
            IndexConflictError: the name belongs to another table, or to another kind of index.
            ExternalTransactionError: ``env.py`` holds a transaction open.
        """
        definition = None
        if column is not None:
            if operator_class is None:
                raise OperationArgumentError(
                    f"op.drop_vector_index({name!r}) names a column but no operator class. "
                    "The definition is kept so that a downgrade can build the index again, and half of it is no use. "
                    "Add operator_class, or leave the column out too.",
                    operation="drop_vector_index",
                    argument="operator_class",
                )
            definition = index_definition(
                "drop_vector_index",
                column,
                method=method,
                operator_class=operator_class,
                with_=with_,
                where=where,
            )
        operations.invoke(
            cls(name=name, table_name=table_name, definition=definition, schema=schema, concurrently=concurrently)
        )

    @property
    def subject(self) -> str:
        """The name of the index."""
        return self.name

    def reverse(self) -> CreateVectorIndexOp:
        """Return the operation that builds the index again.

        Raises:
            IrreversibleOperationError: the definition is not known.
        """
        if self.definition is None:
            raise IrreversibleOperationError(
                f"Dropping the index {self.name!r} cannot be reversed. "
                "The operation does not say what the index was. "
                "Give column, method, operator_class and with_ to op.drop_vector_index().",
                operation="drop_vector_index",
                subject=self.name,
            )
        return CreateVectorIndexOp(
            name=self.name,
            table_name=self.table_name,
            definition=self.definition,
            schema=self.schema,
            concurrently=self.concurrently,
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, str]:
        """Return what ``alembic check`` shows, in autogenerate's words at the end."""
        words = removed_index(self.schema, self.table_name, self.name)
        return ("drop_vector_index", self.schema, self.table_name, self.name, words)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"drop vector index {qualified(self.schema, self.name)} of {qualified(self.schema, self.table_name)}"
