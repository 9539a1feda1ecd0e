"""The next step towards a job of re-embedding that has begun."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, Integer, MetaData, Numeric, String, Table, Text, Uuid
from sqlalchemy.types import NullType

from alembic_ops.errors import MigrationError, OperationArgumentError, ReembeddingConflictError
from alembic_ops.operations.arguments import qualified
from alembic_ops.planning.column_addition import no_table
from alembic_ops.planning.pending_index import PendingIndex, pending_index_step
from alembic_ops.planning.publications import refuse_published
from alembic_ops.sql.columns import column_sql, column_type
from alembic_ops.sql.statements import verbatim
from alembic_ops.sql.steps import BeginJob, BuildPendingIndex, Finished, Step
from sqlalchemy_vecsearch.embedding.declared import EmbeddedColumn
from sqlalchemy_vecsearch.embedding.journal import Reembedding
from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.metrics import Metric
from sqlalchemy_vecsearch.provenance import Provenance
from sqlalchemy_vecsearch.quoting import DIALECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.types import TypeEngine

    from alembic_ops.catalog.reembedding import BeginFacts, FoundAttribute
    from alembic_ops.operations import BeginReembeddingOp

__all__ = ["begin_step", "brought_columns", "pending_index_of", "refuse_begin", "wished_job"]

# base types of PostgreSQL -> what decides whether their text is immutable
_TYPES: Final[Mapping[str, type[TypeEngine[Any]]]] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "citext"), Text),
    **dict.fromkeys(("int2", "int4", "int8"), Integer),
    **dict.fromkeys(("float4", "float8"), Float),
    **dict.fromkeys(("json", "jsonb"), JSON),
    "numeric": Numeric,
    "bool": Boolean,
    "uuid": Uuid,
}
_DEFAULT_METRIC: Final = Metric.COSINE


def begin_step(operation: BeginReembeddingOp, facts: BeginFacts, done: Sequence[Step] = ()) -> Step:
    """Return what to do next about a job, given what the catalog says now and which steps this run has taken.

    Raises:
        MigrationError: as ``refuse_begin``.
    """
    refuse_begin(operation, facts)
    missing = tuple(column_sql(column) for column in brought_columns(operation) if column.name not in facts.attributes)
    if facts.job is None or missing:
        return BeginJob(table_name=operation.table_name, columns=missing)
    differs = facts.condition is not None and facts.condition != facts.wished_condition
    step = pending_index_step(
        pending_index_of(operation, facts.key, facts.attributes), facts.facts, done, another_condition=differs
    )
    if step is not None:
        return step
    if any(isinstance(one, BeginJob | BuildPendingIndex) for one in done):
        return Finished(
            remark=f"run `vecsearch reembed {operation.job} --embedder module:function` now: it fills the new column, "
            "builds its index, compares it with the live one, and says when searches may be switched"
        )
    return Finished(remark="the job has begun already")


def refuse_begin(operation: BeginReembeddingOp, facts: BeginFacts) -> None:
    """Refuse a job that cannot begin on the table as it is.

    Raises:
        MigrationError: there is no such table or column, or it has no primary key.
        OperationArgumentError: the source is one that PostgreSQL would refuse in an index.
        ReembeddingConflictError: there is another job of the name, or a column of another type.
        PublishedTableError: subscribers may lack the columns.
    """
    if facts.facts.table is None:
        raise no_table(operation.table_name)
    _require_columns(operation, facts)
    _refuse_other_types(operation, facts)
    _check_source(operation, facts.attributes)
    if facts.job is not None:
        _require_same_job(operation, facts.job, facts)
        return
    other = next((one for one in facts.others if _works_on(one, operation.replacement)), None)
    if other is not None:
        raise ReembeddingConflictError(
            f"The job {operation.job!r} can not begin: the column {operation.replacement!r} of "
            f"{operation.table_name!r} belongs to the job {other.job!r}. "
            "Two models in one column would throw away each other's vectors. "
            f"Give the new column another name, or end the other job by op.abort_reembedding({other.job!r}).",
            job=operation.job,
        )
    refuse_published(operation, facts.publications)


def brought_columns(operation: BeginReembeddingOp) -> list[Column[Any]]:  # Any: columns of any type
    """Return the columns that a job brings."""
    named = operation.provenance
    return [
        operation.column,
        Column(named.source_hash, String(64)),
        Column(named.model, String(200)),
        Column(named.embedded_at, DateTime(timezone=True)),
    ]


def pending_index_of(
    operation: BeginReembeddingOp, key: Sequence[str], attributes: Mapping[str, FoundAttribute]
) -> PendingIndex:
    """Return the index of the rows whose new vector is missing or is not that of their text."""
    found = _embedded(operation, key, attributes)
    condition = found.pending.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True, "include_table": False})
    return PendingIndex(name=found.index_name, key=tuple(key), condition=str(condition))


def wished_job(operation: BeginReembeddingOp, facts: BeginFacts, numbers: Mapping[str, int]) -> Reembedding:
    """Return the job as the journal will have it.

    Args:
        operation: the begin.
        facts: what was found before.
        numbers: name -> number of the columns of the table, with the new ones.
    """
    return Reembedding(
        job=operation.job,
        table_name=operation.table_name,
        live=operation.live,
        replacement=operation.replacement,
        live_number=numbers[operation.live],
        replacement_number=numbers[operation.replacement],
        source=operation.source,
        source_sql=operation.source_sql,
        digest=operation.digest,
        model=operation.model,
        previous_model=operation.previous_model or facts.previous_model,
        index_definition=_index_as_json(operation, facts.metric),
    )


def _index_as_json(operation: BeginReembeddingOp, metric: Metric | None) -> dict[str, Any] | None:  # Any: see IndexWish
    wish = operation.index
    if wish is None:
        return None
    if not wish.is_known:
        wish = wish.with_metric(metric or _DEFAULT_METRIC, operation.form, operation="begin_reembedding")
    return wish.as_json()


def _embedded(
    operation: BeginReembeddingOp, key: Sequence[str], attributes: Mapping[str, FoundAttribute]
) -> EmbeddedColumn:
    """Return the new column on a table that has what the condition of its index names."""
    brought = brought_columns(operation)
    new, hashed, model, embedded_at = brought
    brought[0] = new = Column(new.name, new.type)  # without what the given one declares, and with a table of its own
    named = {one.name for one in brought}
    wanted = [name for name in dict.fromkeys((*key, *(operation.source or ()))) if name not in named]
    Table(
        operation.table_name,
        MetaData(),
        *(Column(name, _type_of(attributes.get(name)), primary_key=name in key) for name in wanted),
        *brought,
    )
    return EmbeddedColumn(
        column=new,
        source=operation.source if operation.source_sql is None else verbatim(operation.source_sql),
        model=operation.model,
        provenance=Provenance(digest=operation.digest),
        source_hash=hashed,
        made_by=model,
        embedded_at=embedded_at,
    )


def _type_of(found: FoundAttribute | None) -> TypeEngine[Any]:
    """Return a type that says whether the text of a column is immutable; a script, which knows no types, trusts."""
    if found is None:
        return Text()
    known = _TYPES.get(found.base)
    return NullType() if known is None else known()


def _check_source(operation: BeginReembeddingOp, attributes: Mapping[str, FoundAttribute]) -> None:
    try:
        _ = _embedded(operation, (), attributes).text
    except DeclarationError as error:
        raise OperationArgumentError(str(error), operation="begin_reembedding", argument="source") from None


def _require_columns(operation: BeginReembeddingOp, facts: BeginFacts) -> None:
    table = qualified(operation.schema, operation.table_name)
    for name in (operation.live, *(operation.source or ())):
        if name not in facts.attributes:
            raise MigrationError(
                f"The table {table!r} has no column {name!r}, which the job {operation.job!r} names. "
                "A job needs the column in use, and the columns whose text is embedded. "
                f"Correct the name; the table has {', '.join(map(repr, facts.attributes))}."
            )
    if facts.is_part:
        raise MigrationError(
            f"The job {operation.job!r} can not begin: {table!r} is a partition of another table, or inherits. "
            "Its columns come from there, and so do its rows. "
            "Begin the job on the partitioned table; tables that inherit by INHERITS are not supported."
        )
    if not facts.key:
        raise MigrationError(
            f"The table {table!r} has no primary key, so that the job {operation.job!r} can not begin. "
            "Pending rows are found and written by their key. "
            "Add a primary key to the table in an earlier revision."
        )
    if operation.key is not None and operation.key != facts.key:
        raise ReembeddingConflictError(
            f"The job {operation.job!r} was given key={list(operation.key)!r}, and the primary key of {table!r} is "
            f"{list(facts.key)!r}. "
            "Pending rows are found and written by their primary key. "
            "Correct the argument, or leave it out.",
            job=operation.job,
        )


def _refuse_other_types(operation: BeginReembeddingOp, facts: BeginFacts) -> None:
    for column in brought_columns(operation):
        found = facts.attributes.get(column.name)
        if found is None or _bare(found.type) == _bare(column_type(column)):
            continue
        raise ReembeddingConflictError(
            f"The table {operation.table_name!r} has a column {column.name!r} already, of type {found.type}, where the "
            f"job {operation.job!r} brings one of type {column_type(column).lower()}. "
            "A begin never changes a column that is there. "
            "Choose another name for the new column.",
            job=operation.job,
        )


_SPELLINGS: Final = {"timestamp with time zone": "timestamptz", "character varying": "varchar"}


def _bare(type_: str) -> str:
    """Return a type without its schema, in one spelling."""
    written = type_.lower()
    for long, short in _SPELLINGS.items():
        written = written.replace(long, short)
    head, bracket, rest = written.partition("(")
    return head.rpartition(".")[2].strip('"') + bracket + rest


def _works_on(job: Reembedding, column: str) -> bool:
    return job.state != "finished" and column in job.names_now({})


def _require_same_job(operation: BeginReembeddingOp, job: Reembedding, facts: BeginFacts) -> None:
    """Refuse a job of the name that is another one, with what differs."""
    numbers = {name: one.number for name, one in facts.attributes.items()}
    wished = wished_job(
        operation, facts, numbers | {operation.live: job.live_number, operation.replacement: job.replacement_number}
    )
    compared: Iterable[tuple[str, object, object]] = (
        ("table_name", job.table_name, wished.table_name),
        ("live", job.live, wished.live),
        ("new", job.replacement, wished.replacement),
        ("source", job.source or job.source_sql, wished.source or wished.source_sql),
        ("digest", job.digest, wished.digest),
        ("model", job.model, wished.model),
        ("previous_model", job.previous_model, operation.previous_model or job.previous_model),
        ("index", job.index_definition, _index_as_known(operation, job)),
    )
    differences = tuple((what, there, asked) for what, there, asked in compared if there != asked)
    if not differences and job.state != "finished":
        return
    listed = "; ".join(f"{what} is {there!r} there and {asked!r} here" for what, there, asked in differences)
    found = f"and it is another one: {listed}" if differences else "and it is finished"
    raise ReembeddingConflictError(
        f"There is a job {operation.job!r} already, {found}. "
        "A job is known by its name, and its vectors may be in use or have cost money. "
        f"Choose another name, or end that job by op.abort_reembedding({operation.job!r}) first.",
        job=operation.job,
        differences=differences,
    )


def _index_as_known(operation: BeginReembeddingOp, job: Reembedding) -> dict[str, Any] | None:  # Any: see IndexWish
    """Return the wished index, whose metric, where it is left open, is the one that the job has taken."""
    wish = operation.index
    if wish is None:
        return None
    given = wish.as_json()
    if not wish.is_known and job.index_definition is not None:
        given["operator_class"] = job.index_definition.get("operator_class")
    return given
