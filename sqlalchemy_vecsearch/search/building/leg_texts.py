"""The text that a leg of a hybrid search looks for, with the column that it looks in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, cast, literal

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.indexes import plain_column

if TYPE_CHECKING:
    from sqlalchemy import BindParameter, ColumnElement, FromClause

__all__ = ["RankedByScore", "TextLeg", "as_text", "checked_text", "sent_text", "text_column"]

_LONGEST_TEXT: Final = 10_000
"""In characters. The server's work for each row grows with the words: 20,000 words are more than its stack can hold."""

_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class TextLeg:
    """What legs that compare a text have in common: a column with its table, and a score that ranks the rows."""

    name: str
    element: Any
    text: str

    @property
    def label(self) -> str:
        """The column's name."""
        return str(self.element)

    @property
    def table(self) -> Any:
        """The table of that column."""
        return plain_column(self.element).table

    def shared_conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Bring none."""
        return ()


class RankedByScore:
    """What the forms of these legs have in common."""

    __slots__ = ()

    def ranking(self, rows: FromClause) -> ColumnElement[Any]:
        """Rank by score."""
        return rows.c.score.desc()


def sent_text(text: str) -> BindParameter[str]:
    """Return the parameter of a text."""
    return literal(text, Text)


def as_text(sent: ColumnElement[Any]) -> ColumnElement[str]:
    """Return a text as the type whose functions are meant: drivers send another, which fits a stranger's as well."""
    return cast(sent, Text)


def checked_text(text: object) -> str:
    """Return what the user typed.

    Raises:
        SearchError: it is no string, one that PostgreSQL can not hold, or longer than 10,000 characters.
    """
    if isinstance(text, str):
        _refuse_unsendable(text)
        _refuse_long(text)
        return text
    raise SearchError(
        f"The text {str(text)[:_SHOWN]!r} to search for is {type(text).__name__}, not a string. "
        "A text leg compares words, which only a string holds. "
        "Pass what the user typed; an empty string finds nothing."
    )


def _refuse_unsendable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = f"half of a pair of surrogates at position {error.start}"
    else:
        if "\0" not in text:
            return
        found = f"a NUL character at position {text.index(chr(0))}"
    raise SearchError(
        f"The text {text[:_SHOWN]!r} to search for holds {found}. "
        "PostgreSQL stores no such text, so that no row can match, and refuses to read it. "
        "Take the character out of what the user typed."
    )


def _refuse_long(text: str) -> None:
    if len(text) <= _LONGEST_TEXT:
        return
    raise SearchError(
        f"The text {text[:_SHOWN]!r}... to search for has {len(text):,} characters. "
        f"The server compares every word of it with every row that matches, and from {_LONGEST_TEXT:,} characters on "
        "one search can keep it busy for minutes. "
        f"Cut what the user typed, such as text[:{_LONGEST_TEXT}]; a dense leg takes a whole document."
    )


def text_column(element: Any, kind: type, expected: str, leg: str, example: str) -> Any:  # Any: a Column
    """Return the column that a leg searches.

    Raises:
        SearchError: it is of another type.
    """
    column = plain_column(element)
    if isinstance(column.type, kind):
        return column
    raise SearchError(
        f"The column {column.name!r} of type {column.type!r} is no {expected}. "
        f"A {leg} leg searches columns of that type. "
        f"Pass one, such as {example}."
    )
