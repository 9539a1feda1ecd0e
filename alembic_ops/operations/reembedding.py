"""The begin of a change of the embedding model, and its abortion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from alembic.operations import MigrateOperation
from sqlalchemy import Column, ColumnElement, TextClause

from alembic_ops.errors import IrreversibleOperationError, OperationArgumentError
from alembic_ops.operations.arguments import qualified, require_name
from alembic_ops.operations.index_wish import IndexWish, index_wish
from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.provenance import Provenance, checked_source
from sqlalchemy_vecsearch.quoting import DIALECT
from sqlalchemy_vecsearch.storages import VectorForm, vector_form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic.operations import Operations

    from alembic_ops.operations.index_wish import IndexArgument
    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.provenance import ProvenanceNames, Source

__all__ = ["AbortReembeddingOp", "BeginReembeddingOp"]

_BEGIN = "begin_reembedding"


@dataclass(kw_only=True, unsafe_hash=True)
class BeginReembeddingOp(MigrateOperation):
    """The wish that a job of re-embedding has begun: its column, its provenance, its pending index, and its row.

    ``source`` is None where the source is an expression, ``source_sql`` where it is columns. ``wording`` is the column
    as text: columns themselves cannot be compared, because ``==`` makes SQL of them.
    """

    job: str
    table_name: str
    source: tuple[str, ...] | None
    source_sql: str | None = None
    live: str
    column: Column[Any] = field(compare=False)  # Any: the type of the values does not matter here
    model: str
    index: IndexWish | None = None
    previous_model: str | None = None
    digest: Literal["md5", "sha256"] = "md5"
    key: tuple[str, ...] | None = None
    schema: str | None = None
    published: bool = False
    wording: str = field(init=False)

    def __post_init__(self) -> None:
        for argument, name in (("job", self.job), ("table_name", self.table_name), ("live", self.live)):
            require_name(_BEGIN, argument, name)
        require_name(_BEGIN, "new", self.column.name)
        if self.live == self.column.name:
            raise OperationArgumentError(
                f"op.begin_reembedding({self.job!r}) was given the column {self.live!r} twice. "
                "The vectors of the new model are made beside those in use, in a column of their own. "
                "Give the new column another name.",
                operation=_BEGIN,
                argument="new",
            )
        _require_plain_vectors(self.job, self.column)
        if not self.model or len(self.model) > _LONGEST_MODEL:
            raise OperationArgumentError(
                f"op.begin_reembedding({self.job!r}) was given model={self.model!r}. "
                f"Each row keeps the name of the model that made its vector, of 1 to {_LONGEST_MODEL} characters. "
                'Write model="...", the name under which the embedder is registered.',
                operation=_BEGIN,
                argument="model",
            )
        object.__setattr__(self, "wording", repr(self.column))

    @classmethod
    def begin_reembedding(
        cls,
        operations: Operations,
        job: str,
        *,
        table_name: str,
        source: Source,
        live: str,
        new: Column[Any],
        model: str,
        index: IndexArgument | None = None,
        metric: Metric | str | None = None,
        previous_model: str | None = None,
        digest: Literal["md5", "sha256"] = "md5",
        key: Sequence[str] | None = None,
        schema: str | None = None,
        published: bool = False,
    ) -> None:
        """Begin the change of an embedding model: a second column, what its vectors are made from, and a job for them.

        Adds the column and its three columns of provenance, as NULL and without a rewrite, and the job's row in the
        journal, in one transaction under an ACCESS EXCLUSIVE lock of milliseconds, which is asked for with a time limit
        and again until it is free. Then it builds the index of pending rows concurrently, which reads the table once
        and blocks nobody. ``vecsearch reembed JOB`` does the long work. Commits what the revision did before it; run
        again, it finishes.

        Args:
            job: a name for the change, by which the other operations and the command know it.
            table_name: the table, which may be partitioned.
            source: what is embedded: names of columns, or one SQL expression, as ``embedding_column`` takes it.
            live: the column of vectors in use, with or without provenance.
            new: the column for the new vectors, nullable and of a vector type with dimensions.
            model: the name of the new model.
            index: the vector index that the job will build: ``HNSW(...)``, ``IVFFlat(...)``, or a mapping of the
                arguments of ``op.create_vector_index``, of which the name (``ix_<table>_<column>``), the column and the
                operator class may be left out. None for no index.
            metric: how that index measures; None takes the metric of the live column's index, and "cosine" where it
                has none.
            previous_model: the name of the model in use; None reads it in the rows, where they keep one.
            digest: of the hash of the text, "md5", or "sha256" for servers in FIPS mode.
            key: the columns of the primary key, for ``--sql`` where ``target_metadata`` lacks the table; None reads
                them.
            schema: the schema of the table, None for the default one.
            published: True where the table is in a publication of logical replication, and its subscribers have the new
                columns; False refuses there.

        Raises:
            OperationArgumentError: the column, the index or the source is one that PostgreSQL would refuse.
            ReembeddingConflictError: there is a job of this name, or a column, that is another one.
            PublishedTableError: subscribers may lack the columns.
            MigrationError: the table, its primary key or a column is missing.
            LockWaitError: the table was in use up to the deadline.
            ExternalTransactionError: ``env.py`` holds a transaction open.
        """
        form = _require_plain_vectors(job, new)
        names, sql = _written_source(job, source)
        operations.invoke(
            cls(
                job=job,
                table_name=table_name,
                source=names,
                source_sql=sql,
                live=live,
                column=new,
                model=model,
                index=index_wish(_BEGIN, index, metric, table_name=table_name, column=new.name, form=form),
                previous_model=previous_model,
                digest=digest,
                key=None if key is None else tuple(key),
                schema=schema,
                published=published,
            )
        )

    @property
    def subject(self) -> str:
        """The name of the job."""
        return self.job

    @property
    def replacement(self) -> str:
        """The name of the new column."""
        return str(self.column.name)

    @property
    def form(self) -> VectorForm:
        """The type of the new column."""
        return _require_plain_vectors(self.job, self.column)

    @property
    def provenance(self) -> ProvenanceNames:
        """The names of the columns that keep what the new vectors are made from."""
        return Provenance().named_for(self.replacement)

    def reverse(self) -> AbortReembeddingOp:
        """Return the operation that aborts the job, which refuses as long as there are vectors."""
        return AbortReembeddingOp(job=self.job, schema=self.schema, begin=self)

    def to_diff_tuple(self) -> tuple[str, str | None, str, str]:
        """Return what ``alembic check`` shows."""
        return ("begin_reembedding", self.schema, self.job, self.table_name)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"begin the job {self.job} on {qualified(self.schema, self.table_name)}.{self.replacement}"


@dataclass(kw_only=True, unsafe_hash=True)
class AbortReembeddingOp(MigrateOperation):
    """The wish that a job of re-embedding, and all that it has brought, is gone; ``begin`` is how it began."""

    job: str
    discard_vectors: bool = False
    schema: str | None = None
    begin: BeginReembeddingOp | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        require_name("abort_reembedding", "job", self.job)

    @classmethod
    def abort_reembedding(
        cls, operations: Operations, job: str, *, discard_vectors: bool = False, schema: str | None = None
    ) -> None:
        """Take back what ``op.begin_reembedding`` has brought, while searches go on by the column in use.

        Drops the indexes of the new column concurrently, and then, in one transaction under an ACCESS EXCLUSIVE lock of
        milliseconds, the column with its provenance and the job. Vectors cost money: where there are some it refuses,
        and says how many, unless it is told to discard them. Commits what the revision did before it; run again, it
        finishes. A job that is not there is taken for one that was aborted.

        Args:
            job: the name of the job.
            discard_vectors: True throws away the vectors that were made.
            schema: the schema of the table, None for the default one.

        Raises:
            VectorsInTheWayError: vectors were made.
            JobNotReadyError: searches were switched to the new column.
            LockWaitError: the table was in use up to the deadline.
            ExternalTransactionError: ``env.py`` holds a transaction open.
        """
        operations.invoke(cls(job=job, discard_vectors=discard_vectors, schema=schema))

    @property
    def subject(self) -> str:
        """The name of the job."""
        return self.job

    def reverse(self) -> BeginReembeddingOp:
        """Return the operation that began the job.

        Raises:
            IrreversibleOperationError: it is not known.
        """
        if self.begin is None:
            raise IrreversibleOperationError(
                f"Aborting the job {self.job!r} cannot be reversed. "
                "The operation does not say what the job was. "
                "Write the op.begin_reembedding() that began it into the downgrade.",
                operation="abort_reembedding",
                subject=self.job,
            )
        return self.begin

    def to_diff_tuple(self) -> tuple[str, str | None, str]:
        """Return what ``alembic check`` shows."""
        return ("abort_reembedding", self.schema, self.job)

    def describe(self) -> str:
        """Return the operation in one line, for people."""
        return f"abort the job {qualified(self.schema, self.job)}"


_LONGEST_MODEL = 200


def _require_plain_vectors(job: str, column: Column[Any]) -> VectorForm:
    """Return the type of a column that rows of any application may leave out, and that a worker can fill."""
    form = vector_form(column.type)
    wrong = None
    if form is None or form.dimensions is None:
        wrong = "whose type does not say how long its vectors are", "Give it a type such as VECTOR(512)."
    elif column.computed is not None or column.server_default is not None:
        wrong = "which the server would fill by itself", "Leave the default out: the worker fills it."
    elif not column.nullable:
        wrong = (
            "which is NOT NULL",
            "Leave nullable out: where the live column is NOT NULL, the switch brings it to the new one.",
        )
    if wrong is None:
        assert form is not None, "it is a vector type"
        return form
    raise OperationArgumentError(
        f"op.begin_reembedding({job!r}) was given the column {column.name!r}, {wrong[0]}. "
        "Rows are filled one after the other while the application inserts rows that know only the column in use, so "
        f"that the new one is a column of vectors of one length that begins as NULL. {wrong[1]}",
        operation=_BEGIN,
        argument="new",
    )


def _written_source(job: str, source: Source) -> tuple[tuple[str, ...] | None, str | None]:
    """Return a source as names of columns, or as SQL."""
    try:
        found = checked_source(source)
    except DeclarationError as error:
        raise OperationArgumentError(str(error), operation=_BEGIN, argument="source") from None
    if isinstance(found, tuple):
        return found, None
    if isinstance(found, TextClause):
        return None, str(found.compile())  # not found.text, which keeps the backslashes before colons
    assert isinstance(found, ColumnElement), f"the source of {job!r} is an expression"
    return None, str(found.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True, "include_table": False}))
