"""The leg of a hybrid search that finds rows by their words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Float, cast, func, literal, quoted_name
from sqlalchemy.dialects.postgresql import REGCONFIG, TSQUERY, TSVECTOR
from sqlalchemy.sql.functions import Function

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.mixins import fulltext_of
from sqlalchemy_vecsearch.search.building.column import own_column
from sqlalchemy_vecsearch.search.building.leg_texts import (
    RankedByScore,
    TextLeg,
    as_text,
    checked_text,
    sent_text,
    text_column,
)
from sqlalchemy_vecsearch.selects import only_columns

if TYPE_CHECKING:
    from sqlalchemy import BindParameter

    from sqlalchemy_vecsearch.search.building.legs import Leg, LegForm
    from sqlalchemy_vecsearch.search.building.row_keys import RowKeys
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["FullTextLeg", "fulltext"]

_LINES: Final = re.compile(r'(?<!\w)-(?:[^\w"-]*-){2,}|-(?:[^\w-]*-){20,}')
"""Dashes with no word between them. Each is a NOT for the server, whose stack holds 32 of them."""

_TO_QUERY: Final = quoted_name("pg_catalog.websearch_to_tsquery", quote=False)
"""SQLAlchemy renders ``func.websearch_to_tsquery`` by itself, and without a schema."""


@dataclass(frozen=True, slots=True)
class FullTextLeg(TextLeg):
    """The rows whose words match."""

    language: str

    @property
    def form(self) -> LegForm:
        """How its rows are selected."""
        return _MATCHING

    def parts(self, statement: Statement, keys: RowKeys, count: int) -> tuple[Any, ...]:  # noqa: ARG002  # as the form
        """Return the column, and the parameters of its language and of the text."""
        column, _ = own_column(statement, self.element, "column")
        return column, literal(self.language, REGCONFIG), sent_text(_LINES.sub(" ", self.text))


@dataclass(frozen=True, slots=True)
class _Matching(RankedByScore):
    """The matching rows of the highest rank; the index on the column finds the matching ones."""

    def limited(
        self, statement: Statement, keys: RowKeys, pool: BindParameter[int], column: Any, language: Any, text: Any
    ) -> Statement:
        """Return the select of them."""
        words = Function(_TO_QUERY, cast(language, REGCONFIG), as_text(text), type_=TSQUERY)
        score = cast(func.pg_catalog.ts_rank(column, words), Float(53)).label("score")
        found = only_columns(statement, *keys.labelled, score).where(column.op("@@")(words))
        return found.order_by(score.desc(), *keys.labelled).limit(pool)


_MATCHING: Final = _Matching()


def fulltext(column: Any, text: str, *, language: str | None = None, name: str = "fulltext") -> Leg:
    """Return the leg of the rows whose words match a text, for :func:`hybrid`.

    The text is read by ``websearch_to_tsquery``: all words must occur, ``"quoted words"`` in that order, ``or``
    between alternatives, ``-word`` to leave out, while three and more dashes are a line and no word; any input of up to
    10,000 characters is valid but NUL and halves of surrogate pairs. Rows are ranked by ``ts_rank``,
    which has to look at every match: a text of common words alone costs as many rows as have them. (``ts_rank_cd``,
    which also counts how near the words are to each other, takes minutes for a text of some thousand characters.) A
    text without any word that counts, such as an empty one, finds nothing, and the other legs decide.

    Args:
        column: a tsvector column, such as ``Document.fts`` of :class:`FullTextMixin`.
        text: what the user typed.
        language: the text search configuration that made the column; None takes that of :class:`FullTextMixin`.
        name: what its columns and its weight are called.

    Raises:
        SearchError: the column is no tsvector, its language is not known, or the text is no string that PostgreSQL can
            hold, or has over 10,000 characters.
    """
    table_column = text_column(column, TSVECTOR, "tsvector", "fulltext", "Document.fts of FullTextMixin")
    declared = fulltext_of(table_column)
    if language is None and declared is None:
        raise SearchError(
            f"The language of {column!s} is not known. "
            "Words are reduced to their stems by a text search configuration, and a query must use the one that made "
            "the column; the column does not come from FullTextMixin, which would say. "
            'Pass it: fulltext(..., language="english").'
        )
    return FullTextLeg(name, column, checked_text(text), language or (declared.language if declared else ""))
