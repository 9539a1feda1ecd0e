"""Whether an SQL text is a single statement, as PostgreSQL's own scanner would say."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["what_follows"]

# Everything in which a semicolon ends no statement. A string that goes on behind a line break stays what it was.
_BREAK: Final = r"(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\f\v\n\r]|--[^\n\r]*[\n\r])*"
_PLAIN: Final = rf"'(?:[^']|'')*(?:'|\Z)(?:{_BREAK}'(?:[^']|'')*(?:'|\Z))*"
_ESCAPED: Final = rf"'(?:[^'\\]|\\.|'')*(?:'|\Z)(?:{_BREAK}'(?:[^'\\]|\\.|'')*(?:'|\Z))*"
_TOKENS: Final = {
    standard: re.compile(
        rf"""
        (?P<comment>--[^\n\r]*)
      | (?P<block>/\*)
      | [eE]{_ESCAPED}
      | {_PLAIN if standard else _ESCAPED}
      | "(?:[^"]|"")*(?:"|\Z)
      | [A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*
      | \$\d+
      | (?P<dollar>\$(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)?\$)
      | (?P<space>[ \t\n\r\f\v]+)
      | (?P<end>;)
      | .
        """,
        re.VERBOSE | re.DOTALL,
    )
    for standard in (True, False)
}


def what_follows(sql: str, *, standard_strings: bool = True) -> str | None:
    """Return what stands behind the semicolon that ends the first statement, None where nothing does.

    Args:
        sql: the text; comments and empty statements behind the semicolon count for nothing.
        standard_strings: the server's ``standard_conforming_strings``: whether a backslash in a plain string is only
            that.

    Example:
        >>> what_follows("select ';'; drop table small")
        'drop table small'
        >>> what_follows("select 1; -- done")
    """
    place, ended = 0, False
    while place < len(sql):
        token = _TOKENS[standard_strings].match(sql, place)
        assert token is not None, "the last way takes any character"
        kind = token.lastgroup
        if kind == "end":
            ended = True
        elif ended and kind not in ("space", "comment", "block"):
            return sql[place:].strip()
        place = token.end()
        if kind == "block":
            place = _end_of_comment(sql, place)
        elif kind == "dollar":
            end = sql.find(token[0], place)
            place = len(sql) if end < 0 else end + len(token[0])
    return None


def _end_of_comment(sql: str, place: int) -> int:
    """Return the place behind a comment whose begin stands before ``place``; comments hold comments."""
    depth = 1
    for mark in re.compile(r"/\*|\*/").finditer(sql, place):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(sql)
