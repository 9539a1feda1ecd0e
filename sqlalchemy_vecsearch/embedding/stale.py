"""The rows whose embeddings are not what their texts are now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, and_, func, literal_column, or_, select
from sqlalchemy.orm import QueryableAttribute, Session
from sqlalchemy.sql.util import ClauseAdapter

from sqlalchemy_vecsearch.embedding.comparing import compared
from sqlalchemy_vecsearch.embedding.declared import embedded_column
from sqlalchemy_vecsearch.embedding.work_table import table_exists, work_table

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select, TextClause

    from sqlalchemy_vecsearch.embedding.declared import EmbeddedColumn

_COUNT: Any = func.pg_catalog.count(literal_column("*"), type_=BigInteger)

__all__ = ["Census", "census", "failed_rows", "source_hash", "source_text", "stale"]


def stale(column: Any) -> Select[Any]:
    """Return the entities that need embedding: no vector, another text than the vector's, or another model.

    The pending index of the column serves it, whatever the table's size. Take it further as any Select: ``where``,
    ``order_by`` the key, ``limit``. A row whose text was refused by the embedder is in it as long as it needs a vector.

    Args:
        column: the embedding column with a source, such as ``Document.embedding``, or that of an alias.

    Raises:
        DeclarationError: the column declares no source.

    Example:
        ```text
        session.scalars(stale(Document.embedding).where(Document.language == "en").limit(100))
        ```
    """
    found = embedded_column(column)
    if isinstance(column, QueryableAttribute):
        parent: Any = column.parent  # of a class or of an alias
        entity, source = parent.entity, parent.selectable
    else:
        entity = source = column.table
    pending = found.pending if source is found.table else ClauseAdapter(source).traverse(found.pending)
    return select(entity).where(pending)


def source_text(column: Any) -> Any:
    """Return the text of a row that is embedded, as an SQL expression.

    Raises:
        DeclarationError: the column declares no source.
    """
    return embedded_column(column).text


def source_hash(column: Any) -> Any:
    """Return the hash of the text of a row, as an SQL expression: what an UPDATE that writes a vector sets beside it.

    Raises:
        DeclarationError: the column declares no source.

    Example:
        ```text
        update(Document).values(embedding=vector, embedding_source_hash=source_hash(Document.embedding), ...)
        ```
    """
    return embedded_column(column).text_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """How many rows of a table are embedded, by whom, and how many are not.

    Args:
        by_model: model -> rows with a vector of that model.
        pending: rows that need embedding; see :func:`stale`.
        failed: those of them whose text as it is now was refused by the embedder.
        without_provenance: rows with a vector of which the text or the model is not known.
        total: rows of the table.
    """

    by_model: dict[str, int]
    pending: int
    failed: int
    without_provenance: int
    total: int


def census(connection: Connection | Session, column: Any) -> Census:
    """Return how many rows are embedded, by which models, and how many are pending or refused.

    It reads the table once, without its vectors; the pending rows are counted by their index.

    Args:
        connection: a connection, or a session.
        column: the embedding column with a source.

    Raises:
        DeclarationError: the column declares no source.
    """
    if isinstance(connection, Session):
        connection = connection.connection()
    found = embedded_column(column)
    has_vector = found.column.is_not(None)
    unknown = and_(has_vector, or_(found.source_hash.is_(None), found.made_by.is_(None)))
    by_model: dict[str, int] = {}
    total = without = 0
    for model, rows, vectors, missing in connection.execute(
        select(found.made_by, _COUNT, _COUNT.filter(has_vector), _COUNT.filter(unknown))
        .select_from(found.table)
        .group_by(found.made_by)
    ):
        total, without = total + rows, without + missing
        if model is not None and vectors:
            by_model[model] = vectors
    pending = connection.scalar(select(_COUNT).select_from(found.table).where(found.pending)) or 0
    return Census(
        by_model=by_model,
        pending=pending,
        failed=failed_rows(connection, found),
        without_provenance=without,
        total=total,
    )


def failed_rows(
    connection: Connection, found: EmbeddedColumn, where: ColumnElement[bool] | TextClause | None = None
) -> int:
    """Return how many pending rows have a text that the embedder refused as it is now.

    Args:
        connection: sees the rows that are counted.
        found: the embedding column.
        where: which rows of the table, None for all.
    """
    work = work_table(found.table.metadata, found.table.schema)
    if not table_exists(connection, work, beside=found.table):
        return 0
    # in a sub-select, so that the names of a condition in plain text are those of the embedded table first
    refused = (
        select(1)
        .select_from(found.table)
        .where(compared(work.c.row_key, "=", found.row_key), found.pending, found.has_text(work.c.source_hash))
        .where(*() if where is None else (where,))
        .correlate(work)
    )
    counted = (
        select(_COUNT)
        .select_from(work)
        .where(compared(work.c.target, "=", found.label), compared(work.c.attempts, ">", 0))
        .where(compared(work.c.model, "=", found.model), refused.exists())
    )
    return connection.scalar(counted) or 0
