"""The rules of what an index must hold to serve a distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy_vecsearch.expressions import (
    Subvector,
    indexed_dimensions,
    indexed_storage,
)
from sqlalchemy_vecsearch.indexes import describe_index
from sqlalchemy_vecsearch.measuring.findings import Finding
from sqlalchemy_vecsearch.metrics import Metric
from sqlalchemy_vecsearch.storages import storage_of, vector_form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy_vecsearch.expressions import Quantize
    from sqlalchemy_vecsearch.indexes import VectorIndex
    from sqlalchemy_vecsearch.measuring.distances import Compared, Distance
    from sqlalchemy_vecsearch.storages import VectorForm

__all__ = ["index_findings", "indexes_of"]


def indexes_of(stored: Compared) -> list[VectorIndex]:
    """Return the vector indexes that the metadata declares on a column. Pure."""
    column = stored.column
    described = (describe_index(index) for index in getattr(column.table, "indexes", ()))
    return [found for found in described if found is not None and found.column is column]


def index_findings(distance: Distance) -> Iterator[Finding]:
    """Yield why none of the declared indexes serves a distance. Pure."""
    stored = distance.stored
    name = repr(stored.column.name)
    indexes = indexes_of(stored)
    if not indexes:
        yield Finding(
            "no_index",
            f"The metadata declares no vector index on the column {name}. Without one every row is read and sorted.",
            'Declare it: embedding_column(..., index=HNSW()) or vector_index("name", column, metric=...).',
        )
        return
    same_form = [index for index in indexes if (index.quantize, index.cast) == (stored.quantize, stored.cast)]
    if not same_form:
        yield _other_form(name, stored, indexes)
        return
    served = sorted({str(_operator_metric(index)) for index in same_form})
    if distance.metric.value not in served:
        yield Finding(
            "metric",
            f"ORDER BY compares the column {name} by {distance.metric.operator} ({distance.metric.value}), and its "
            f"index serves {' and '.join(served)}. "
            "An index serves the operator of its own operator class only, so every row is read and sorted.",
            f"Search by {served[0]}, or declare vector_index(..., metric={distance.metric.value!r}) too.",
        )
        return
    yield from _form_findings(name, distance)


def _form_findings(name: str, distance: Distance) -> Iterator[Finding]:
    stored = distance.stored
    own = stored.cast or vector_form(stored.column.type)
    wanted = indexed_dimensions(None if own is None else own.dimensions, stored.quantize)
    if stored.quantize is not None and stored.length != wanted:
        written = "no length" if stored.length is None else f"the length {stored.length}"
        yield Finding(
            "missing_length" if stored.length is None else "wrong_length",
            f"The cast of the column {name} has {written}, and that of its index has {wanted}. "
            "PostgreSQL compares expressions by structure, so the index is not found and every row is read.",
            f"Cast to the length {wanted}, as nearest() does.",
        )
    query = storage_of(distance.query.type) if hasattr(distance.query, "type") else None
    expected = None if own is None else indexed_storage(own.storage, stored.quantize)
    if query is not None and expected is not None and query is not expected:
        yield Finding(
            "query_type",
            f"The column {name} is compared as {expected.value} by its index, and the query is a {query.value}. "
            "PostgreSQL converts the column instead of the query, so the index is not found and every row is read.",
            f"Pass the query as {expected.value}.",
        )


def _other_form(name: str, stored: Compared, indexes: list[VectorIndex]) -> Finding:
    held = " and ".join(sorted({_form(index.quantize, index.cast) for index in indexes}))
    if stored.quantize is None and stored.cast is None:
        return Finding(
            "missing_cast",
            f"ORDER BY compares the column {name} itself, and its index holds {held}. "
            "PostgreSQL compares expressions by structure, so the index is not found and every row is read.",
            "Use nearest(), which searches by the expression of the index and ranks by the full vectors.",
        )
    return Finding(
        "wrong_cast",
        f"ORDER BY compares {_form(stored.quantize, stored.cast)} of the column {name}, and its index holds {held}. "
        "PostgreSQL compares expressions by structure, so the index is not found and every row is read.",
        "Write the expression of the index, or use nearest(), which does.",
    )


def _operator_metric(index: VectorIndex) -> Metric | None:
    return index.metric if index.metric is not None or index.quantize != "binary" else Metric.HAMMING


def _form(quantize: Quantize | None, cast: VectorForm | None) -> str:
    of_cast = "" if cast is None else f" of the cast to {cast}"
    match quantize:
        case None if cast is not None:
            return f"the cast to {cast}"
        case None:
            return "the whole vectors"
        case "halfvec":
            return f"a halfvec cast{of_cast}"
        case "binary":
            return f"the binary quantisation{of_cast}"
        case Subvector(start, length):
            return f"the subvector({start}, {length}){of_cast}"
