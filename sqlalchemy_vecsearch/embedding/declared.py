"""What an embedding column with a source brings to its table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from sqlalchemy import Column, DateTime, Index, LargeBinary, MetaData, String, Table, event, func, literal_column
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import conv

from sqlalchemy_vecsearch.columns import DECLARATION, declaration_of
from sqlalchemy_vecsearch.embedding.work_table import model_table, work_table
from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.indexes import plain_column
from sqlalchemy_vecsearch.names import fitted
from sqlalchemy_vecsearch.provenance import Provenance, hash_of, is_pending, same_text, source_hash, source_text
from sqlalchemy_vecsearch.types.decorators import undecorated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement

    from sqlalchemy_vecsearch.columns import Embedding

__all__ = ["EmbeddedColumn", "declared_here", "embedded_column", "is_pending_index", "pending_index_name"]

_BROUGHT: Final = "sqlalchemy_vecsearch_brought"
"""Marks an embedding column whose companions are on its table; copies of the column keep the mark, and the table
copies its own columns and indexes."""

_PENDING: Final = "sqlalchemy_vecsearch_pending"
"""Marks a pending index in ``Index.info``, which copies of the index keep."""

_complete: Final[WeakSet[Table]] = WeakSet()
"""Tables that have got all columns that they were made with."""


@dataclass(frozen=True)
class EmbeddedColumn:
    """An embedding column with a source, and the columns that keep what its vectors were made from."""

    column: Column[Any]
    source: Any  # Any: names or an expression, as the declaration has it
    model: str
    provenance: Provenance
    source_hash: Column[str]
    made_by: Column[str]
    embedded_at: Column[Any]

    @property
    def table(self) -> Table:
        """The table of the column."""
        return self.column.table

    @property
    def label(self) -> str:
        """The column with its table, for messages and as the target of rows in the work table."""
        return f"{self.table.name}.{self.column.name}"

    @property
    def dimensions(self) -> int:
        """The declared length of the vectors."""
        declaration = declaration_of(self.column)
        assert declaration is not None
        return declaration.dimensions

    @property
    def key(self) -> tuple[Column[Any], ...]:
        """The primary key of the table."""
        return tuple(self.table.primary_key)

    @cached_property
    def row_key(self) -> ColumnElement[Any]:
        """The key as the work table has it: a list in JSON, the same in every session."""
        return func.pg_catalog.jsonb_build_array(*map(_without_settings, self.key), type_=JSONB)

    @cached_property
    def text(self) -> ColumnElement[Any]:
        """The text of a row that is embedded."""
        return source_text(self.table, self.source)

    @cached_property
    def text_hash(self) -> ColumnElement[Any]:
        """The hash of the text as it is now."""
        return source_hash(self.table, self.source, self.provenance.digest)

    @cached_property
    def pending(self) -> ColumnElement[bool]:
        """The condition of the pending index."""
        return is_pending(self.column, self.source, self.provenance, self.model)

    @property
    def index_name(self) -> str:
        """The name of the pending index."""
        return pending_index_name(self.table.name, self.column.name)

    def has_text(self, known_hash: ColumnElement[Any]) -> ColumnElement[bool]:
        """Return the condition that the text of a row is the one with this hash."""
        return same_text(self.table, self.source, self.provenance.digest, known_hash)

    def hash_of(self, text: str) -> str:
        """Return the hash that the server works out for a row of this text."""
        return hash_of(text, self.provenance.digest)


def embedded_column(element: Any) -> EmbeddedColumn:
    """Return what a mapped attribute or a column declares about its texts.

    Raises:
        DeclarationError: it is no embedding column, or one without a source.
    """
    column = plain_column(element)
    declaration = declaration_of(column)
    if declaration is not None and declaration.source is not None and column.info.get(_BROUGHT):
        return _described(column, declaration)
    owner = "" if column.table is None else f"{column.table.name}."
    raise DeclarationError(
        f"The column {owner + column.name!r} does not say what its embeddings are made from. "
        "Rows whose text has changed can be found, and embedded anew, only where the text is known. "
        'Declare it with embedding_column(..., source=["title", "body"], model="...").'
    )


def declared_here(column: Column[Any], declaration: Embedding) -> EmbeddedColumn:
    """Declare a source for the column of a reflected table, which has the columns of provenance already."""
    column.info.update({DECLARATION: declaration, _BROUGHT: True})
    return embedded_column(column)


def pending_index_name(table_name: str, column: str) -> str:
    """Return the name of the pending index of a column."""
    return fitted(f"ix_{table_name}_{column}", suffix="_pending")


def is_pending_index(index: Index) -> bool:
    """Say whether an index is one that a source has brought."""
    return bool(index.info.get(_PENDING))


@event.listens_for(Table, "after_parent_attach")
def _bring_to_table(table: Table, metadata: object) -> None:
    """Add what the embedding columns bring when a table has all of its own columns, which may be the ones named."""
    if isinstance(metadata, MetaData):
        _bring_all(_unfinished(table))
        _complete.add(table)


@event.listens_for(Column, "after_parent_attach")
def _bring_later(column: Column[Any], table: object) -> None:  # noqa: ARG001  # fixed by SQLAlchemy
    """Do the same for a column that comes later, as those of a subclass in single-table inheritance do."""
    if isinstance(table, Table) and table in _complete:
        names = {name for one in table.c for name in (one.name, one.key)}
        _bring_all(
            one
            for one in _unfinished(table)
            if isinstance(source := _source_of(one), tuple) and names.issuperset(source)
        )


def _bring_all(columns: Iterable[Column[Any]]) -> None:
    for column in columns:
        table: Table = column.table
        declaration = declaration_of(column)
        assert declaration is not None
        assert declaration.model is not None
        _require_key(table, column)
        named = (declaration.provenance or Provenance()).named_for(column.name)
        column.info[_BROUGHT] = True
        for name, type_ in (
            (named.source_hash, String(64)),
            (named.model, String(200)),
            (named.embedded_at, DateTime(timezone=True)),
        ):
            if not any(one.name == name for one in table.c):
                table.append_column(Column(name, type_, nullable=True))
        found = _described(column, declaration)
        Index(conv(found.index_name), *found.key, postgresql_where=found.pending, info={_PENDING: True})
        work_table(table.metadata, table.schema)
        model_table(table.metadata, table.schema)


def _without_settings(column: Column[Any]) -> ColumnElement[Any]:
    """Return a column in a form whose JSON depends on no ``TimeZone`` and no ``bytea_output`` of the session."""
    type_ = undecorated(column.type)
    if isinstance(type_, DateTime) and type_.timezone:
        return func.pg_catalog.timezone(literal_column("'UTC'::pg_catalog.text"), column, type_=DateTime())
    if isinstance(type_, LargeBinary):
        return func.pg_catalog.encode(column, literal_column("'hex'::pg_catalog.text"), type_=String())
    return column


def _unfinished(table: Table) -> list[Column[Any]]:
    """Return the embedding columns with a source that have not brought theirs."""
    return [one for one in table.c if _source_of(one) is not None and not one.info.get(_BROUGHT)]


def _source_of(column: Column[Any]) -> Any:  # names or an expression
    declaration = declaration_of(column)
    return None if declaration is None else declaration.source


def _described(column: Column[Any], declaration: Any) -> EmbeddedColumn:
    provenance: Provenance = declaration.provenance or Provenance()
    named = provenance.named_for(column.name)
    by_name = {one.name: one for one in column.table.c}
    return EmbeddedColumn(
        column=column,
        source=declaration.source,
        model=declaration.model,
        provenance=provenance,
        source_hash=by_name[named.source_hash],
        made_by=by_name[named.model],
        embedded_at=by_name[named.embedded_at],
    )


def _require_key(table: Table, column: Column[Any]) -> None:
    if len(table.primary_key):
        return
    raise DeclarationError(
        f"The table {table.name!r} has no primary key, and its column {column.name!r} declares a source. "
        "Pending rows are found and written by their key. "
        "Declare a primary key, or leave source out."
    )
