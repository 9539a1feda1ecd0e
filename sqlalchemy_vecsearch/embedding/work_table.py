"""The tables beside the embedded ones: rows that are being embedded or were refused, and models that were used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, String, Table, Text, false, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.schema import CreateTable, ExecutableDDLElement, SetColumnComment

from sqlalchemy_vecsearch.embedding.errors import WorkTableError
from sqlalchemy_vecsearch.embedding.strangers import TABLE_KINDS, find_kind
from sqlalchemy_vecsearch.quoting import qualified_name

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

__all__ = [
    "create_missing_tables",
    "creation_of",
    "is_work_table",
    "model_table",
    "reader_lock",
    "table_exists",
    "work_table",
    "written_name",
]

WORK_TABLE: Final = "vecsearch_embedding_work"
MODEL_TABLE: Final = "vecsearch_embedding_model"
LOCKS: Final = 0x7665_6373  # "vecs": the first half of the keys of our advisory locks
CREATING: Final = 0
"""Not a driver's, which doubles percent signs: names are bound as values, too."""


def work_table(metadata: MetaData, schema: str | None) -> Table:
    """Return the work table of a schema, adding it to the metadata when it is not there.

    A row is a claim while ``claimed_until`` is set, and a refusal while ``attempts`` is above 0. What is pending is a
    condition over the embedded table itself, so that nothing is lost when this table is emptied.
    """
    return _table(
        WORK_TABLE,
        metadata,
        schema,
        lambda: (
            Column("target", String(200), primary_key=True, comment="table.column of the embedding"),
            Column("row_key", JSONB, primary_key=True, comment="The primary key of the row, as a list"),
            Column("source_hash", String(64), comment="Of the text that was claimed or refused"),
            Column("model", String(200), nullable=False),
            Column("worker", BigInteger, comment="Who has claimed the row"),
            Column("claimed_until", DateTime(timezone=True), comment="When the claim lapses by itself"),
            Column("attempts", Integer, nullable=False, server_default="0", comment="How often the text was refused"),
            Column("retry_at", DateTime(timezone=True), comment="When a refused text is tried again"),
            Column("reason", Text, comment="Why the embedder refused the text"),
        ),
    )


def model_table(metadata: MetaData, schema: str | None) -> Table:
    """Return the table of the models that have a fingerprint, adding it to the metadata when it is not there."""
    return _table(
        MODEL_TABLE,
        metadata,
        schema,
        lambda: (
            Column("model", String(200), primary_key=True),
            Column("fingerprint", Text, nullable=False, comment="Tells one model from another of the same name"),
            Column("first_used_at", DateTime(timezone=True), nullable=False, server_default=func.pg_catalog.now()),
        ),
    )


def is_work_table(name: str) -> bool:
    """Say whether a table of this name is one that a source has brought."""
    return name in {WORK_TABLE, MODEL_TABLE}


def table_exists(connection: Connection, table: Table, *, beside: Table | None = None) -> bool:
    """Say whether one of our tables is in the database, where the connection translates its schema to.

    Args:
        connection: a connection.
        table: the table.
        beside: the embedded table, where the caller knows it.

    Raises:
        WorkTableError: something else has its name, a view for example, which would run what is in it; or it belongs
            to a stranger.
    """
    name = written_name(connection, table)
    kind = find_kind(connection, name, beside=None if beside is None else written_name(connection, beside))
    if kind is not None and kind not in TABLE_KINDS:
        raise WorkTableError(
            f"{name} is no table. "
            "To read it would run what somebody has put into it, with the rights of this role. "
            "Look at whose it is and what it does, drop it, and create the table by the next migration."
        )
    return kind is not None


def create_missing_tables(connection: Connection, tables: list[Table]) -> None:
    """Create those of the tables that a migration has not created.

    Raises:
        WorkTableError: the role may not create tables there.
    """
    missing = [table for table in tables if not table_exists(connection, table)]
    if not missing:
        return
    connection.execute(select(func.pg_catalog.pg_advisory_xact_lock(LOCKS, CREATING)))
    for table in missing:
        if table_exists(connection, table):
            continue
        try:
            for statement in creation_of(table):
                connection.execute(statement)
        except ProgrammingError as error:
            create = str(CreateTable(table).compile(dialect=connection.dialect)).strip()
            raise WorkTableError(
                f"The table {written_name(connection, table)!r} is not there, and this role may not create it. "
                "Workers keep in it which rows they are embedding and which were refused. "
                "Create it by the next migration, which autogenerate proposes, or let an owner of the schema run: "
                f"{create}"
            ) from error


def creation_of(table: Table, *, if_not_exists: bool = False) -> list[ExecutableDDLElement]:
    """Return the statements that create a table with its comments, which autogenerate compares."""
    comments = [SetColumnComment(column) for column in table.c if column.comment is not None]
    return [CreateTable(table, if_not_exists=if_not_exists), *comments]


def _table(name: str, metadata: MetaData, schema: str | None, columns: Any) -> Table:  # a function of no arguments
    key = name if schema is None else f"{schema}.{name}"
    return metadata.tables[key] if key in metadata.tables else Table(name, metadata, *columns(), schema=schema)


def reader_lock(table: Table) -> ColumnElement[bool]:
    """Return an expression that locks a table, as any reader of it does, to the end of the transaction."""
    return select(1).select_from(table).where(false()).exists()


def written_name(connection: Connection, table: Table) -> str:
    """Return the name of a table as SQL text writes it, in the schema that the connection translates its own to."""
    translated: Any = connection.get_execution_options().get("schema_translate_map") or {}
    schema = translated.get(table.schema, table.schema)
    return qualified_name(schema, table.name)
