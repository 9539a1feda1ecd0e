"""Late interaction: documents of many vectors, scored by the best match of each query vector."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Float, Integer, func, literal_column, select, true, union_all

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.expressions import distance_between
from sqlalchemy_vecsearch.search.building.arms import arms_of
from sqlalchemy_vecsearch.search.building.checks import require_count
from sqlalchemy_vecsearch.search.building.column import SearchedColumn, own_column
from sqlalchemy_vecsearch.search.building.comparing import equal
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE, Deferred, Numbers
from sqlalchemy_vecsearch.search.building.laterals import rows_for_each, rows_of_vectors, sent_vectors
from sqlalchemy_vecsearch.search.building.refusals import refuse_lock
from sqlalchemy_vecsearch.search.building.request import Search, prepared, restricted, search_of_parts
from sqlalchemy_vecsearch.search.building.scan import checked_effort
from sqlalchemy_vecsearch.search.building.subselects import column_of, count_rows, inline, lateral, materialized, shared
from sqlalchemy_vecsearch.search.building.table_statistics import either_or, rows_of
from sqlalchemy_vecsearch.search.building.typing import gives_score
from sqlalchemy_vecsearch.search.distance import similarity_of
from sqlalchemy_vecsearch.selects import as_clause, only_columns, stored_element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import CTE, ColumnElement, FromClause

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.building.column import Declared
    from sqlalchemy_vecsearch.search.building.query_vector import Query
    from sqlalchemy_vecsearch.search.building.subselects import Selected
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["max_sim"]


_POSITION: Final = Integer()
_CANDIDATES: Final = 8
_FEWEST_CANDIDATES: Final = 80
"""A document is missed when none of its rows is a candidate: on 30,000 docstrings of 4,500 files the ten best files had
a recall of 0.91 with 4 candidates for each, 0.98 with 8, and 0.99 with 15, in about the same time."""


@gives_score
def max_sim(
    source: Any,  # Any: as for nearest
    column: Any,
    vectors: Sequence[Query],
    *,
    by: Any,
    k: int,
    candidates: int | None = None,
    metric: Metric | str | None = None,
    model: str | None = None,
    exact: bool = False,
    ef_search: int | None = None,
    probes: int | None = None,
    max_scan_tuples: int | None = None,
    max_exact_rows: int | None = None,
) -> Any:
    """Return a Select of the ``k`` best documents by late interaction: rows of ``by`` and ``score``, best first.

    A document is scored by the sum, over the query's vectors, of the similarity of its own best vector (MaxSim, as in
    ColBERT). Two stages in one statement: the index is scanned once for each vector of the query, and the documents
    that it finds are scored by all of their vectors, which an index on ``by`` finds. When that yields fewer than ``k``
    documents, all that pass the filter are scored; that part does not run otherwise. No function is installed.

    Args:
        source: a mapped class, an alias or a table with one row for each vector of a document, or a Select of one with
            its own WHERE and joins.
        column: the embedding column of the source.
        vectors: the query's vectors, at least one.
        by: the column that tells the documents, such as ``Token.document_id``. Index it. Rows of which it is NULL are
            left out.
        k: how many documents, 1 or more.
        candidates: how many rows to look at for each vector; None takes ``8 * k``, and at least 80.
        metric: None takes the declared metric; similarities are those of ``similarity()``.
        model: of the question; None asks nothing. Another one than the column declares is refused.
        exact: True scores all documents that pass the filter.
        ef_search: candidates of each HNSW scan, 1 to 1000. None takes as many as it needs.
        probes: lists of each IVFFlat scan, 1 to 32768.
        max_scan_tuples: rows an iterative HNSW scan visits at the most, for each query; as for :func:`nearest`.
        max_exact_rows: the largest table of which every row may be read; as for :func:`nearest`.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        ModelError: the question is of another model than the column's.
        SearchError: there is no vector, the source can not be searched or locks rows, or a number is out of range.
        SettingsError: a setting is out of its range.
        VectorValueError: a vector is none of the column's length.

    Example:
        ```text
        best = max_sim(Token, Token.embedding, query_vectors, by=Token.document_id, k=10).subquery()
        session.execute(select(Document, best.c.score).join(best, Document.id == best.c.document_id))
        ```
    """
    require_count("k", k, "how many documents to return")
    count = max(_CANDIDATES * int(k), _FEWEST_CANDIDATES)
    if candidates is not None:
        require_count("candidates", candidates, "how many rows to look at for each vector")
        count = int(candidates)
    if len(vectors) == 0:
        raise SearchError(
            "The query has no vectors. "
            "A document is scored by its best match for each of them. "
            "Pass at least one; a model for late interaction makes one for each token."
        )
    statement, searched = prepared(source, column, metric, exact=exact, model=model)
    refuse_lock(
        statement,
        "A search by late interaction returns keys and scores, and no row that a lock could be for.",
        "Join the documents to its result, and lock them there.",
    )
    group, nullable = own_column(statement, by, "by")
    queries = _queries(vectors, searched)
    search = Search(statement, searched, column_of(queries, "vector", searched.type), count)
    search = restricted(search, group.is_not(None)) if nullable else search
    effort = checked_effort(ef_search, probes, max_scan_tuples, max_exact_rows)
    numbers = {"k": int(k), "max_exact_rows": effort.max_exact_rows or 0}
    parts = [Numbers.parameter(numbers), search.statement, as_clause(searched.element), group, queries]
    if not exact:
        parts.append(arms_of(search, effort, count, group.label("of_group"), outer=queries).rows)
    form = _Best(declared=searched.declared, exact=exact, bounded=effort.max_exact_rows is not None)
    best = materialized(Deferred(form, parts, [("of_group", group.type), ("score", DOUBLE)]), "best")
    document, score = column_of(best, "of_group", group.type), column_of(best, "score", DOUBLE)
    name = getattr(by, "key", None) or "document"
    return select(document.label(name), score).order_by(score.desc(), document)


def _queries(vectors: Sequence[Query], searched: SearchedColumn) -> CTE:
    """Return the rows ``(vector, position)`` of the query's vectors."""
    parts = [as_clause(searched.element), *sent_vectors(vectors, searched)]
    named = [("vector", searched.type), ("position", _POSITION)]
    return shared(Deferred(_Queries(searched.declared), parts, named), "queries")


@dataclass(frozen=True, slots=True)
class _Queries:
    """How the query's vectors become rows."""

    declared: Declared

    def __call__(self, element: Any, *vectors: Any) -> Selected:
        """Return the SELECT of them."""
        given = rows_of_vectors(vectors, SearchedColumn(element, stored_element(element), self.declared))
        return select(given.c.vector, given.c.position).where(given.c.vector.is_not(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Best:
    """How the best documents are found: among the rows that are near, or all of them where these are too few."""

    declared: Declared
    exact: bool
    bounded: bool

    def __call__(self, given: Any, statement: Any, element: Any, group: Any, queries: Any, *near: Any) -> Selected:
        """Return the SELECT of them with their scores."""
        search, numbers = search_of_parts(self.declared, statement, element, queries.c.vector), Numbers(given)
        if self.exact:
            return _scored(search, group, queries, "every").limit(numbers.bound("k"))
        (rows,) = near
        found = materialized(rows_for_each(queries, rows, search.searched), "found")
        documents = materialized(select(found.c.of_group).distinct(), "documents")
        enough = select(count_rows()).select_from(documents).scalar_subquery() >= numbers.bound("k")
        whole = (rows_of(search.table) <= numbers.double("max_exact_rows"),) if self.bounded else ()
        of_found = (either_or(enough, whole), equal(group, documents.c.of_group))
        best = inline(_scored(search, group, queries, "near", *of_found).limit(numbers.bound("k")), "near")
        rest = inline(_scored(search, group, queries, "other", ~enough, *whole), "rest")
        either = inline(union_all(best.select(), rest.select()), "either")
        return either.select().limit(numbers.bound("k"))


def _scored(search: Search, group: ColumnElement[Any], queries: FromClause, name: str, *conditions: Any) -> Statement:
    """Return documents with their scores, best first."""
    element = search.searched.element
    read = only_columns(search.statement, group.label("of_group"), element.label("vector"))
    rows = inline(read.where(*search.has_embedding, *conditions), f"{name}_tokens")
    distance = distance_between(rows.c.vector, queries.c.vector, search.searched.metric)
    alike = similarity_of(distance, replace(search.searched, element=rows.c.vector)).label("alike")
    compared = select(queries.c.position, alike).select_from(queries).correlate(rows)
    # LATERAL: for each row the few vectors of the query, and not the other way round, for which the rows would be kept
    each = lateral(compared.offset(literal_column("0")), f"{name}_comparisons")
    every = inline(
        select(rows.c.of_group, each.c.position, each.c.alike).select_from(rows.join(each, true())), f"{name}_pairs"
    )
    matches = select(every.c.of_group, func.pg_catalog.max(every.c.alike, type_=Float(53)).label("best"))
    best = inline(matches.group_by(every.c.of_group, every.c.position), f"{name}_matches")
    score = func.pg_catalog.sum(best.c.best, type_=Float(53)).label("score")
    return select(best.c.of_group, score).group_by(best.c.of_group).order_by(score.desc(), best.c.of_group)
