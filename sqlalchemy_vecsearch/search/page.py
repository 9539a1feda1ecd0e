"""One page of the nearest rows, from a pool that is the same for every page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Integer, literal

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.building.candidates import candidates_of
from sqlalchemy_vecsearch.search.building.checks import require_count
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE
from sqlalchemy_vecsearch.search.building.narrow_order import Carried, in_its_order, in_order
from sqlalchemy_vecsearch.search.building.ordering import unindexed
from sqlalchemy_vecsearch.search.building.request import search_of
from sqlalchemy_vecsearch.search.building.scan import checked_effort
from sqlalchemy_vecsearch.search.building.subselects import column_of
from sqlalchemy_vecsearch.search.building.typing import adds_distance

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.query_vector import Query

__all__ = ["page"]


_POOL: Final = 200


@adds_distance
def page(
    source: Any,  # Any: the decorator says which
    column: Any,
    query: Query,
    *,
    number: int,
    size: int,
    pool: int = _POOL,
    metric: Metric | str | None = None,
    model: str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
    max_scan_tuples: int | None = None,
    max_exact_rows: int | None = None,
) -> Any:
    """Return a Select of one page of the ``pool`` nearest rows, ascending, with their ``distance``.

    Every page takes the same pool from the index, so that pages fit together: a pool that grew with the page would be
    another set of candidates each time, and rows would repeat or be left out between pages. While the table and the
    pool stay the same, each row is on one page; a write in between can move rows, as with any paging that keeps
    nothing on the server. :func:`stream` has no such limits inside one transaction.

    The cost of a page is that of a search for ``pool`` rows.

    Args:
        source: a mapped class, an alias, a table, or a Select with its own WHERE, joins, options and columns. Its
            ORDER BY breaks ties after the distance; the primary key breaks those that are left.
        column: the embedding column of the source.
        query: a vector, ``embedding_of(...)``, or an SQL expression.
        number: which page, from 1.
        size: how many rows a page has. The last page of the pool, or of the table, may have fewer.
        pool: how many rows all pages together have. Keep it the same for all pages of a search.
        metric: None takes the declared metric.
        model: of the question; None asks nothing. Another one than the column declares is refused.
        exact: True takes the pool from every row that passes the filter.
        ef_search: candidates of an HNSW scan, 1 to 1000; raised to the pool where that is more.
        probes: lists of an IVFFlat scan, 1 to 32768.
        max_scan_tuples: rows an iterative HNSW scan visits at the most; as for :func:`nearest`.
        max_exact_rows: the largest table of which every row may be read; as for :func:`nearest`.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        ModelError: the question is of another model than the column's.
        SearchError: the source can not be searched, a number is out of range, or the page lies beyond the pool.
        SettingsError: a setting is out of its range.
        VectorValueError: the query is no vector of the column's length.

    Example:
        ```text
        rows = session.execute(page(Document, Document.embedding, vector, number=3, size=20)).all()
        ```
    """
    require_count("number", number, "which page to return, from 1")
    require_count("size", size, "how many rows a page has")
    require_count("pool", pool, "how many rows all pages together have")
    before = (int(number) - 1) * int(size)
    if before >= pool:
        raise SearchError(
            f"Page {number} of {size} rows lies beyond the pool of {pool}. "
            "All pages are cut from the same nearest rows, and there are no more of them than the pool. "
            f"Stop at page {-(-int(pool) // int(size))}, choose a larger pool for all pages, or use stream()."
        )
    search = search_of(source, column, query, k=pool, metric=metric, exact=exact, model=model)
    effort = checked_effort(ef_search, probes, max_scan_tuples, max_exact_rows)
    found = candidates_of(search, effort, search.k, exact=exact)
    length = min(int(size), int(pool) - before)
    distance = Carried("distance", unindexed(column_of(found.rows, "distance", DOUBLE)))
    cut = {"limit": literal(length, Integer()), "offset": literal(before, Integer())}
    on_page = in_order(search, found.keys, found.rows, [distance], by_keys=True, of_rows=True, **cut)
    statement = in_its_order(search, found.keys, on_page, "distance")
    return statement if on_page.is_cut else statement.limit(length).offset(before)
