"""The rows of a table that an index cannot hold; a build that meets one leaves an INVALID index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic_ops.sql.statements import verbatim
from sqlalchemy_vecsearch.metrics import MAXIMUM_INDEXED_NONZERO, Storage, metric_of_operator_class
from sqlalchemy_vecsearch.quoting import PREPARER

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from alembic_ops.model.index_state import IndexDefinition

__all__ = ["count_unfit_rows"]

# Of record_send: fields, type and length of one field, and the three numbers before the elements of a sparsevec.
_HEAD: Final = 6 * 4
_ELEMENT: Final = 8


def count_unfit_rows(connection: Connection, table: str, definition: IndexDefinition) -> int:
    """Return how many rows an index cannot hold; a scan for expressions and sparse vectors, nothing for others.

    Only sparse vectors are counted. An expression that is an error for a row, such as a cast to dimensions that the
    vector does not have, is the server's error, as the build would end with it.

    Args:
        connection: the one that builds.
        table: the name of the table with its schema, quoted.
        definition: what is to be built.
    """
    known = metric_of_operator_class(definition.operator_class)
    is_sparse = known is not None and known[0] is Storage.SPARSEVEC
    if definition.expression is None and not is_sparse:
        return 0
    indexed = definition.expression or PREPARER.quote(definition.column or "")
    largest = _HEAD + _ELEMENT * MAXIMUM_INDEXED_NONZERO if is_sparse else 2**31 - 1
    where = "" if definition.predicate is None else f" AND ({definition.predicate})"
    statement = (
        f"SELECT pg_catalog.count(*) FROM {table}"  # noqa: S608  # names are quoted, the rest is that of the index
        f" WHERE pg_catalog.octet_length(pg_catalog.record_send(ROW({indexed})))"
        f" OPERATOR(pg_catalog.>) CAST({largest} AS pg_catalog.int4){where}"
    )
    return int(connection.scalar(verbatim(statement)) or 0)
