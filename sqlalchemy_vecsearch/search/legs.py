"""The legs of a hybrid search: each finds rows in its own way, and ranks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import Boolean, Float, String, cast, func, literal
from sqlalchemy.dialects.postgresql import REGCONFIG, TSVECTOR
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.indexes import plain_column
from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.mixins import fulltext_of
from sqlalchemy_vecsearch.search.candidates import checked_effort, limited_candidates
from sqlalchemy_vecsearch.search.distances import similarity_of
from sqlalchemy_vecsearch.search.forms import Effort, Search, scan_count, unindexed
from sqlalchemy_vecsearch.search.queries import bound_query, exclusions
from sqlalchemy_vecsearch.search.searched import own_column, refuse_foreign, searched_column
from sqlalchemy_vecsearch.search.statements import only_columns
from sqlalchemy_vecsearch.search.subselects import inline

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause
    from sqlalchemy.sql.compiler import SQLCompiler

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.identity import RowKeys
    from sqlalchemy_vecsearch.search.queries import Query
    from sqlalchemy_vecsearch.search.searched import SearchedColumn
    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = ["DenseLeg", "FullTextLeg", "Leg", "TrigramLeg", "dense", "fulltext", "sparse", "trigram"]


class _SimilarWords(FunctionElement[bool]):
    """``text <% column``, whose percent sign each driver wants written in its own way."""

    name = "similar_words"
    type = Boolean()
    inherit_cache = True


@compiles(_SimilarWords)
def _similar_words(element: _SimilarWords, compiler: SQLCompiler, **options: Any) -> str:
    text, column = (compiler.process(clause, **options) for clause in element.clauses)
    percent = "%%" if compiler.dialect.paramstyle in {"format", "pyformat"} else "%"
    return f"{text} <{percent} {column}"


class Leg(Protocol):
    """One way to find rows: what :func:`dense`, :func:`sparse`, :func:`fulltext` and :func:`trigram` return."""

    @property
    def name(self) -> str:
        """What its rank and score columns, and its weight, are called by."""

    @property
    def element(self) -> Any:  # Any: a mapped attribute or a column
        """The column that it searches."""

    @property
    def label(self) -> str:
        """The column's name, for messages."""

    def shared_conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions that it brings for all legs."""

    def limited(self, statement: Statement, keys: RowKeys, count: int) -> Statement:
        """Return the select of its best rows: their keys and their ``score``, larger being better."""

    def ranking(self, rows: FromClause) -> ColumnElement[Any]:
        """Return what its rows are ranked by, ascending."""


@dataclass(frozen=True, slots=True)
class DenseLeg:
    """The rows nearest to a vector."""

    name: str
    searched: SearchedColumn
    query: Query
    vector: ColumnElement[Any]
    effort: Effort

    @property
    def element(self) -> Any:
        """The embedding column."""
        return self.searched.element

    @property
    def label(self) -> str:
        """The column's name with its table."""
        return self.searched.label

    def shared_conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Leave a stored row that is the query out of all legs."""
        return exclusions(self.query, self.vector, self.searched)[:1]

    def limited(self, statement: Statement, keys: RowKeys, count: int) -> Statement:  # noqa: ARG002  # finds its own
        """Return the nearest rows, by the index."""
        refuse_foreign(statement, self.searched)
        own = statement.where(*exclusions(self.query, self.vector, self.searched)[1:])
        search = Search(own, self.searched, self.vector, count)
        score = similarity_of(search.distance, self.searched).label("score")
        scanned = scan_count(search, count)
        found, _ = limited_candidates(search, self.effort, scanned, score)
        if scanned == count:
            return found
        rows = inline(found, f"{self.name}_candidates")
        return rows.select().order_by(unindexed(rows.c.distance)).limit(count)

    def ranking(self, rows: FromClause) -> ColumnElement[Any]:
        """Rank by distance, sorted for real."""
        return unindexed(rows.c.distance)


@dataclass(frozen=True, slots=True)
class FullTextLeg:
    """The rows whose words match."""

    name: str
    element: Any
    text: str
    language: str

    @property
    def label(self) -> str:
        """The column's name."""
        return str(self.element)

    def shared_conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Bring none."""
        return ()

    def limited(self, statement: Statement, keys: RowKeys, count: int) -> Statement:
        """Return the matching rows of the highest rank; the index on the column finds the matching ones."""
        column, _ = own_column(statement, self.element, "column")
        words = func.websearch_to_tsquery(literal(self.language, REGCONFIG), literal(self.text, String))
        score = cast(func.ts_rank_cd(column, words), Float(53)).label("score")
        found = only_columns(statement, *keys.labelled, score).where(column.op("@@")(words))
        return found.order_by(score.desc(), *keys.labelled).limit(count)

    def ranking(self, rows: FromClause) -> ColumnElement[Any]:
        """Rank by score."""
        return rows.c.score.desc()


@dataclass(frozen=True, slots=True)
class TrigramLeg:
    """The rows that hold a similar spelling."""

    name: str
    element: Any
    text: str

    @property
    def label(self) -> str:
        """The column's name."""
        return str(self.element)

    def shared_conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Bring none."""
        return ()

    def limited(self, statement: Statement, keys: RowKeys, count: int) -> Statement:
        """Return the most similar rows above the server's threshold; a trigram index finds those above it."""
        column, _ = own_column(statement, self.element, "column")
        text = literal(self.text, String)
        score = cast(func.word_similarity(text, column), Float(53)).label("score")
        found = only_columns(statement, *keys.labelled, score).where(_SimilarWords(text, column))
        return found.order_by(score.desc(), *keys.labelled).limit(count)

    def ranking(self, rows: FromClause) -> ColumnElement[Any]:
        """Rank by score."""
        return rows.c.score.desc()


def dense(
    column: Any,  # Any: a mapped attribute or a column
    query: Query,
    *,
    metric: Metric | str | None = None,
    ef_search: int | None = None,
    probes: int | None = None,
    name: str = "dense",
) -> DenseLeg:
    """Return the leg of the rows nearest to a vector, for :func:`hybrid`.

    Its score is the similarity, as ``similarity()`` defines it.

    Args:
        column: the embedding column.
        query: a vector, ``embedding_of(...)``, or an SQL expression.
        metric: None takes the declared metric.
        ef_search: candidates of an HNSW scan, 1 to 1000; raised to what the leg contributes.
        probes: lists of an IVFFlat scan, 1 to 32768.
        name: what its columns and its weight are called; give two dense legs two names.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the column holds no vectors.
        SettingsError: a setting is out of its range.
        VectorValueError: the query is no vector of the column's length.
    """
    searched = searched_column(column, metric)
    return DenseLeg(name, searched, query, bound_query(query, searched), checked_effort(ef_search, probes))


def sparse(
    column: Any,  # Any: a mapped attribute or a column
    query: Query,
    *,
    metric: Metric | str | None = None,
    ef_search: int | None = None,
    name: str = "sparse",
) -> DenseLeg:
    """Return the leg of the rows nearest to a sparse vector, such as a SPLADE expansion, for :func:`hybrid`.

    Args:
        column: a column of the storage "sparsevec".
        query: a sparse vector, ``embedding_of(...)``, or an SQL expression.
        metric: None takes the declared metric.
        ef_search: candidates of an HNSW scan, 1 to 1000; raised to what the leg contributes.
        name: what its columns and its weight are called.

    Raises:
        MetricError: the metric is unknown, not declared, or not served by the column's index.
        SearchError: the column holds no sparse vectors.
        SettingsError: a setting is out of its range.
        VectorValueError: the query is no vector of the column's length.
    """
    leg = dense(column, query, metric=metric, ef_search=ef_search, name=name)
    if leg.searched.storage is Storage.SPARSEVEC:
        return leg
    raise SearchError(
        f"The column {leg.label!r} holds {leg.searched.storage.value} values, and a sparse leg searches sparsevec. "
        "The two compare different kinds of embeddings, and a leg is named for its kind. "
        "Write dense(...) for this column, or pass the sparse one."
    )


def fulltext(column: Any, text: str, *, language: str | None = None, name: str = "fulltext") -> FullTextLeg:
    """Return the leg of the rows whose words match a text, for :func:`hybrid`.

    The text is read by ``websearch_to_tsquery``: all words must occur, ``"quoted words"`` in that order, ``or``
    between alternatives, ``-word`` to leave out; any input is valid. Rows are ranked by ``ts_rank_cd``, which has to
    look at every match: a text of common words alone costs as many rows as have them. A text without any word that
    counts, such as an empty one, finds nothing, and the other legs decide.

    Args:
        column: a tsvector column, such as ``Document.fts`` of :class:`FullTextMixin`.
        text: what the user typed.
        language: the text search configuration that made the column; None takes that of :class:`FullTextMixin`.
        name: what its columns and its weight are called.

    Raises:
        SearchError: the column is no tsvector, its language is not known, or the text is no string.
    """
    table_column = _text_column(column, TSVECTOR, "tsvector", "fulltext", "Document.fts of FullTextMixin")
    declared = fulltext_of(table_column)
    if language is None and declared is None:
        raise SearchError(
            f"The language of {column!s} is not known. "
            "Words are reduced to their stems by a text search configuration, and a query must use the one that made "
            "the column; the column does not come from FullTextMixin, which would say. "
            'Pass it: fulltext(..., language="english").'
        )
    return FullTextLeg(name, column, _checked_text(text), language or (declared.language if declared else ""))


def trigram(column: Any, text: str, *, name: str = "trigram") -> TrigramLeg:
    """Return the leg of the rows that hold a similar spelling, for :func:`hybrid`; it forgives typing errors.

    ``word_similarity(text, column)`` compares the text with the most similar part of the column. Rows at or above
    ``pg_trgm.word_similarity_threshold`` (0.6 on the server) count. It needs the extension pg_trgm, and an index such
    as ``Index("ix_title", "title", postgresql_using="gin", postgresql_ops={"title": "gin_trgm_ops"})``. An empty text
    finds nothing.

    Args:
        column: a text column.
        text: what the user typed.
        name: what its columns and its weight are called.

    Raises:
        SearchError: the column is no text, or the text is no string.
    """
    _text_column(column, String, "text", "trigram", "Document.title")
    return TrigramLeg(name, column, _checked_text(text))


_LONGEST_TEXT: Final = 40


def _checked_text(text: object) -> str:
    if isinstance(text, str):
        return text
    raise SearchError(
        f"The text {str(text)[:_LONGEST_TEXT]!r} to search for is {type(text).__name__}, not a string. "
        "A text leg compares words, which only a string holds. "
        "Pass what the user typed; an empty string finds nothing."
    )


def _text_column(element: Any, kind: type, expected: str, leg: str, example: str) -> Any:  # Any: a Column
    column = plain_column(element)
    if isinstance(column.type, kind):
        return column
    raise SearchError(
        f"The column {column.name!r} of type {column.type!r} is no {expected}. "
        f"A {leg} leg searches columns of that type. "
        f"Pass one, such as {example}."
    )
