"""The distances that the rows of a search are ordered by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import literal_column

from sqlalchemy_vecsearch.expressions import distance_between, indexed_expression, indexed_metric, quantized_query
from sqlalchemy_vecsearch.search.building.arithmetic import plus

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from sqlalchemy_vecsearch.expressions import Quantize
    from sqlalchemy_vecsearch.search.building.request import Search

__all__ = ["order_by_form", "unindexed"]


def order_by_form(search: Search, quantize: Quantize | None) -> ColumnElement[float]:
    """Return the distance between the quantised forms of the column and of the query, which an index orders by."""
    searched = search.searched
    storage, dimensions = searched.storage, searched.dimensions
    return distance_between(
        indexed_expression(searched.element, quantize, storage=storage, dimensions=dimensions),
        quantized_query(search.vector, quantize, storage=storage, dimensions=dimensions),
        indexed_metric(searched.metric, quantize),
    )


def unindexed(distance: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return ``distance + 0``, by which PostgreSQL sorts for real: no index and no earlier order serves it."""
    return plus(distance, _ZERO)


_ZERO: Final[ColumnElement[Any]] = literal_column("0")
