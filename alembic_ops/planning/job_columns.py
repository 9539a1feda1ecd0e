"""The columns of a job of re-embedding by the names that they have now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from alembic_ops.errors import MigrationError
from alembic_ops.planning.column_addition import no_table
from sqlalchemy_vecsearch.provenance import Provenance, ProvenanceNames

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from alembic_ops.catalog.reembedding import FoundAttribute, FoundPredicate
    from sqlalchemy_vecsearch.embedding.journal import Reembedding

__all__ = ["JobColumns", "JobFacts", "job_columns", "require_job_columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """What the switch of a job depends on.

    ``schema``, ``journal_schema`` and ``work_schema`` are where the job's table, the journal and the worker's table
    are, None for a table that is not there. ``pending`` is the condition of the pending index of the new column, and
    ``old_pending`` that of the former one, None where there is none; ``index_names`` are those of all indexes of the
    table, and ``usable_indexes`` those that queries may use. ``other_switches`` are the other jobs of the table that
    have switched searches, in the order in which they did, and ``not_switched`` those that have not, or no longer.
    """

    job: Reembedding
    schema: str | None = None
    journal_schema: str | None = None
    work_schema: str | None = None
    attributes: Mapping[str, FoundAttribute] = field(default_factory=dict)
    pending: FoundPredicate | None = None
    old_pending: FoundPredicate | None = None
    index_names: frozenset[str] = frozenset()
    usable_indexes: frozenset[str] = frozenset()
    other_switches: tuple[Reembedding, ...] = ()
    not_switched: tuple[Reembedding, ...] = ()


class JobColumns(NamedTuple):
    """The two columns of a job by the names that they have now, and those that keep what their vectors are made from.

    ``old_provenance`` is None where the former column has none.
    """

    old: str
    new: str
    old_provenance: ProvenanceNames | None
    new_provenance: ProvenanceNames | None


def job_columns(job: Reembedding, attributes: Mapping[str, FoundAttribute]) -> JobColumns:
    """Return the columns of a job as the catalog has them.

    Three columns of the names and the types that a source brings are the provenance of a column. One of them alone
    belongs to the application, and is let be.
    """
    old, new = job.names_now({one.number: one.name for one in attributes.values()})
    bases = dict.fromkeys((new, job.replacement, job.live))
    of_new = next((found for base in bases if (found := _provenance(base, attributes)) is not None), None)
    of_old = _provenance(old, attributes)
    return JobColumns(old, new, None if of_old == of_new else of_old, of_new)


def require_job_columns(facts: JobFacts, columns: JobColumns) -> None:
    """Refuse a job whose table or new column is gone.

    Raises:
        MigrationError: with what is missing.
    """
    job = facts.job
    if not facts.attributes:
        raise no_table(job.table_name)
    for name in (columns.old, columns.new):
        if name not in facts.attributes:
            raise MigrationError(
                f"The table {job.table_name!r} has no column {name!r}, which belongs to the job {job.job!r}. "
                "Somebody has dropped or renamed it since the job began. "
                "Give it its name back, or abort the job by op.abort_reembedding()."
            )


_PROVENANCE_TYPES: Final[tuple[Collection[str], ...]] = ({"varchar", "text"}, {"varchar", "text"}, {"timestamptz"})


def _provenance(base: str, attributes: Mapping[str, FoundAttribute]) -> ProvenanceNames | None:
    named = Provenance().named_for(base)
    fits = (
        name in attributes and attributes[name].base in types
        for name, types in zip(named, _PROVENANCE_TYPES, strict=True)
    )
    return named if all(fits) else None
