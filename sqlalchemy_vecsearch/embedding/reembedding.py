"""The columns of a job of re-embedding as the database has them, without the models of the application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, Table, select

from sqlalchemy_vecsearch.columns import Embedding
from sqlalchemy_vecsearch.embedding.catalog_table import add_index, read_table
from sqlalchemy_vecsearch.embedding.declared import declared_here
from sqlalchemy_vecsearch.embedding.errors import ReembeddingError
from sqlalchemy_vecsearch.embedding.journal import find_reembedding
from sqlalchemy_vecsearch.embedding.work_table import reader_lock, table_exists
from sqlalchemy_vecsearch.metrics import Metric, Storage, metric_of_operator_class
from sqlalchemy_vecsearch.provenance import Provenance
from sqlalchemy_vecsearch.storages import vector_form

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection

    from sqlalchemy_vecsearch.embedding.declared import EmbeddedColumn
    from sqlalchemy_vecsearch.embedding.journal import Reembedding

__all__ = ["ReembeddedColumns", "embedded_column_of", "held_columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReembeddedColumns:
    """Both columns of a job, by the names that they have now.

    Args:
        job: what the journal has.
        found: the new column, with its source, its provenance and its model.
        live: the column that was in use when the job began, None after it was dropped.
    """

    job: Reembedding
    found: EmbeddedColumn
    live: Column[Any] | None


def embedded_column_of(connection: Connection, job: str, schema: str | None = None) -> EmbeddedColumn:
    """Return the new column of a job as what ``refresh``, ``stale`` and ``census`` take, by its ``column``.

    The table is read from the catalog: its key, its columns and their types. What the models of the application declare
    for the same column results in the same.

    Args:
        connection: of the database.
        job: its name.
        schema: of its table, None for the default one.

    Raises:
        UnknownJobError: the journal has no such job.
        ReembeddingError: the table or a column of the job is gone.
    """
    return held_columns(connection, job, schema).found


def held_columns(connection: Connection, job: str, schema: str | None) -> ReembeddedColumns:
    """Return both columns of a job by names that stay theirs until the end of the transaction.

    The table is locked as any reader locks it, before the names are read: a swap waits for it.

    Raises:
        UnknownJobError: the journal has no such job.
        WorkTableError: the journal belongs to a stranger.
        ReembeddingError: the table or a column of the job is gone.
    """
    _hold_names(connection, find_reembedding(connection, job, schema).table_name, schema)
    return _reembedded_columns(connection, find_reembedding(connection, job, schema), schema)


def _hold_names(connection: Connection, table_name: str, schema: str | None) -> None:
    """Lock a table, where it is there, against an exchange of the names of its columns until the transaction ends."""
    named = Table(table_name, MetaData(), schema=schema)
    if table_exists(connection, named, beside=named):
        connection.execute(select(reader_lock(named)))


def _reembedded_columns(connection: Connection, job: Reembedding, schema: str | None) -> ReembeddedColumns:
    """Return both columns of a job on its table, as the catalog has it.

    Raises:
        ReembeddingError: the table or a column of the job is gone.
    """
    read = read_table(connection, job.table_name, schema)
    if read is None:
        raise ReembeddingError(
            f"The table {job.table_name!r} of the job {job.job!r} is not there. "
            "The journal is in its schema, and has outlived it. "
            "Restore the table, or delete the job's row of vecsearch_reembedding."
        )
    live_name, name = job.names_now(read.numbers)
    if name not in read.table.c:
        raise _gone(job, name, "embedded anew")
    live = read.table.c.get(live_name)
    if live is not None:
        read.add_indexes_of(live)
    elif job.state != "finished":
        raise _gone(job, live_name, "in use when the job began")
    column = read.table.c[name]
    declaration = _declaration(job, column, _provenance(job, name, read.table))
    found = declared_here(column, declaration)
    if job.index_definition is not None:
        add_index(column, job.index_definition, Metric.of(declaration.metric))
    return ReembeddedColumns(job=job, found=found, live=live)


def _gone(job: Reembedding, name: str, what: str) -> ReembeddingError:
    return ReembeddingError(
        f"The column {name!r} of the job {job.job!r} is not on the table {job.table_name!r}. "
        f"The journal knows it as the one that is {what}, and somebody has dropped or renamed it. "
        "Give it its name back, or end the job by op.abort_reembedding()."
    )


def _provenance(job: Reembedding, name: str, table: Table) -> Provenance:
    """Return the names of the columns of provenance, which keep their own where the live column has none to give."""
    there = set(table.c.keys())
    for base in (name, job.replacement, job.live):
        named = Provenance().named_for(base)
        if there.issuperset(named):
            return Provenance(**named._asdict(), digest=job.digest)
    raise ReembeddingError(
        f"The column {name!r} of the job {job.job!r} has lost the columns that keep what its vectors were made from. "
        f"They are {', '.join(map(repr, Provenance().named_for(name)))}, and op.begin_reembedding() has added them. "
        "Run that revision again, which adds what is missing."
    )


def _declaration(job: Reembedding, column: Column[Any], provenance: Provenance) -> Embedding:
    form = vector_form(column.type)
    if form is None or form.dimensions is None:
        raise ReembeddingError(
            f"The column {column.name!r} of the job {job.job!r} is of type {column.type!r}. "
            "A worker writes vectors of one length, which the type of the column has to say. "
            "Abort the job, and begin it with a type such as VECTOR(512)."
        )
    return Embedding(
        form.dimensions,
        metric=_metric(job.index_definition, form.storage),
        storage=form.storage,
        model=job.model,
        source=job.declared_source,
        provenance=provenance,
    )


def _metric(definition: dict[str, Any] | None, storage: Storage) -> Metric:
    """Return the metric of the index that is wished, else the usual one of the storage.

    An index of bits of vectors is compared for the metric of the vectors, which it does not say.
    """
    usual = Metric.HAMMING if storage is Storage.BIT else Metric.COSINE
    known = None if definition is None else metric_of_operator_class(definition["operator_class"])
    return known[1] if known is not None and known[1] in storage.metrics else usual
