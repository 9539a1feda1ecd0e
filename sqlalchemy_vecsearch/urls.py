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

_HARMLESS: Final = frozenset(
    {
        "application_name",
        "async_fallback",
        "channel_binding",
        "client_encoding",
        "command_timeout",
        "connect_timeout",
        "dbname",
        "fallback_application_name",
        "gssencmode",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "krbsrvname",
        "load_balance_hosts",
        "options",
        "port",
        "prepared_statement_cache_size",
        "replication",
        "require_auth",
        "requirepeer",
        "service",
        "ssl",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcompression",
        "sslmode",
        "sslnegotiation",
        "sslrootcert",
        "sslsni",
        "target_session_attrs",
        "tcp_user_timeout",
        "timeout",
        "user",
    }
)
"""Options of libpq and of the drivers that hold no secret by themselves. The others may, such as ``sslkey``."""

_SECRET_WITHIN: Final = re.compile(r"(?:passw|pwd|passphrase|secret|token|credential)\w*\s*=", re.IGNORECASE)

_SETTINGS_OF_POSTGRESQL: Final = re.compile(r"(?:\s*(?:-c\s*|--)[\w-]+=\S*)*\s*")
"""The value of ``options`` where it sets nothing of the application's own, whose names have a dot."""

_SETTING: Final = re.compile(r"[\w-]+\.[\w.-]+\s*=\s*((?:\\.|\S)+)")
"""A setting of the application's own among them, with its value."""


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
    """Return a URL for people: without the password, and without the values of options that may be secrets.

    Shown are the options that are known to hold none.

    Example:
        >>> shown_url("postgresql://app:a@host/shop?sslpassword=b&sslmode=require")
        'postgresql://app:***@host/shop?sslmode=require&sslpassword=***'
    """
    url = make_url(url)
    hidden = {name: _HIDDEN for name, value in _options(url) if _may_be_secret(name, value)}
    if _has_options(url.database or ""):
        url = url.set(database=_HIDDEN)
    return url.update_query_dict(hidden).render_as_string().replace(quote_plus(_HIDDEN), _HIDDEN)


def without_secrets(text: str, url: URL | str) -> str:
    """Return a text of a driver about a connection, with each secret of its URL replaced by ``***``."""
    url = make_url(url)
    secrets = {value for name, value in _options(url) if _may_be_secret(name, value)}
    secrets |= {own for _, value in _options(url) for own in _SETTING.findall(value)}
    if url.password:
        secrets.add(str(url.password))
    if _has_options(url.database or ""):
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


def _may_be_secret(name: str, value: str) -> bool:
    """Say whether an option may be a secret, or hold further ones of which one may be: ``options=-c app.key=x``."""
    if not value:
        return False
    if name not in _HARMLESS or _SECRET_WITHIN.search(value):
        return True
    return (
        _has_options(value) if name == "dbname" else name == "options" and not _SETTINGS_OF_POSTGRESQL.fullmatch(value)
    )


def _has_options(database: str) -> bool:
    """Say whether libpq reads the name of a database as connection options or as a URL of its own."""
    return "=" in database or "://" in database
