"""The journal of re-embedding: what the catalog and the rows cannot say of a change of model."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    MetaData,
    SmallInteger,
    String,
    Table,
    false,
    func,
    null,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.schema import conv

from sqlalchemy_vecsearch.embedding.comparing import compared
from sqlalchemy_vecsearch.embedding.errors import UnknownJobError
from sqlalchemy_vecsearch.embedding.strangers import refuse_tables_of_strangers
from sqlalchemy_vecsearch.embedding.work_table import CREATING, LOCKS, creation_of, table_exists, written_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, TextClause

__all__ = [
    "JOURNAL_TABLE",
    "Reembedding",
    "State",
    "SwitchMode",
    "create_journal",
    "find_reembedding",
    "is_job",
    "journal_table",
    "known_jobs",
    "record",
    "value_of",
]

JOURNAL_TABLE: Final = "vecsearch_reembedding"

State: TypeAlias = Literal["begun", "ready", "swapped", "finished"]
SwitchMode: TypeAlias = Literal["rename", "pointer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reembedding:
    """A job of the journal: one column of vectors takes the place of another one on the same table.

    Args:
        job: its name, unique among the tables of one schema.
        table_name: the table of both columns.
        live: the name of the column in use, as the job began with it.
        replacement: the name of the new column, likewise.
        live_number: the number of the column in use in ``pg_attribute``, which it keeps whatever its name.
        replacement_number: that of the new one.
        source: the names of the columns whose texts are embedded, None where it is an expression.
        source_sql: that expression.
        digest: "md5" or "sha256", of the new column's source hashes.
        model: the model of the new column.
        previous_model: that of the column in use, None where it has no name.
        index_definition: the vector index that the new column gets, as the arguments of ``op.create_vector_index``:
            name, column or expression, method, operator_class, with_, where; None for no index.
        mode: how searches were switched, None until then.
        required: the names of columns that were NOT NULL when names were exchanged, as long as they are not again.
        state: "begun", "ready" (verified: the switch may come), "swapped" or "finished".
        paused: whether the job rests.
        verification: the last report with its thresholds and the names of those that were waived, None before it.
        begun_at: when ``op.begin_reembedding`` wrote it.
        ready_at: when it was last said to be ready.
        swapped_at: when searches were switched.
        finished_at: when ``op.finish_reembedding`` ended it.
    """

    job: str
    table_name: str
    live: str
    replacement: str
    live_number: int
    replacement_number: int
    source: tuple[str, ...] | None
    source_sql: str | None = None
    digest: Literal["md5", "sha256"] = "md5"
    model: str
    previous_model: str | None = None
    index_definition: dict[str, Any] | None = None  # Any: arguments of op.create_vector_index, as JSON has them
    mode: SwitchMode | None = None
    required: tuple[str, ...] = ()
    state: State = "begun"
    paused: bool = False
    verification: dict[str, Any] | None = None  # Any: a report, as JSON has it
    begun_at: datetime | None = None
    ready_at: datetime | None = None
    swapped_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def declared_source(self) -> tuple[str, ...] | TextClause:
        """The source as an embedding column declares it."""
        if self.source is not None:
            return self.source
        assert self.source_sql is not None, "a source is names or an expression"
        return text(self.source_sql.replace(":", r"\:"))

    @property
    def renamed(self) -> bool:
        """Whether the two columns have exchanged their names."""
        return self.mode == "rename" and self.state in {"swapped", "finished"}

    def names_now(self, names: Mapping[int, str]) -> tuple[str, str]:
        """Return the present names of the column that was in use at first, and of the new one.

        Args:
            names: number -> name of the columns of the table, by which the catalog says it. Where a dump was restored
                the numbers are others, and the state says it.
        """
        found = (names.get(self.live_number, ""), names.get(self.replacement_number, ""))
        if set(found) == {self.live, self.replacement}:
            return found
        return (self.replacement, self.live) if self.renamed else (self.live, self.replacement)


_AS_JSON: Final = ("source", "index_definition", "required", "verification")
_VALUES: Final = {
    "state": ("begun", "ready", "swapped", "finished"),
    "mode": ("rename", "pointer"),
    "digest": ("md5", "sha256"),
}


def journal_table(metadata: MetaData, schema: str | None) -> Table:
    """Return the journal of a schema, adding it to the metadata when it is not there.

    ``op.begin_reembedding`` creates it, in the schema of the table that is embedded. A row is a job.
    """
    key = JOURNAL_TABLE if schema is None else f"{schema}.{JOURNAL_TABLE}"
    if key in metadata.tables:
        return metadata.tables[key]
    return Table(
        JOURNAL_TABLE,
        metadata,
        Column("job", String(63), primary_key=True),
        Column("table_name", String(63), nullable=False),
        Column("live", String(63), nullable=False, comment="Name of the column in use when the job began"),
        Column("replacement", String(63), nullable=False, comment="Name of the new column when the job began"),
        Column("live_number", SmallInteger, nullable=False, comment="pg_attribute.attnum of the former"),
        Column("replacement_number", SmallInteger, nullable=False, comment="pg_attribute.attnum of the latter"),
        Column("source", JSONB, nullable=False, comment='Names of columns, or {"sql": an expression}'),
        Column("digest", String(10), nullable=False, comment="Of the new column's source hashes"),
        Column("model", String(200), nullable=False),
        Column("previous_model", String(200), comment="NULL for a model without a name"),
        Column("index_definition", JSONB, comment="Arguments of op.create_vector_index; NULL for no index"),
        Column("mode", String(10), comment="How searches were switched: rename or pointer"),
        Column("required", JSONB, comment="Columns that were NOT NULL when names were exchanged, and are not again"),
        Column("state", String(10), nullable=False, server_default="begun"),
        Column("paused", Boolean, nullable=False, server_default=false()),
        Column("verification", JSONB, comment="The last report, its thresholds, and those that were waived"),
        Column("begun_at", DateTime(timezone=True), nullable=False, server_default=func.pg_catalog.now()),
        Column("ready_at", DateTime(timezone=True)),
        Column("swapped_at", DateTime(timezone=True)),
        Column("finished_at", DateTime(timezone=True)),
        *(
            CheckConstraint(
                f"CAST({name} AS pg_catalog.text) OPERATOR(pg_catalog.=)"
                f" ANY (CAST('{{{','.join(values)}}}' AS pg_catalog.text[]))",
                name=conv(f"{JOURNAL_TABLE}_{name}_check"),
            )
            for name, values in _VALUES.items()
        ),
        schema=schema,
    )


def create_journal(connection: Connection, schema: str | None) -> None:
    """Create the journal of a schema in the transaction of the connection, unless it is there."""
    journal = journal_table(MetaData(), schema)
    if table_exists(connection, journal):
        return
    connection.execute(select(func.pg_catalog.pg_advisory_xact_lock(LOCKS, CREATING)))
    if not table_exists(connection, journal):
        for statement in creation_of(journal):
            connection.execute(statement)


def known_jobs(connection: Connection, schema: str | None) -> tuple[Reembedding, ...]:
    """Return the jobs of a schema in the order of their beginnings, none where it has no journal."""
    journal = journal_table(MetaData(), schema)
    if not table_exists(connection, journal):
        return ()
    rows = connection.execute(select(journal).order_by(journal.c.begun_at, journal.c.job))
    return tuple(value_of(row) for row in rows.mappings())


def find_reembedding(connection: Connection, job: str, schema: str | None) -> Reembedding:
    """Return a job by its name.

    Raises:
        UnknownJobError: there is none of that name.
        WorkTableError: the journal belongs to a stranger, who would say which SQL is embedded.
    """
    journal = journal_table(MetaData(), schema)
    row = None
    if table_exists(connection, journal):
        row = connection.execute(select(journal).where(is_job(journal, job))).mappings().one_or_none()
    if row is None:
        raise _unknown(connection, job, schema)
    embedded = written_name(connection, Table(row["table_name"], MetaData(), schema=schema))
    refuse_tables_of_strangers(connection, [written_name(connection, journal)], beside=embedded)
    return value_of(row)


def record(connection: Connection, wished: Reembedding, schema: str | None) -> None:
    """Write a job that begins, unless the journal, which has to be there, has one of that name."""
    journal = journal_table(MetaData(), schema)
    plain = {one.name for one in fields(wished)} - {*_AS_JSON, "source_sql"}
    given = {name: value for name in plain if (value := getattr(wished, name)) is not None}
    given["source"] = {"sql": wished.source_sql} if wished.source is None else list(wished.source)
    given["index_definition"] = null() if wished.index_definition is None else wished.index_definition
    connection.execute(insert(journal).values(given).on_conflict_do_nothing())


def is_job(journal: Table, job: str) -> ColumnElement[bool]:
    """Return the condition of the row of a job."""
    return compared(journal.c.job, "=", job)


def value_of(row: Mapping[Any, Any]) -> Reembedding:  # Any: a row of the journal
    """Return a row of the journal as a value."""
    known = {name: row[name] for name in (one.name for one in fields(Reembedding)) if name in row}
    source, required = known.pop("source"), known.pop("required")
    named = tuple(source) if isinstance(source, list) else None
    return Reembedding(
        **known,
        required=tuple(required or ()),
        source=named,
        source_sql=None if named is not None else source["sql"],
    )


def _unknown(connection: Connection, job: str, schema: str | None) -> UnknownJobError:
    jobs = known_jobs(connection, schema)
    where = "" if schema is None else f" in the schema {schema!r}"
    there = ", ".join(repr(one.job) for one in jobs)
    return UnknownJobError(
        f"There is no job of re-embedding {job!r}{where}. "
        + (f"The journal has {there}. " if jobs else "The journal has none. ")
        + "Correct the name, or begin the job by op.begin_reembedding() in a revision.",
        job=job,
        known=tuple(one.job for one in jobs),
    )
