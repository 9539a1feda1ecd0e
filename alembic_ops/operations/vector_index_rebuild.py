"""The rebuild of a vector index, as it is or by another definition, while it goes on serving."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alembic.operations import MigrateOperation

from alembic_ops.errors import IrreversibleOperationError, OperationArgumentError
from alembic_ops.model.build import Build
from alembic_ops.model.differences import changed_index
from alembic_ops.operations.arguments import describe_definition, index_definition, qualified, require_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic.operations import Operations
    from sqlalchemy import TextClause

    from alembic_ops.model.index_state import IndexDefinition

__all__ = ["RebuildVectorIndexOp"]


@dataclass(kw_only=True, unsafe_hash=True)
class RebuildVectorIndexOp(MigrateOperation):
    """The wish that an index is built anew.

    ``definition`` is what it becomes, None where it stays what it is. ``existing`` is what it was, where that is
    known: the way back needs it, nothing else, and so it takes no part in comparisons and is not rendered.
    """

    name: str
    table_name: str
    definition: IndexDefinition | None = None
    schema: str | None = None
    concurrently: bool = True
    build: Build = field(default_factory=Build)
    existing: IndexDefinition | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        require_name("rebuild_vector_index", "name", self.name)
        require_name("rebuild_vector_index", "table_name", self.table_name)

    @classmethod
    def rebuild_vector_index(
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
        build: Build | None = None,
    ) -> None:
        """Build a vector index anew while searches go on using the one that is there.

        Costs a build and, for its time, the disk space of both. The same definition is ``REINDEX INDEX CONCURRENTLY``.
        Another one is built beside, verified, and takes the place and the name of the old one, which is dropped.

        Args:
            name: the name of the index.
            table_name: its table.
            column: what the index shall index, a column or ``sa.text`` of an expression. None, without the next four
                arguments, rebuilds the index as it is.
            method: "hnsw" or "ivfflat".
            operator_class: the operator class, wanted wherever ``column`` is given.
            with_: build parameters, None for the server's defaults.
            where: the predicate of a partial index, None for all rows.
            schema: the schema of the table, None for the default one.
            concurrently: False rebuilds inside the migration's transaction, and blocks readers and writers meanwhile.
            build: memory and workers of the build, None for automatic ones.

        Raises:
            OperationArgumentError: pgvector would refuse the index whatever the rows, or half of a definition is given.
            IndexConflictError: there is no such index, or the name belongs to another table.
            ExternalTransactionError: ``env.py`` holds a transaction open.
            BuildError: the server gave up the build; the old index is still in use.
        """
        definition = None
        if column is not None and operator_class is not None:
            definition = index_definition(
                "rebuild_vector_index",
                column,
                method=method,
                operator_class=operator_class,
                with_=with_,
                where=where,
            )
        elif any(given is not None for given in (column, operator_class, with_, where)):
            raise OperationArgumentError(
                f"op.rebuild_vector_index({name!r}) gives a part of a definition. "
                "An index is built anew either as it is or by a whole definition. "
                "Give column and operator_class, with method, with_ and where as they shall be, or none of them.",
                operation="rebuild_vector_index",
                argument="operator_class" if column is not None else "column",
            )
        operations.invoke(
            cls(
                name=name,
                table_name=table_name,
                definition=definition,
                schema=schema,
                concurrently=concurrently,
                build=build or Build(),
            )
        )

    @property
    def subject(self) -> str:
        """The name of the index."""
        return self.name

    def reverse(self) -> RebuildVectorIndexOp:
        """Return the operation that builds the index by its former definition.

        Raises:
            IrreversibleOperationError: the definition changes and the former one is not known.
        """
        if self.definition is None:
            return self
        if self.existing is None:
            raise IrreversibleOperationError(
                f"Rebuilding the index {self.name!r} cannot be reversed. "
                "The operation does not say what the index was before. "
                "Write op.rebuild_vector_index() with the former definition in downgrade().",
                operation="rebuild_vector_index",
                subject=self.name,
            )
        return RebuildVectorIndexOp(
            name=self.name,
            table_name=self.table_name,
            definition=self.existing,
            schema=self.schema,
            concurrently=self.concurrently,
            build=self.build,
            existing=self.definition,
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, str]:
        """Return what ``alembic check`` shows, in autogenerate's words at the end."""
        words = changed_index(self.schema, self.table_name, self.name, self.existing, self.definition)
        return ("rebuild_vector_index", self.schema, self.table_name, self.name, words)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        subject = (
            f"rebuild vector index {qualified(self.schema, self.name)} of {qualified(self.schema, self.table_name)}"
        )
        if self.definition is None:
            return subject
        return f"{subject} as {describe_definition(self.definition)}"
