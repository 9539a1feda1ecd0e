"""The next step towards the end of a job of re-embedding, by its finish or by its abortion."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from alembic_ops.errors import JobNotReadyError, VectorsInTheWayError
from alembic_ops.operations import AbortReembeddingOp, FinishReembeddingOp
from alembic_ops.planning.conflicts import wait_for
from alembic_ops.planning.job_columns import job_columns
from alembic_ops.sql.steps import DropIndex, EndJob, Finished, Step, WaitForTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic_ops.catalog.reembedding import FoundAttribute
    from alembic_ops.catalog.tables import Facts, FoundIndex
    from sqlalchemy_vecsearch.embedding.journal import Reembedding

__all__ = ["EndFacts", "EndOperation", "bytes_of_vectors", "end_step", "going_columns", "space_words"]

EndOperation: TypeAlias = FinishReembeddingOp | AbortReembeddingOp


@dataclass(frozen=True, slots=True, kw_only=True)
class EndFacts:
    """What the next step towards the end of a job depends on.

    ``going`` are the oids of the indexes that use columns which go; ``vectors`` is how many rows have one in the column
    that goes, where it was asked.
    """

    job: Reembedding | None
    facts: Facts | None = None
    attributes: Mapping[str, FoundAttribute] = field(default_factory=dict)
    going: frozenset[int] = frozenset()
    vectors: int = 0


def end_step(operation: EndOperation, facts: EndFacts) -> Step:
    """Return what to do next.

    Raises:
        JobNotReadyError: the job is in another state.
        VectorsInTheWayError: an abortion would throw vectors away, and was not told to.
    """
    job = facts.job
    if job is None:
        return Finished(remark=f"there is no job {operation.job!r}, which is taken for one that was aborted")
    if isinstance(operation, FinishReembeddingOp):
        if job.state == "finished":
            return Finished(remark="the job is finished")
        _require_swapped(job)
    else:
        _require_not_swapped(job)
        if facts.vectors and not operation.discard_vectors:
            raise _vectors_in_the_way(job, facts)
    if isinstance(operation, FinishReembeddingOp) and operation.keep_old:
        return EndJob(table_name=job.table_name, columns=())
    for index in () if facts.facts is None else facts.facts.indexes:
        if index.oid in facts.going and index.parent is None:
            assert facts.facts is not None, "it has indexes"
            return _removal(index, facts.facts)
    return EndJob(table_name=job.table_name, columns=going_columns(operation, facts))


def going_columns(operation: EndOperation, facts: EndFacts) -> tuple[str, ...]:
    """Return the columns that go: of vectors first, then those that keep what these were made from."""
    assert facts.job is not None, "a job has columns"
    columns = job_columns(facts.job, facts.attributes)
    if isinstance(operation, FinishReembeddingOp):
        going = (columns.old, *(columns.old_provenance or ()))
    else:
        going = (columns.new, *(columns.new_provenance or ()))
    return tuple(name for name in going if name in facts.attributes)


def bytes_of_vectors(type_: str, rows: int) -> int:
    """Return about how many bytes a column of vectors takes, 0 where its type does not say.

    The pgvector README: 4 bytes a dimension of a vector and 2 of a halfvec, and 8 for each value; 1/8 + 8 of bits.
    """
    found = re.search(r"\b(vector|halfvec|bit)\"?\((\d+)\)$", type_)
    return 0 if found is None else rows * (int(int(found[2]) * _BYTES[found[1]]) + 8)


_BYTES: Final = {"vector": 4.0, "halfvec": 2.0, "bit": 0.125}


def space_words(index_bytes: int, column_bytes: int, columns: tuple[str, ...]) -> str:
    """Return what space comes back, and when."""
    return (
        f"the indexes of {columns[0]!r} have given back {_size(index_bytes)}. Its vectors take about "
        f"{_size(column_bytes)}, which come back row by row, when one is written next and vacuumed, or all at once by "
        "VACUUM FULL, CLUSTER or pg_repack, of which only pg_repack lets others read and write"
    )


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1024:  # noqa: PLR2004  # as pg_size_pretty
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"


def _removal(index: FoundIndex, facts: Facts) -> Step:
    """Drop an index once nobody works on it; that of a partitioned table goes by a short lock only."""
    if index.partitioned:
        return DropIndex(name=index.name, schema=index.schema, concurrently=False)
    if index.builder is not None:
        return wait_for(index)
    tables = [one for one in (facts.table, *facts.partitions) if one is not None and one.oid == index.table_oid]
    for table in tables:
        if table.occupant is not None:
            return WaitForTable(table_name=table.name, process=table.occupant)
    return DropIndex(name=index.name, schema=index.schema)


def _require_swapped(job: Reembedding) -> None:
    if job.state == "swapped":
        return
    raise JobNotReadyError(
        f"The job {job.job!r} can not be finished: its state is {job.state!r}. "
        "Searches use the former column, which would be dropped. "
        f"Switch them by op.swap_embedding({job.job!r}) in an earlier revision, or give the job up by "
        f"op.abort_reembedding({job.job!r}).",
        job=job.job,
        state=job.state,
    )


def _require_not_swapped(job: Reembedding) -> None:
    if job.state in {"begun", "ready"}:
        return
    if job.state == "swapped":
        raise JobNotReadyError(
            f"The job {job.job!r} can not be aborted: searches use its column. "
            "To drop the column would break them. "
            f"Switch back by op.swap_embedding_back({job.job!r}) first.",
            job=job.job,
            state=job.state,
        )
    raise JobNotReadyError(
        f"The job {job.job!r} can not be aborted: it is finished. "
        "Its column is the one in use, and the former one is gone or not kept. "
        "Begin a job with the former model by op.begin_reembedding().",
        job=job.job,
        state=job.state,
    )


def _vectors_in_the_way(job: Reembedding, facts: EndFacts) -> VectorsInTheWayError:
    column = job_columns(job, facts.attributes).new
    rows = "1 row has" if facts.vectors == 1 else f"{facts.vectors:,} rows have"
    return VectorsInTheWayError(
        f"The job {job.job!r} was not aborted: {rows} a vector of the model {job.model!r} in {column!r}. "
        "They may have cost money and hours, and would be gone. "
        f"Write op.abort_reembedding({job.job!r}, discard_vectors=True) to throw them away.",
        table_name=job.table_name,
        column=column,
    )
