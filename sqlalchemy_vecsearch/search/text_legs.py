"""The legs of a hybrid search that find rows by words and by spelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Float, String, cast, func, literal
from sqlalchemy.dialects.postgresql import REGCONFIG, TSVECTOR

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.indexes import plain_column
from sqlalchemy_vecsearch.mixins import fulltext_of
from sqlalchemy_vecsearch.search.searched import own_column
from sqlalchemy_vecsearch.search.statements import only_columns
from sqlalchemy_vecsearch.types.percent import with_percent_sign

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    from sqlalchemy_vecsearch.search.identity import RowKeys
    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = ["FullTextLeg", "TrigramLeg", "fulltext", "trigram"]

_LONGEST_TEXT: Final = 40


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
        similar = with_percent_sign(text.bool_op("<%")(column))
        found = only_columns(statement, *keys.labelled, score).where(similar)
        return found.order_by(score.desc(), *keys.labelled).limit(count)

    def ranking(self, rows: FromClause) -> ColumnElement[Any]:
        """Rank by score."""
        return rows.c.score.desc()


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
