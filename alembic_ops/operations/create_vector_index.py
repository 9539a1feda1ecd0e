"""Create a vector index, by default without blocking readers or writers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from alembic.operations import MigrateOperation

from alembic_ops.build import Build
from alembic_ops.operations import drop_vector_index
from alembic_ops.operations.definitions import describe_definition, index_definition, qualified, require_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic.operations import Operations
    from sqlalchemy import TextClause

    from alembic_ops.state import IndexDefinition

__all__ = ["CreateVectorIndexOp"]


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

    def reverse(self) -> drop_vector_index.DropVectorIndexOp:
        """Return the operation that drops the index and keeps its definition."""
        return drop_vector_index.DropVectorIndexOp(
            name=self.name,
            table_name=self.table_name,
            definition=self.definition,
            schema=self.schema,
            concurrently=self.concurrently,
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, IndexDefinition]:
        """Return what ``alembic check`` shows."""
        return ("create_vector_index", self.schema, self.table_name, self.name, self.definition)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return (
            f"create vector index {qualified(self.schema, self.name)} on {qualified(self.schema, self.table_name)}: "
            f"{describe_definition(self.definition)}"
        )
