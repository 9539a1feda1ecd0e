"""The switch of searches to a new embedding model, its way back, and the end of the former one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from alembic.operations import MigrateOperation

from alembic_ops.errors import IrreversibleOperationError, OperationArgumentError
from alembic_ops.operations.arguments import qualified, require_name

if TYPE_CHECKING:
    from alembic.operations import Operations

    from sqlalchemy_vecsearch.embedding.journal import SwitchMode

__all__ = ["FinishReembeddingOp", "SwapEmbeddingBackOp", "SwapEmbeddingOp"]


@dataclass(kw_only=True, unsafe_hash=True)
class SwapEmbeddingOp(MigrateOperation):
    """The wish that searches use the new column of a job; ``mode`` is None where the columns decide how."""

    job: str
    mode: SwitchMode | None = None
    max_pending: int = 0
    schema: str | None = None
    published: bool = False

    def __post_init__(self) -> None:
        require_name("swap_embedding", "job", self.job)
        if self.mode not in {None, "rename", "pointer"}:
            raise OperationArgumentError(
                f"op.swap_embedding({self.job!r}) was given mode={self.mode!r}. "
                "Searches are switched by an exchange of the names of both columns, or by a row that names the active "
                "one. "
                'Write mode="rename" or mode="pointer", or leave it out.',
                operation="swap_embedding",
                argument="mode",
            )
        if isinstance(self.max_pending, bool) or not isinstance(self.max_pending, int) or self.max_pending < 0:
            raise OperationArgumentError(
                f"op.swap_embedding({self.job!r}) was given max_pending={self.max_pending!r}. "
                "It is how many rows may still wait for their new vector when searches are switched. "
                "Write a whole number from 0 on.",
                operation="swap_embedding",
                argument="max_pending",
            )

    @classmethod
    def swap_embedding(
        cls,
        operations: Operations,
        job: str,
        *,
        mode: SwitchMode | None = None,
        max_pending: int = 0,
        schema: str | None = None,
        published: bool = False,
    ) -> None:
        """Switch searches to the new column of a job, which has said that it is ready.

        Costs one short transaction, which commits by itself. With "rename" it holds an ACCESS EXCLUSIVE lock for
        milliseconds, asked for first, with a time limit and again until it is free; under it the pending rows are
        counted, and the columns, their provenance and their indexes exchange names with all that belongs to the names.
        With "pointer" it changes the job's row, which ``active()`` reads, and locks nothing. Nothing is embedded. Run
        again, it finds the job swapped.

        Args:
            job: the name of the job.
            mode: "rename", "pointer", or None: "pointer" where the model or the number of dimensions is another, so
                that the model of a question has to change with the column, and else "rename".
            max_pending: how many rows may still wait for their new vector.
            schema: the schema of the table, None for the default one.
            published: True where the table is in a publication of logical replication, and its subscribers are changed
                with it; False refuses there.

        Raises:
            JobNotReadyError: the job has not said that it is ready, or is swapped in the other mode.
            PendingRowsError: more rows are pending.
            PublishedTableError: subscribers would mix the vectors of both columns.
            DependentsError: objects would go on using the old vectors.
            LockWaitError: the table was in use up to the deadline.
            ExternalTransactionError: ``env.py`` holds a transaction open.
        """
        operations.invoke(cls(job=job, mode=mode, max_pending=max_pending, schema=schema, published=published))

    @property
    def subject(self) -> str:
        """The name of the job."""
        return self.job

    def reverse(self) -> SwapEmbeddingBackOp:
        """Return the operation that switches searches back."""
        return SwapEmbeddingBackOp(job=self.job, schema=self.schema, published=self.published, forward=self)

    def to_diff_tuple(self) -> tuple[str, str | None, str]:
        """Return what ``alembic check`` shows."""
        return ("swap_embedding", self.schema, self.job)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"switch searches to the new column of the job {qualified(self.schema, self.job)}"


@dataclass(kw_only=True, unsafe_hash=True)
class SwapEmbeddingBackOp(MigrateOperation):
    """The wish that searches use the former column of a job again; ``forward`` is how they were switched."""

    job: str
    allow_stale: bool = False
    schema: str | None = None
    published: bool = False
    forward: SwapEmbeddingOp | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        require_name("swap_embedding_back", "job", self.job)

    @classmethod
    def swap_embedding_back(
        cls,
        operations: Operations,
        job: str,
        *,
        allow_stale: bool = False,
        schema: str | None = None,
        published: bool = False,
    ) -> None:
        """Switch searches back to the column that was in use before ``op.swap_embedding``.

        The same transaction in reverse. Rows that were inserted or changed since the switch have no vector of the
        former model, or an older one: it counts these, says how many they are, and refuses while there are any, unless
        it is told to allow them. The job is ready again. Run again, it finds the job switched back.

        Args:
            job: the name of the job.
            allow_stale: True switches back over rows whose former vector is missing or older than their text.
            schema: the schema of the table, None for the default one.
            published: as for ``op.swap_embedding``.

        Raises:
            JobNotReadyError: the job is finished, or was never swapped.
            PendingRowsError: rows of the former column are stale.
            DependentsError: objects would go on using the vectors of the new model.
            LockWaitError: the table was in use up to the deadline.
            ExternalTransactionError: ``env.py`` holds a transaction open.
        """
        operations.invoke(cls(job=job, allow_stale=allow_stale, schema=schema, published=published))

    @property
    def subject(self) -> str:
        """The name of the job."""
        return self.job

    def reverse(self) -> SwapEmbeddingOp:
        """Return the operation that switches searches to the new column again."""
        return self.forward or SwapEmbeddingOp(job=self.job, schema=self.schema, published=self.published)

    def to_diff_tuple(self) -> tuple[str, str | None, str]:
        """Return what ``alembic check`` shows."""
        return ("swap_embedding_back", self.schema, self.job)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"switch searches back to the former column of the job {qualified(self.schema, self.job)}"


@dataclass(kw_only=True, unsafe_hash=True)
class FinishReembeddingOp(MigrateOperation):
    """The wish that a job of re-embedding is over, and its former column gone unless it is kept."""

    job: str
    keep_old: bool = False
    schema: str | None = None

    def __post_init__(self) -> None:
        require_name("finish_reembedding", "job", self.job)

    @classmethod
    def finish_reembedding(
        cls, operations: Operations, job: str, *, keep_old: bool = False, schema: str | None = None
    ) -> None:
        """End a job whose new column is in use, and drop the former column.

        Drops the indexes of the former column concurrently, whose space comes back at once, and then, under an ACCESS
        EXCLUSIVE lock of milliseconds, the column with its provenance: a row gives back the space of its former vector
        when it is written next, or when the table is rewritten. Commits what the revision did before it; run again, it
        finishes. There is no way back.

        Args:
            job: the name of the job.
            keep_old: True keeps the former column, its provenance and its indexes.
            schema: the schema of the table, None for the default one.

        Raises:
            JobNotReadyError: searches do not use the new column yet.
            BuildError: a view or another object still uses the former column.
            LockWaitError: the table was in use up to the deadline.
            ExternalTransactionError: ``env.py`` holds a transaction open.
        """
        operations.invoke(cls(job=job, keep_old=keep_old, schema=schema))

    @property
    def subject(self) -> str:
        """The name of the job."""
        return self.job

    def reverse(self) -> NoReturn:
        """Refuse: the vectors of the former model are gone.

        Raises:
            IrreversibleOperationError: always.
        """
        raise IrreversibleOperationError(
            f"Finishing the job {self.job!r} cannot be reversed. "
            "The vectors of the former model are gone with their column, or nobody has kept them true to their texts. "
            "Begin a job with the former model by op.begin_reembedding(), and let it embed the rows again.",
            operation="finish_reembedding",
            subject=self.job,
        )

    def to_diff_tuple(self) -> tuple[str, str | None, str]:
        """Return what ``alembic check`` shows."""
        return ("finish_reembedding", self.schema, self.job)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"finish the job {qualified(self.schema, self.job)}"
