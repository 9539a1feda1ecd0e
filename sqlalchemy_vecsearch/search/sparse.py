"""The leg of a hybrid search that finds the rows nearest to a sparse vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.search.building.column import searched_column
from sqlalchemy_vecsearch.search.dense import dense

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.legs import Leg
    from sqlalchemy_vecsearch.search.building.query_vector import Query

__all__ = ["sparse"]


def sparse(
    column: Any,  # Any: a mapped attribute or a column
    query: Query,
    *,
    metric: Metric | str | None = None,
    model: str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    max_scan_tuples: int | None = None,
    max_exact_rows: int | None = None,
    name: str = "sparse",
) -> Leg:
    """Return the leg of the rows nearest to a sparse vector, such as a SPLADE expansion, for :func:`hybrid`.

    Args:
        column: a column of the storage "sparsevec".
        query: a sparse vector, ``embedding_of(...)``, or an SQL expression.
        metric: None takes the declared metric.
        model: of the question; None asks nothing. Another one than the column declares is refused.
        exact: True compares every row that passes the filter.
        ef_search: candidates of an HNSW scan, 1 to 1000; raised to what the leg contributes.
        max_scan_tuples: rows an iterative HNSW scan visits at the most; as for :func:`nearest`.
        max_exact_rows: the largest table of which every row may be read; as for :func:`nearest`.
        name: what its columns and its weight are called.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        ModelError: the question is of another model than the column's.
        SearchError: the column holds no sparse vectors.
        SettingsError: a setting is out of its range.
        VectorValueError: the query is no vector of the column's length.
    """
    searched = searched_column(column, metric, exact=exact, model=model)
    if searched.storage is Storage.SPARSEVEC:
        return dense(
            column,
            query,
            metric=metric,
            model=model,
            exact=exact,
            ef_search=ef_search,
            max_scan_tuples=max_scan_tuples,
            max_exact_rows=max_exact_rows,
            name=name,
        )
    raise SearchError(
        f"The column {searched.label!r} holds {searched.storage.value} values, and a sparse leg searches sparsevec. "
        "The two compare different kinds of embeddings, and a leg is named for its kind. "
        "Write dense(...) for this column, or pass the sparse one."
    )
