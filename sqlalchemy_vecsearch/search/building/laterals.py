"""Many searches in one statement: rows of queries, with an index scan for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, cast, column, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.types import NullType, String

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.building.arms import arms_of
from sqlalchemy_vecsearch.search.building.candidates import Candidates
from sqlalchemy_vecsearch.search.building.column import SearchedColumn
from sqlalchemy_vecsearch.search.building.deferred import Deferred
from sqlalchemy_vecsearch.search.building.query_vector import StoredEmbedding, bound_queries, can_be_compared, plain_key
from sqlalchemy_vecsearch.search.building.subselects import filtered_first, inline, lateral, materialized, numbered
from sqlalchemy_vecsearch.selects import as_clause, stored_element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, FromClause, Select, TextualSelect
    from sqlalchemy.types import TypeEngine

    from sqlalchemy_vecsearch.search.building.column import Declared
    from sqlalchemy_vecsearch.search.building.query_vector import Query
    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.search.building.scan import Effort
    from sqlalchemy_vecsearch.search.building.subselects import Selected
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["found_for_each", "key_rows", "rows_for_each", "rows_of_vectors", "sent_vectors"]

_FEWEST: Final = 4
"""Arrays of query vectors are filled up with NULL to this length, or a power of two above it, so that statements with
other numbers of queries share their compiled form."""


def rows_of_vectors(vectors: Sequence[ColumnElement[Any]], searched: SearchedColumn) -> FromClause:
    """Return the rows ``(vector, position)`` of some vectors, numbered from 1."""
    return _unnested({"vector": (_array_of(vectors, searched.type), searched.type)})


def key_rows(keys: Sequence[Any], queries: Sequence[Query], searched: SearchedColumn) -> FromClause:
    """Return the rows ``(key, vector, position)`` of some query vectors under the caller's keys.

    Raises:
        SearchError: the keys are of several types, or of one that PostgreSQL has no type for.
        VectorValueError: one of the queries is no vector of the column's length.
    """
    sent = list(map(plain_key, keys))
    type_ = _key_type(sent)
    bound = cast(literal(sent, ARRAY(type_)), ARRAY(type_))
    vectors = _array_of(sent_vectors(queries, searched), searched.type)
    return _unnested({"key": (bound, type_), "vector": (vectors, searched.type)})


def found_for_each(
    search: Search,
    queries: FromClause,
    effort: Effort,
    *,
    exclude: Any = None,
    exact: bool = False,
) -> Candidates:
    """Return the ``k`` nearest rows for each row of ``queries``, with all columns of both, in any order, materialised.

    A LATERAL sub-select is an index scan for each vector; joining the vectors to the table would compare every pair.

    Args:
        search: the search; its vector is not used.
        queries: rows with a column ``vector``, and whatever else is to be kept.
        effort: how thoroughly to search.
        exclude: a condition on the searched rows that may name columns of ``queries``.
        exact: True compares every row for each query.
    """
    vector = queries.c.vector
    one = replace(search, vector=vector)
    arms = arms_of(one, effort, search.k, exact=exact, exclude=exclude, outer=queries)
    parts = [as_clause(search.searched.element), queries, arms.rows]
    kept = [(one.name, one.type) for one in queries.c if one is not vector]
    named = [*kept, *arms.rows.columns_named]
    rows = Deferred(_ForEach(search.searched.declared), parts, named)
    return Candidates(materialized(rows, "found"), arms.keys)


@dataclass(frozen=True, slots=True)
class _ForEach:
    """How the rows that are found for each query stand together."""

    declared: Declared

    def __call__(self, element: Any, queries: Any, rows: Any) -> Selected:
        """Return the SELECT of them."""
        return rows_for_each(queries, rows, SearchedColumn(element, stored_element(element), self.declared))


def rows_for_each(queries: FromClause, rows: TextualSelect, searched: SearchedColumn) -> Select[Any]:
    """Return the rows of a correlated sub-select for each row of ``queries``, with all columns of both but the vector.

    Args:
        queries: rows with a column ``vector``.
        rows: the sub-select, which names that column.
        searched: the column that the vectors are compared with.
    """
    vector = queries.c.vector
    each = lateral(rows, "each")
    kept = [*(name for name in queries.c if name is not vector), *each.c]
    found = select(*kept).select_from(queries.join(each, true()))
    return found.where(can_be_compared(vector, searched))


def sent_vectors(queries: Sequence[Query], searched: SearchedColumn) -> list[ColumnElement[Any]]:
    """Return the vectors, each a parameter of its own, which drivers send in their best form, and then some NULL.

    Raises:
        VectorValueError: one of them is no vector of the column's length.
    """
    type_ = searched.type
    sent = bound_queries(list(map(_unstored, queries)), searched)
    length = _FEWEST
    while length < len(sent):
        length *= 2
    empty = [literal(None, type_) for _ in range(length - len(sent))]
    return [*sent, *empty]


def _array_of(vectors: Sequence[ColumnElement[Any]], type_: TypeEngine[Any]) -> ColumnElement[Any]:
    return cast(array(vectors, type_=type_), ARRAY(type_))


def _unnested(arrays: dict[str, tuple[Any, TypeEngine[Any]]]) -> FromClause:
    columns = [column(name, type_) for name, (_, type_) in arrays.items()]
    # PostgreSQL knows unnest of several arrays by its bare name alone, and takes its own for it
    unnest = func.unnest if len(arrays) > 1 else func.pg_catalog.unnest
    function = unnest(*(bound for bound, _ in arrays.values()))
    rows = function.table_valued(*columns, with_ordinality="position", joins_implicitly=True)
    return rows.render_derived(name=numbered(function, "given"))


def _key_type(keys: Sequence[Any]) -> TypeEngine[Any]:
    of_class: dict[type, Any] = {}
    for key in keys:
        of_class.setdefault(type(key), key)
    found = [_type_of_key(key) for key in of_class.values()]
    if not found:
        return BigInteger()
    if len({type(one) for one in found}) == 1 and not isinstance(found[0], NullType):
        return found[0]
    names = ", ".join(sorted({type(key).__name__ for key in keys}))
    raise SearchError(
        f"The keys of the queries can not be sent to the server: they are {names}. "
        "Each comes back with the rows of its query, as a column of one PostgreSQL type. "
        "Use keys of one type, such as int or str, and look your own objects up by them."
    )


def _type_of_key(key: Any) -> TypeEngine[Any]:  # Any: as the caller's keys are
    """Return the type of a key: of text and of whole numbers one for all, however long or large they are."""
    if type(key) in _OF_ALL:
        return _OF_ALL[type(key)]
    type_: TypeEngine[Any] = literal(key).type
    return type_


_OF_ALL: Final[dict[type, TypeEngine[Any]]] = {int: BigInteger(), str: String()}


def _unstored(query: Query) -> Query:
    if not isinstance(query, StoredEmbedding):
        return query
    raise SearchError(
        "One of several queries is embedding_of(...). "
        "Many stored rows are read at once by a Select of their keys and embeddings, which leaves each row itself out "
        "too. "
        "Pass select(Document.id, Document.embedding).where(Document.id.in_(...)) as the queries."
    )


def select_rows(queries: Statement) -> FromClause:
    """Return the rows ``(key, vector)`` of a caller's Select of two columns.

    Raises:
        SearchError: it has another number of columns.
    """
    rows = inline(queries, "given")
    columns = list(rows.c)
    if len(columns) != 2:  # noqa: PLR2004  # a key and a vector
        raise SearchError(
            f"The Select of queries has {len(columns)} columns. "
            "The first is the key that comes back with the rows, and the second is the vector. "
            "Pass select(Document.id, Document.embedding) with your own WHERE."
        )
    named = select(columns[0].label("key"), columns[1].label("vector"))
    return inline(filtered_first(named, list(queries.selected_columns)[1]), "queries")
