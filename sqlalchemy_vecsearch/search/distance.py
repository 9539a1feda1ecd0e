"""Distances and similarities as expressions, for select lists and hand-written statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Float, cast, func, literal_column

from sqlalchemy_vecsearch.expressions import distance_between
from sqlalchemy_vecsearch.metrics import Metric
from sqlalchemy_vecsearch.search.building.arithmetic import divided, minus, plus
from sqlalchemy_vecsearch.search.building.column import searched_column
from sqlalchemy_vecsearch.search.building.query_vector import bound_query

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from sqlalchemy_vecsearch.search.building.column import SearchedColumn
    from sqlalchemy_vecsearch.search.building.query_vector import Query

__all__ = ["distance", "similarity"]


def distance(column: Any, query: Query, metric: Metric | str | None = None) -> ColumnElement[float]:
    """Return the distance between a vector column and a query, smaller being nearer.

    It is the bare operator: in ORDER BY, ascending and with LIMIT, an index serves it; any arithmetic around it, and
    DESC, makes PostgreSQL read every row. ``inner_product`` is the negative inner product, as the index needs it.

    Args:
        column: the vector column, such as ``Document.embedding``.
        query: a vector, ``embedding_of(...)``, or an SQL expression such as another vector column.
        metric: None takes the declared metric; another one than the index serves is meant for select lists.

    Raises:
        MetricError: the metric is unknown, not declared, or has no operator for the column's storage.
        SearchError: the query is a zero vector, to be compared by cosine.
        VectorValueError: the query is no vector of the column's length.

    Example:
        ```text
        select(Document.id, distance(Document.embedding, vector).label("distance"))
        ```
    """
    searched = searched_column(column, metric, exact=True)
    return distance_between(searched.element, bound_query(query, searched), searched.metric)


def similarity(column: Any, query: Query, metric: Metric | str | None = None) -> ColumnElement[float]:
    """Return how similar a vector column and a query are, larger being nearer. For select lists only.

    No index serves an order by similarity: order by :func:`distance`, which gives the same order, or use ``nearest``.

    ========================  ==========================================
    metric                    similarity
    ========================  ==========================================
    cosine                    ``1 - distance``, from -1 to 1
    inner_product             the inner product, ``-distance``
    l2, l1                    ``1 / (1 + distance)``, from 0 to 1
    hamming                   ``1 - distance / dimensions``, from 0 to 1
    jaccard                   ``1 - distance``, from 0 to 1
    ========================  ==========================================

    Args:
        column: the vector column.
        query: a vector, ``embedding_of(...)``, or an SQL expression.
        metric: None takes the declared metric.

    Raises:
        MetricError: the metric is unknown, not declared, or has no operator for the column's storage.
        SearchError: the query is a zero vector, to be compared by cosine.
        VectorValueError: the query is no vector of the column's length.
    """
    searched = searched_column(column, metric, exact=True)
    return similarity_of(distance_between(searched.element, bound_query(query, searched), searched.metric), searched)


def similarity_of(found: ColumnElement[float], searched: SearchedColumn) -> ColumnElement[float]:
    """Return the similarity that belongs to a distance."""
    one = literal_column("CAST(1 AS DOUBLE PRECISION)", Float(53))
    match searched.metric:
        case Metric.COSINE | Metric.JACCARD:
            return minus(one, found)
        case Metric.INNER_PRODUCT:
            return minus(literal_column("CAST(0 AS DOUBLE PRECISION)", Float(53)), found)
        case Metric.HAMMING:
            return minus(one, divided(found, cast(func.pg_catalog.bit_length(searched.element), Float(53))))
        case _:
            return divided(one, plus(one, found))
