"""The work of a job of re-embedding with the index operations for its index."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

from alembic.migration import MigrationContext
from alembic.operations import Operations

from alembic_ops.sql.statements import verbatim
from sqlalchemy_vecsearch.embedding.embedders import embedder_named
from sqlalchemy_vecsearch.embedding.reembedding import embedded_column_of
from sqlalchemy_vecsearch.embedding.reembedding_job import work_on_job
from sqlalchemy_vecsearch.embedding.verification.verify import Verification

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from sqlalchemy_vecsearch.embedding.embedders import Embedder
    from sqlalchemy_vecsearch.embedding.job_result import JobResult
    from sqlalchemy_vecsearch.embedding.journal import Reembedding
    from sqlalchemy_vecsearch.embedding.pacing import Rate, Retry
    from sqlalchemy_vecsearch.embedding.run import Refreshed

__all__ = ["reembed"]


def reembed(
    engine: Engine,
    job: str,
    *,
    schema: str | None = None,
    embedder: Embedder | Callable[[list[str]], Any] | None = None,  # Any: vectors of whatever form
    questions: Sequence[Any] | None = None,  # Any: texts, or vectors
    k: int = 10,
    sample: int = 50,
    thresholds: Mapping[str, float] | None = None,
    waive: Collection[str] = (),
    where: str | None = None,
    follow: bool = False,
    limit: int | None = None,
    workers: int = 1,
    rate: Rate | None = None,
    max_texts: int | None = None,
    max_tokens: int | None = None,
    throttle: Callable[[Connection], float | None] | None = None,
    retry: Retry | None = None,
    lease: float = 900.0,
    progress: Callable[[Refreshed], object] | None = None,
    told: Callable[[str, int, int], None] | None = None,
    vector_progress: Any = "auto",  # Any: as context.configure() takes it
    stop: Event | None = None,
) -> JobResult:
    """Fill the new column of a job, build its index, verify it, and note in the journal that it is ready.

    It begins where the job is: killed at any point and run again it comes to the same end, and two runners share the
    rows and wait for each other's index. Readers and writers do not notice it but for the load.

    Args:
        engine: of the database; each worker holds one connection, and the build another.
        job: its name, as ``op.begin_reembedding`` gave it.
        schema: of its table, None for the default one.
        embedder: of the job's model: a function, which is registered under the model's name where it is not, or what
            an adapter returned. None takes the one that is registered.
        questions: what people ask, to compare both models by: texts, or vectors of the new model. None lets stored
            rows ask.
        k: how many neighbours a question asks for.
        sample: how many rows are embedded again, and ask where there are no questions.
        thresholds: by the names of checks, in place of their defaults.
        waive: the names of checks that need not pass.
        where: the rows to embed and to compare, as SQL over the table: a trial, which builds no index and does not
            make the job ready. None for all.
        follow: True goes on with what becomes pending once it is ready, until it is stopped: as is wished until the
            searches change over.
        limit: the most rows; with one, the run ends when they are embedded and others are pending.
        workers: threads that embed and write.
        rate: see :func:`sqlalchemy_vecsearch.refresh`, as for max_texts, max_tokens, throttle, retry, lease, progress.
        max_texts: the most texts that are sent to the embedder.
        max_tokens: the most tokens that are sent to it.
        throttle: asked before each claim.
        retry: how an embedder is asked again.
        lease: the seconds after which a claim lapses.
        progress: called after each write.
        told: called during the verification with what is measured, how much of it, and how much there is.
        vector_progress: where the progress of the build goes, as ``context.configure(vector_progress=)``.
        stop: an event that ends the run after the batches that are under way. A build goes on.

    Raises:
        UnknownJobError: the journal has no such job.
        JobStateError: the job was switched or aborted meanwhile.
        EmbedderError: the embedder is that of another model.
        EmbedderRefusesAllError: the embedder can not be reached, or refuses every text.
        VerificationError: a number, the name of a check or a question is none.
        BuildError: the server gave up the build of the index.
    """
    verification = Verification(
        k=k, sample=sample, questions=questions, thresholds=dict(thresholds or {}), waived=frozenset(waive)
    )
    if embedder is not None:
        with engine.connect() as connection:
            found = embedded_column_of(connection, job, schema)
        embedder_named(found.model, embedder, dimensions=found.dimensions)

    def build(on: Engine, wished: Reembedding, where_it_is: str | None) -> None:
        build_index(on, wished, where_it_is, vector_progress=vector_progress)

    return work_on_job(
        engine,
        job,
        schema=schema,
        build=build,
        verification=verification,
        where=where,
        follow=follow,
        told=told or (lambda *_: None),
        stop=stop or Event(),
        limits={
            "limit": limit,
            "workers": workers,
            "rate": rate,
            "max_texts": max_texts,
            "max_tokens": max_tokens,
            "throttle": throttle,
            "retry": retry,
            "lease": lease,
            "progress": progress,
        },
    )


def build_index(engine: Engine, job: Reembedding, schema: str | None, *, vector_progress: Any) -> None:
    """Make sure that the index of a job is there, as ``op.create_vector_index`` does in a revision."""
    assert job.index_definition is not None, "there is an index to build"
    wished = dict(job.index_definition)
    expression = wished.pop("expression", None)
    element = wished.pop("column") if expression is None else verbatim(expression)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"vector_progress": vector_progress})
        # Any: the operation is added to the class when the package is imported
        operations: Any = Operations(context)
        operations.create_vector_index(wished.pop("name"), job.table_name, element, schema=schema, **wished)
