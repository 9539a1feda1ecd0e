"""A choice of rows that are near to the query and unlike each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np
from sqlalchemy import inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import QueryableAttribute

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.metrics import Metric, Storage
from sqlalchemy_vecsearch.search.building.checks import is_finite, require_count
from sqlalchemy_vecsearch.search.building.column import searched_column
from sqlalchemy_vecsearch.selects import shown
from sqlalchemy_vecsearch.storages import storage_of
from sqlalchemy_vecsearch.types.bit_values import checked_bits
from sqlalchemy_vecsearch.types.dense_values import checked_dense

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from sqlalchemy_vecsearch.search.building.column import SearchedColumn

__all__ = ["diversify"]

_RowType = TypeVar("_RowType")
_Floats: TypeAlias = "NDArray[np.float64]"


def diversify(
    rows: Iterable[_RowType],
    k: int,
    relevance: float = 0.5,
    *,
    column: Any = None,
    metric: Metric | str | None = None,
) -> list[_RowType]:
    """Return ``k`` of the rows that a search found, near to the query and unlike each other.

    Maximal marginal relevance: each next row is the one with the largest
    ``relevance * similarity to the query - (1 - relevance) * largest similarity to a row chosen before``. The rows come
    in the order in which they were chosen, the nearest first. It works on fetched rows in memory: search for more rows
    than you need, such as ``5 * k``. Equal rows keep their order.

    Source: Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing
    Summaries" (1998).

    Args:
        rows: rows of a search, with ``distance`` as a column, and the entity or the embedding as another.
        k: how many rows, 1 or more; fewer rows than that are all returned.
        relevance: from 0, where only the first row is near and the others are as unlike as can be, to 1, where they
            stay in the order of their distance.
        column: the embedding column, such as ``Document.embedding``. None finds it when the rows hold an entity with
            exactly one.
        metric: that of the distances; None takes the declared one.

    Raises:
        MetricError: the metric is unknown or not declared.
        SearchError: a number is out of range, or the rows have no distance or no embedding.

    Example:
        ```text
        rows = session.execute(nearest(Document, Document.embedding, vector, k=50)).all()
        for document, distance in diversify(rows, 10, relevance=0.7):
            print(document.title)
        ```
    """
    require_count("k", k, "how many rows to choose")
    if not (is_finite(relevance) and 0 <= relevance <= 1):
        raise SearchError(
            f"relevance={shown(relevance)} is out of range. "
            "It weighs nearness to the query against difference from the rows chosen before, from 0 to 1. "
            "Choose a number in that range; 0.5 weighs them equally."
        )
    found = list(rows)
    if not found:
        return []
    searched = searched_column(_embedding_column(found[0]) if column is None else column, metric, exact=True)
    read = _reader(found[0], searched)
    vectors = np.stack([_floats(read(row), searched) for row in found])
    distances = np.array([_distance(row) for row in found], dtype=np.float64)
    near = _SIMILARITIES[searched.metric](distances, vectors)
    return [
        found[place] for place in _chosen(near, vectors, searched.metric, min(int(k), len(found)), float(relevance))
    ]


def _chosen(near: _Floats, vectors: _Floats, metric: Metric, k: int, relevance: float) -> list[int]:
    """Return the places of the rows in the order of their choice. Pure."""
    chosen: list[int] = []
    alike = np.full(len(near), -np.inf)
    left = np.ones(len(near), dtype=bool)
    score = near.copy()
    while len(chosen) < k:
        best = int(np.argmax(np.where(left, score, -np.inf)))
        chosen.append(best)
        left[best] = False
        distances = _DISTANCES[metric](vectors, vectors[best])
        alike = np.maximum(alike, _SIMILARITIES[metric](distances, vectors))
        score = relevance * near - (1 - relevance) * alike
    return chosen


def _reader(row: Any, searched: SearchedColumn) -> Callable[[Any], Any]:  # Any: a Row, or whatever stands in one
    """Return what reads the embedding of a row: from an entity in it, or from a column of that name."""
    key = searched.stored.key
    if isinstance(searched.stored, QueryableAttribute):
        owner = searched.stored.parent.mapper.class_
        for place, value in enumerate(_values(row)):
            if isinstance(value, owner):
                return lambda each: getattr(_values(each)[place], key)
    names = getattr(row, "_fields", ())
    if key in names:
        return lambda each: getattr(each, key)
    raise SearchError(
        f"The rows to choose from hold no embedding of {searched.label!r}. "
        "Rows are compared with each other by their vectors. "
        "Search for the entity, or add the embedding column to the select."
    )


def _embedding_column(row: Any) -> Any:
    """Return the one embedding column of the entities in a row."""
    found = [attribute for value in _values(row) for attribute in _embeddings(value)]
    if len(found) == 1:
        return found[0]
    counted = "no embedding column" if not found else f"{len(found)} embedding columns"
    raise SearchError(
        f"The rows to choose from have {counted}. "
        "Rows are compared with each other by the vectors of one column. "
        "Name it: diversify(rows, k, column=Document.embedding)."
    )


def _embeddings(value: Any) -> Sequence[Any]:
    try:
        mapper = inspect(type(value))
    except NoInspectionAvailable:
        return []
    declared = getattr(mapper, "column_attrs", ())
    return [getattr(type(value), attribute.key) for attribute in declared if _is_embedding(attribute.columns[0])]


def _is_embedding(column: Any) -> bool:
    return storage_of(column.type) is not None


def _values(row: Any) -> Sequence[Any]:
    return row if isinstance(row, Sequence) else (row,)  # SQLAlchemy's Row is no tuple


def _distance(row: Any) -> float:
    if "distance" in getattr(row, "_fields", ()):
        return float(row.distance)
    last = _values(row)[-1]
    if isinstance(last, int | float) and not isinstance(last, bool):
        return float(last)
    raise SearchError(
        "The rows to choose from have no distance. "
        "How near a row is to the query is read from the column 'distance', or from the last one. "
        "Pass the rows of nearest(), or of another search that adds the distance."
    )


def _floats(value: Any, searched: SearchedColumn) -> _Floats:
    if value is None:
        raise SearchError(
            f"A row to choose from has no embedding in {searched.label!r}. "
            "Rows are compared with each other by their vectors, and this one is NULL or was not loaded. "
            "Leave such rows out of the search."
        )
    if searched.storage is Storage.BIT:
        return np.asarray(checked_bits(value).to_numpy(), dtype=np.float64)
    if searched.storage is Storage.SPARSEVEC:
        return np.asarray(value.to_numpy(), dtype=np.float64)
    return np.asarray(checked_dense(value, column=searched.label), dtype=np.float64)


def _cosine(vectors: _Floats, one: _Floats) -> _Floats:
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(one)
    return np.asarray(1 - np.divide(vectors @ one, lengths, out=np.zeros_like(lengths), where=lengths > 0))


def _jaccard(vectors: _Floats, one: _Floats) -> _Floats:
    either = np.maximum(vectors, one).sum(axis=1)
    both = np.minimum(vectors, one).sum(axis=1)
    return np.asarray(1 - np.divide(both, either, out=np.zeros_like(either), where=either > 0))


_DISTANCES: Final[dict[Metric, Callable[[_Floats, _Floats], _Floats]]] = {
    Metric.L2: lambda vectors, one: np.asarray(np.linalg.norm(vectors - one, axis=1)),
    Metric.INNER_PRODUCT: lambda vectors, one: -(vectors @ one),
    Metric.COSINE: _cosine,
    Metric.L1: lambda vectors, one: np.abs(vectors - one).sum(axis=1),
    Metric.HAMMING: lambda vectors, one: np.abs(vectors - one).sum(axis=1),
    Metric.JACCARD: _jaccard,
}

# As similarity() defines them on the server: what both sides of the trade-off are measured in.
_SIMILARITIES: Final[dict[Metric, Callable[[_Floats, _Floats], _Floats]]] = {
    Metric.L2: lambda distances, _: 1 / (1 + distances),
    Metric.INNER_PRODUCT: lambda distances, _: -distances,
    Metric.COSINE: lambda distances, _: 1 - distances,
    Metric.L1: lambda distances, _: 1 / (1 + distances),
    Metric.HAMMING: lambda distances, vectors: 1 - distances / vectors.shape[1],
    Metric.JACCARD: lambda distances, _: 1 - distances,
}
