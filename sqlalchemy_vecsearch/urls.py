"""URLs of databases, shown without their secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from sqlalchemy_vecsearch.errors import ServerError
from sqlalchemy_vecsearch.sqlstates import server_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

__all__ = ["HiddenUrl", "driver_sentence", "parsed_url", "shown_url", "without_secrets"]

_HIDDEN: Final = "***"

_SECRET: Final = re.compile(r"passw|pwd|passphrase|secret|token|credential", re.IGNORECASE)
"""Options of libpq and of the drivers that hold a secret have such a word in their names: password, sslpassword."""

_SECRET_WITHIN: Final = re.compile(rf"(?:{_SECRET.pattern})\w*\s*=", re.IGNORECASE)
"""libpq reads a database name with an equals sign as connection options: ``dbname=host=db password=x``."""


class HiddenUrl(str):
    """A URL that is a string as any other, whose ``repr`` has no secrets: what pytest shows of a test that failed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(shown_url(str(self)))


def parsed_url(text: str, *, setting: str) -> URL:
    """Return the URL of a PostgreSQL database.

    Args:
        text: as the user wrote it, which no error shows: it may hold a password.
        setting: how the user gives it, up to the URL itself, such as "VECSEARCH_TEST_URL=".

    Raises:
        ServerError: it is none.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        url = None
    if url is not None and url.drivername == "postgres":  # as Heroku and libpq write it
        url = url.set(drivername="postgresql")
    # a host with an @ is the end of a password
    if url is None or url.get_backend_name() != "postgresql" or "@" in (url.host or ""):
        raise ServerError(
            "The URL of the database cannot be used. "
            "It is not the URL of a PostgreSQL database, or its port is no number, as happens when a password holds "
            "one of : / @ and is not percent-encoded. "
            f"Write {setting}postgresql://user:password@host:5432/name."
        )
    return url


def shown_url(url: URL | str) -> str:
    """Return a URL for people: without the password, and without secrets among the options behind the question mark.

    Example:
        >>> shown_url("postgresql://app:a@host/shop?sslpassword=b&sslmode=require")
        'postgresql://app:***@host/shop?sslmode=require&sslpassword=***'
    """
    url = make_url(url)
    hidden = {name: _HIDDEN for name, value in _options(url) if _is_secret(name, value)}
    if _SECRET_WITHIN.search(url.database or ""):
        url = url.set(database=_HIDDEN)
    return url.update_query_dict(hidden).render_as_string().replace(quote_plus(_HIDDEN), _HIDDEN)


def without_secrets(text: str, url: URL | str) -> str:
    """Return a text of a driver about a connection, with each secret of its URL replaced by ``***``."""
    url = make_url(url)
    secrets = {value for name, value in _options(url) if _is_secret(name, value)}
    if url.password:
        secrets.add(str(url.password))
    if _SECRET_WITHIN.search(url.database or ""):
        secrets.add(str(url.database))
    forms = {
        form for secret in secrets for form in (secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1])
    }
    for form in sorted(forms, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", _HIDDEN, text)
    return text


def driver_sentence(error: BaseException | None, url: URL | str) -> str:
    """Return what a driver says of an error as one sentence, without line breaks and without the secrets of the URL.

    Args:
        error: the driver's own error, which SQLAlchemy keeps as ``orig``.
        url: of the database.
    """
    said = server_message(error)
    words = _joined(said.message, said.detail or "") if said.sqlstate else _joined(*_own_lines(error))
    words = without_secrets(words or type(error).__name__, url)
    return words if words.endswith(("!", "?")) else f"{words}."


def _joined(*parts: str) -> str:
    return "; ".join(" ".join(part.split()).rstrip(".;") for part in parts if part.strip())


def _own_lines(error: BaseException | None) -> list[str]:
    """Return what a driver says itself, without the questions of libpq, which begin with a tab."""
    return [line for line in str(error).splitlines() if not line.startswith("\t")]


def _options(url: URL) -> Iterator[tuple[str, str]]:
    for name, values in url.normalized_query.items():
        for value in values:
            yield name, value


def _is_secret(name: str, value: str) -> bool:
    """Say whether an option is a secret, or holds further ones of which one may be: ``options=-c app.token=x``."""
    return bool(value) and bool(_SECRET.search(name) or _SECRET_WITHIN.search(value))
