"""The column that searches go through now, where a change of model is switched by a pointer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, any_, cast, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import QueryableAttribute

from sqlalchemy_vecsearch.columns import declaration_of
from sqlalchemy_vecsearch.embedding.comparing import compared
from sqlalchemy_vecsearch.embedding.errors import ReembeddingError
from sqlalchemy_vecsearch.embedding.journal import journal_table
from sqlalchemy_vecsearch.embedding.work_table import table_exists
from sqlalchemy_vecsearch.indexes import plain_column
from sqlalchemy_vecsearch.measuring.connections import connection_of, in_sync, sync_connection
from sqlalchemy_vecsearch.provenance import CATALOG_TEXT

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, Table

    from sqlalchemy_vecsearch.measuring.connections import AsyncMeasured, Measured

__all__ = ["ActiveEmbedding", "aactive", "active"]


@dataclass(frozen=True, slots=True)
class ActiveEmbedding:
    """A column to search, and the model that its vectors and a question are made by.

    Args:
        column: a mapped attribute where one was asked for, else a column of the same table.
        model: None where nobody has named it.
    """

    column: Any  # Any: a mapped attribute or a column, as was asked for
    model: str | None


def active(connection: Measured, column: Any) -> ActiveEmbedding:
    """Return the column that searches go through now, in place of one that they went through at first.

    ``op.swap_embedding(job, mode="pointer")`` makes the row of the job in the journal the pointer from its live column
    to the new one. It is read in the transaction of the connection, so that the column and the model of the question
    change together, and a transaction of REPEATABLE READ goes on with what it has seen. Where no pointer is set, it is
    the column itself. It costs two look-ups of a table of a few rows; where there is no journal, one.

    Args:
        connection: a ``Connection`` or a ``Session``; :func:`aactive` takes the async ones.
        column: the embedding column that the application was written for, such as ``Document.embedding``.

    Raises:
        ReembeddingError: the class or the table does not declare the column that is pointed to, or with another model.
        SearchError: the connection is async.

    Example:
        ```text
        pair = active(session, Document.embedding)
        nearest(Document, pair.column, embed_query(pair.column, "walk a directory tree"), k=10)
        ```
    """
    given = sync_connection(connection, "active")
    first = plain_column(column)
    table: Table = first.table
    owner = column.parent if isinstance(column, QueryableAttribute) else table
    name, model = first.name, None
    for live, replacement, its_model in _pointers(connection_of(given, owner), table):
        if live == name:
            name, model = replacement, its_model
    if model is None:
        declaration = declaration_of(first)
        return ActiveEmbedding(column, None if declaration is None else declaration.model)
    return ActiveEmbedding(_pointed_to(column, first, name, model), model)


async def aactive(connection: AsyncMeasured, column: Any) -> ActiveEmbedding:
    """Return what :func:`active` returns, on an async connection or session."""
    found: ActiveEmbedding = await in_sync(connection, active, column)
    return found


def _pointers(connection: Connection, table: Table) -> list[tuple[str, str, str]]:
    """Return (from, to, model) of the pointers of a table in the order in which they were set."""
    journal = journal_table(MetaData(), table.schema)
    if not table_exists(connection, journal, beside=table):
        return []
    columns = journal.c
    set_now = compared(columns.state, "=", any_(cast(["swapped", "finished"], ARRAY(CATALOG_TEXT))))
    rows = connection.execute(
        select(columns.live, columns.replacement, columns.model)
        .where(compared(columns.table_name, "=", table.name), compared(columns.mode, "=", "pointer"), set_now)
        .order_by(columns.swapped_at)
    )
    return [(row.live, row.replacement, row.model) for row in rows]


def _pointed_to(asked: Any, first: Column[Any], name: str, model: str) -> Any:  # Any: as in ActiveEmbedding
    found = next((one for one in first.table.c if one.name == name), None)
    if isinstance(asked, QueryableAttribute):
        mapper: Any = asked.parent.mapper
        known = found is not None and mapper.columns.contains_column(found)
        result = getattr(asked.parent.entity, mapper.get_property_by_column(found).key) if known else None
        owner = f"the class {mapper.class_.__name__}"
    else:
        result, owner = found, f"the table {first.table.name!r}"
    if found is None or result is None:
        raise ReembeddingError(
            f"Searches of {first.table.name}.{first.name} have changed over to {name!r}, which {owner} does not "
            "declare. "
            "The journal points there, and a question has to be embedded by the model of that column. "
            f"Declare it: {name} = embedding_column(..., model={model!r})."
        )
    declaration = declaration_of(found)
    if declaration is not None and declaration.model not in {None, model}:
        raise ReembeddingError(
            f"The column {first.table.name}.{name} declares the model {declaration.model!r}, and its vectors are made "
            f"by {model!r}. "
            "The journal points to it, and a question of another model would find rows by chance. "
            f"Declare it with model={model!r}."
        )
    return result
