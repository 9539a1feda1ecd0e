"""A worker that still goes by the names of columns from before a change of model ends before it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import MetaData, any_, cast, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from sqlalchemy_vecsearch.embedding.comparing import compared
from sqlalchemy_vecsearch.embedding.errors import ColumnSwitchedError
from sqlalchemy_vecsearch.embedding.journal import journal_table
from sqlalchemy_vecsearch.embedding.work_table import reader_lock, written_name
from sqlalchemy_vecsearch.provenance import CATALOG_TEXT

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sqlalchemy_vecsearch.embedding.declared import EmbeddedColumn

__all__ = ["refuse_switched"]


def refuse_switched(connection: Connection, found: EmbeddedColumn) -> None:
    """Refuse to write vectors of one model into a column that has got the name of the other one by a swap.

    The table is locked against the swap from here to the end of the transaction, as any reader locks it, so that what
    is seen here holds for what the transaction writes. It costs one look-up, and where there is a journal two.

    Raises:
        ColumnSwitchedError: the columns have exchanged their names since the worker, or its models, were written.
    """
    journal = journal_table(MetaData(), found.table.schema)
    there = func.pg_catalog.to_regclass(written_name(connection, journal)).is_not(None)
    if not connection.execute(select(there, reader_lock(found.table))).one()[0]:
        return
    columns, name = journal.c, found.column.name
    exchanged = (
        compared(columns.table_name, "=", found.table.name),
        compared(columns.mode, "=", "rename"),
        compared(columns.state, "=", any_(cast(["swapped", "finished"], ARRAY(CATALOG_TEXT)))),
        or_(compared(columns.live, "=", name), compared(columns.replacement, "=", name)),
    )
    last = select(journal).where(*exchanged).order_by(columns.swapped_at.desc()).limit(1)
    job = connection.execute(last).one_or_none()
    if job is None:
        return
    pair = (job.model, job.previous_model) if name == job.live else (job.previous_model, job.model)
    right, wrong = pair
    if found.model == wrong != right:
        raise ColumnSwitchedError(
            f"The column {found.label!r} holds vectors of {right or 'a model without a name'} since the job "
            f"{job.job!r} has exchanged two columns, and this worker embeds by {wrong!r}. "
            "It goes by models from before the swap, and would write the vectors of one model over those of the other. "
            "Start it from code that declares the new model, or go on by `vecsearch reembed`, which follows the column."
        )
