"""The leg of a hybrid search that finds rows by a similar spelling."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, Float, String, Text, cast, event, func

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
from sqlalchemy_vecsearch.sqlstates import sqlstate_of
from sqlalchemy_vecsearch.types.percent import with_percent_sign

if TYPE_CHECKING:
    from sqlalchemy import BindParameter
    from sqlalchemy.engine import ExceptionContext

    from sqlalchemy_vecsearch.search.building.legs import Leg, LegForm
    from sqlalchemy_vecsearch.search.building.row_keys import RowKeys
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["TrigramLeg", "trigram"]

_NO_FUNCTION: Final = "42883"
_MISSING_FUNCTION: Final = re.compile(r"\bfunction word_similarity\(")


@dataclass(frozen=True, slots=True)
class TrigramLeg(TextLeg):
    """The rows that hold a similar spelling."""

    @property
    def form(self) -> LegForm:
        """How its rows are selected."""
        return _SIMILAR

    def parts(self, statement: Statement, keys: RowKeys, count: int) -> tuple[Any, ...]:  # noqa: ARG002  # as the form
        """Return the column and the parameter of the text."""
        column, _ = own_column(statement, self.element, "column")
        return column, sent_text(self.text)


@dataclass(frozen=True, slots=True)
class _Similar(RankedByScore):
    """The most similar rows above the server's threshold; a trigram index finds those above it."""

    def limited(
        self, statement: Statement, keys: RowKeys, pool: BindParameter[int], column: Any, sent: Any
    ) -> Statement:
        """Return the select of them."""
        text, whole = as_text(sent), cast(column, Text)
        score = cast(func.word_similarity(text, whole), Float(53)).label("score")
        similar = with_percent_sign(text.bool_op("<%")(whole))
        found = only_columns(statement, *keys.labelled, score).where(similar)
        return found.order_by(score.desc(), *keys.labelled).limit(pool)


_SIMILAR: Final = _Similar()


def trigram(column: Any, text: str, *, name: str = "trigram") -> Leg:
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
        SearchError: the column is no text, or the text is no string that PostgreSQL can hold, or has over 10,000
            characters.
    """
    text_column(column, String, "text", "trigram", "Document.title")
    return TrigramLeg(name, column, checked_text(text))


@event.listens_for(Engine, "handle_error")
def _explain_missing_extension(context: ExceptionContext) -> None:
    """Add our sentences to SQLAlchemy's error, whose class, statement and original stay: programs may catch them."""
    original, error = context.original_exception, context.sqlalchemy_exception
    if error is None or sqlstate_of(original) != _NO_FUNCTION or _MISSING_FUNCTION.search(str(original)) is None:
        return
    error.add_detail(
        "The search path of this connection leads to no extension pg_trgm. "
        "A trigram leg compares spelling by its functions, and each database has extensions of its own. "
        "Run CREATE EXTENSION pg_trgm in this database, or leave the leg out."
    )
